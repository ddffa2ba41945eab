"""Every view, and what opens over it, as axe-core sees it: in light and in dark, on a desk and on a phone."""

from collections.abc import Iterator
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import BrowserContext, Page, ViewportSize, expect

from tests.flows.page.conftest import log_in
from tests.flows.page.server import PageServer
from tests.flows.page.test_views import PATHS, go

pytestmark = [pytest.mark.browser, pytest.mark.prefect]

_LOOKS: list[tuple[ViewportSize, Literal["light", "dark"]]] = [
    (ViewportSize(width=1100, height=800), "light"),
    (ViewportSize(width=390, height=844), "dark"),
]
_AXE = Axe()
_CONTROLS = 'a[href], button, input, summary, [tabindex="0"]'
_NAMING = """
    const name = it => `${it.tagName} ${it.id || it.closest("[id]").id} ${it.textContent}`;
    const seen = it => it.checkVisibility() && it.tabIndex >= 0;
    const isShown = it => it.closest(".q-field--focused") || getComputedStyle(it).outlineStyle === "solid";
"""
"""A field shows by its border that it has the focus, everything else by an outline."""


OVER = (
    "contracts/3/2024-04?dialog=adjust",
    "months/2024-01?dialog=close",
    "months/2024-02?dialog=redo",
    "todo?status=ignored&chosen=no_contract&dialog=errors.resolve",
)
"""Addresses with a dialog open."""


def _violations(page: Page, where: str) -> Iterator[str]:
    for size, scheme in _LOOKS:
        page.set_viewport_size(size)
        page.emulate_media(color_scheme=scheme)
        page.locator(f"body.body--{scheme}, #token").first.wait_for()
        for each in _AXE.run(page).response["violations"]:
            targets = [node["target"] for node in each["nodes"]]
            yield f"{where}, {scheme}, {size['width']} px: {each['id']} ({each['impact']}): {targets}"


@pytest.mark.long
@pytest.mark.parametrize("context", [{"reduced_motion": "reduce"}], indirect=True, ids=["still"])
def test_axe_finds_nothing_on_any_view_or_dialog(context: BrowserContext, busy_server: PageServer) -> None:
    page = context.new_page()
    page.goto(busy_server.url)
    found = list(_violations(page, "login"))
    log_in(page, busy_server)
    for language in ("en", "es"):
        for path in (*PATHS, *OVER):
            go(page, busy_server, path, language)
            expect(page.get_by_text("…", exact=True)).to_have_count(0)  # Home reads its longest line last
            if path in OVER:
                page.get_by_role("dialog").get_by_role("button").first.wait_for()
            found += _violations(page, f"{language}/{path}")
        page.get_by_role("dialog").press("Escape")
        expect(page.get_by_role("dialog")).to_have_count(0)  # else its field, which has the focus, takes the key
        page.keyboard.press("?")
        page.locator("dialog#keys[open]").wait_for()
        found += _violations(page, f"{language}, the sheet of keys")

    assert found == []


def test_the_tab_key_reaches_every_control_and_shows_where_it_is(visitor: Page, busy_server: PageServer) -> None:
    for path in ("contracts/3/2024-04", "months/2024-03", "todo?status=ignored"):
        go(visitor, busy_server, path)
        every = visitor.evaluate(f"{_NAMING}; [...document.querySelectorAll('{_CONTROLS}')].filter(seen).map(name)")

        reached = [_tab(visitor) for _ in every]

        assert {name for name, is_shown in reached if not is_shown} == set()
        assert {name for name, _ in reached} == set(every)


def _tab(page: Page) -> tuple[str, bool]:
    """Go on to the next control. Its name, and whether it shows that it has the focus."""
    page.keyboard.press("Tab")
    name, is_shown = page.evaluate(f"{_NAMING}; [name(document.activeElement), !!isShown(document.activeElement)]")
    return name, is_shown
