"""What every view has: skip link, header with navigation, language and theme, and the place for its content."""

from collections.abc import Iterator
from contextlib import contextmanager

from nicegui import ui

from flows.page.markup import Tag
from flows.page.style import COLOURS, STYLE
from flows.page.visit import Visit

VIEWS = ("run", "grid", "history", "errors", "accruals")


@contextmanager
def frame(visit: Visit) -> Iterator[None]:
    """Everything around a view's content."""
    texts = visit.texts
    ui.page_title(f"{texts(f'view.{visit.view}')} · {texts('app')}")
    ui.colors(**COLOURS)
    ui.add_css(STYLE)
    ui.dark_mode(value={"dark": True, "light": False}.get(visit.theme))
    with ui.header(fixed=False, wrap=False).classes("top"), Tag("div", classes="top-in"):
        Tag("h1", texts("app"))
        _navigation(visit)
        _switches(visit)
    content = Tag("div", classes="content")  # Quasar's page around it is the `main` already
    ui.skip_link(texts("skip"), target=content)
    with content:
        yield


def _navigation(visit: Visit) -> None:
    with Tag("nav", aria_label=visit.texts("nav")):
        for view in VIEWS:
            link = ui.link(visit.texts(f"view.{view}"), visit.address(view))
            if view == visit.view:
                link.props["aria-current"] = "page"


def _switches(visit: Visit) -> None:
    texts = visit.texts
    other = ui.link(texts("language.other"), f"/{texts.language.other}/{visit.view}").classes("quiet")
    other.props["lang"] = other.props["hreflang"] = texts.language.other.value
    for theme in ("dark", "light"):  # the style shows the one that the page is not in
        address = f"/theme/{theme}?language={texts.language}&view={visit.view}"
        ui.link(texts(f"theme.{theme}"), address).classes(f"quiet to-{theme}")
    if visit.guarded:
        with ui.element("form").props('method="post" action="../logout"'):
            ui.button(texts("logout"), color=None).props("flat dense no-caps type=submit").classes("quiet")
