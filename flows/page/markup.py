"""HTML's own elements with what screen readers need, where NiceGUI has no element of its own."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager

from nicegui import ui
from nicegui.elements.mixins.text_element import TextElement

FIELD = "outlined dense options-dense"
"""How every field looks (Quasar props)."""


class Tag(TextElement):
    """One HTML element: `Tag("h2", "History")`, or around others: `with Tag("ul", classes="rows"):`."""

    def __init__(self, tag: str, text: str = "", *, classes: str = "", **attributes: str) -> None:
        """Args: `attributes` by their names, `_` for `-`, such as `aria_live="polite"`."""
        super().__init__(tag=tag, text=text)
        self.classes(classes)
        for name, value in attributes.items():
            self.props[name.replace("_", "-")] = value


def english(tag: str, text: str, classes: str = "") -> Tag:
    """What a step, a rule or a vendor said, in English whatever the page is in: a screen reader has to know."""
    return Tag(tag, text, classes=classes, lang="en")


def mark(text: str, kind: str) -> Tag:
    """A status in its colour; the text says it to those who do not see colours."""
    return Tag("span", text, classes=f"mark is-{kind}")


def facts(pairs: Iterable[tuple[str, str]]) -> None:
    """Names and values, one pair a line; a pair without a value is left out."""
    with Tag("dl", classes="facts"):
        for name, value in pairs:
            if value:
                Tag("dt", name)
                Tag("dd", value)


def announcer() -> ui.label:
    """A line that a screen reader reads out whenever it changes."""
    return ui.label().props('role="status" aria-live="polite"')


def choice(label: str, options: Mapping[str, str], value: str) -> ui.select:
    """A drop-down; its label is its name for a screen reader too."""
    field = ui.select(dict(options), label=label, value=value).props(FIELD)
    field.props["aria-label"] = label
    return field


def day_field(label: str, value: str = "") -> ui.input:
    """A date as the browser's own date field; its value is ISO 8601."""
    return ui.input(label, value=value).props(f"{FIELD} type=date stack-label")


def strong_button(text: str, act: Callable[[], object] | None = None) -> ui.button:
    """The one button of a form that does what the form is for."""
    return ui.button(text, on_click=act, color=None).props("unelevated no-caps").classes("strong")


@contextmanager
def dialog_of(title: str) -> Iterator[ui.dialog]:
    """An open dialog with this title, which is its name for a screen reader too; it is gone once it is closed."""
    with ui.dialog(value=True) as dialog, ui.card().classes("panel wide"):
        dialog.on("hide", dialog.delete)
        dialog.props["aria-label"] = title
        Tag("h2", title)
        yield dialog
