"""Integration errors as rows: what is in trouble, why, how often; and the vendor's record over the view."""

import json
from collections.abc import Callable

from nicegui import ui

from flows.page.markup import Tag, dialog_of, english, mark
from flows.page.texts import Texts
from tracking.integration_error import IntegrationError


def error_row(texts: Texts, error: IntegrationError, at_choice: Callable[[], None]) -> ui.checkbox:
    """One row of the list. Returns the box that selects it; `at_choice` is called whenever that changes."""
    with Tag("li", classes="row no-wrap items-start"):
        box = ui.checkbox(on_change=at_choice)
        box.props["aria-label"] = texts("errors.select", id=error.id)
        with Tag("div", classes="row-in"):
            Tag("span", texts(f"step.{error.operation}"), classes="what")
            Tag("span", f"{texts.entity(error.entity_type)} {error.entity_external_id}", classes="breaking")
            mark(texts(f"error.{error.status}"), error.status)
            english("span", error.error_message, "told")
            Tag("span", _met(texts, error), classes="soft small")
            look = ui.button(texts("errors.payload"), on_click=lambda: _show_payload(texts, error))
            look.props("flat dense no-caps")
            look.props["aria-label"] = texts("errors.payload.of", id=error.id)
    return box


def _met(texts: Texts, error: IntegrationError) -> str:
    first, last = texts.moment(error.first_seen_at), texts.moment(error.last_seen_at)
    if error.occurrences == 1:
        return texts("errors.met.once", first=first)
    return texts("errors.met", count=error.occurrences, first=first, last=last)


def _show_payload(texts: Texts, error: IntegrationError) -> None:
    with dialog_of(texts("errors.payload.of", id=error.id)) as dialog:
        english("p", error.error_message)
        record = json.dumps(error.error_details, indent=2, ensure_ascii=False)
        Tag("pre", record, classes="payload", tabindex="0", role="region", aria_label=texts("errors.payload"))
        ui.button(texts("close"), on_click=dialog.close).props("flat no-caps autofocus")
