"""View: records that could not be applied; look at them, mark them, take them along."""

import asyncio
import json
from urllib.parse import urlencode

from nicegui import ui

from flows.page.error_actions import ErrorActions
from flows.page.markup import Tag, choice, dialog_of, mark
from flows.page.visit import Visit
from steps.catalog import STEPS
from tracking.error_review import ErrorFilter, find_errors
from tracking.integration_error import ErrorStatus, IntegrationError

PAGE_ROWS = 25


def show_errors(visit: Visit) -> None:
    """Build the view."""
    Tag("h2", visit.texts("errors.title"))
    with Tag("section", classes="panel"):
        ErrorsView(visit)


class ErrorsView:
    """Filters, what can be done with those that are selected, and the list."""

    def __init__(self, visit: Visit) -> None:
        texts = visit.texts
        self._visit = visit
        self._boxes: dict[int, ui.checkbox] = {}
        self._oldest: int | None = None
        steps = {"": texts("all")} | {step_id: texts(f"step.{step_id}") for step_id in STEPS}
        statuses = {"": texts("all")} | {each.value: texts(f"error.{each}") for each in ErrorStatus}
        with Tag("div", classes="fields"):
            self._step = choice(texts("history.step"), steps, "")
            self._status = choice(texts("history.status"), statuses, ErrorStatus.PENDING.value)
        self._actions = ErrorActions(visit, self.chosen, self.refresh)
        with Tag("div", classes="actions"):
            self._all = ui.checkbox(texts("errors.all"), on_change=self._choose_all)
            self._csv = ui.link(texts("errors.csv"), "").props("download")
        self._rows = Tag("div")
        self._more = ui.button(texts("more"), on_click=self._show_more).props("flat no-caps")
        for field in (self._step, self._status):
            field.on_value_change(self.refresh)
        ui.timer(0.0, self.refresh, once=True)

    def chosen(self) -> list[int]:
        """The ids that are selected."""
        return [error_id for error_id, box in self._boxes.items() if box.value]

    async def refresh(self) -> None:
        """Begin with the newest again, none selected."""
        self._oldest = None
        found = await self._next_page()
        self._rows.clear()
        self._boxes.clear()
        self._all.set_value(False)
        filters = {"operation": self._step.value, "status": self._status.value}
        self._csv.props["href"] = f"/download/errors.csv?{urlencode(filters)}"
        self._show(found)

    async def _show_more(self) -> None:
        self._show(await self._next_page())

    async def _next_page(self) -> list[IntegrationError]:
        wanted = ErrorFilter(
            operation=self._step.value or None,
            status=self._status.value or None,
            older_than=self._oldest,
            limit=PAGE_ROWS + 1,
        )
        return await asyncio.to_thread(find_errors, wanted)

    def _show(self, found: list[IntegrationError]) -> None:
        page = found[:PAGE_ROWS]
        with self._rows:
            if not page:
                ui.label(self._visit.texts("errors.none")).classes("soft")
            with Tag("ul", classes="rows"):
                for error in page:
                    with Tag("li", classes="row no-wrap items-start"):
                        self._row(error)
        self._oldest = page[-1].id if page else None
        self._more.set_visibility(len(found) > PAGE_ROWS)
        self._actions.count()

    def _row(self, error: IntegrationError) -> None:
        texts, error_id = self._visit.texts, error.id or 0
        box = ui.checkbox(on_change=self._actions.count)
        box.props["aria-label"] = texts("errors.select", id=error_id)
        self._boxes[error_id] = box
        with Tag("div", classes="row-in"):
            Tag("span", texts(f"step.{error.operation}"), classes="what")
            Tag("span", f"{error.entity_type} {error.entity_external_id}")
            mark(texts(f"error.{error.status}"), error.status)
            Tag("span", texts.moment(error.created_at), classes="soft small")
            Tag("span", error.error_message, classes="told")
            look = ui.button(texts("errors.payload"), on_click=lambda: self._show_payload(error))
            look.props("flat dense no-caps")
            look.props["aria-label"] = texts("errors.payload.of", id=error_id)

    def _choose_all(self) -> None:
        for box in self._boxes.values():
            box.set_value(self._all.value)

    def _show_payload(self, error: IntegrationError) -> None:
        texts = self._visit.texts
        with dialog_of(texts("errors.payload.of", id=error.id)) as dialog:
            ui.label(error.error_message)
            Tag("pre", json.dumps(error.error_details, indent=2, ensure_ascii=False), classes="payload", tabindex="0")
            ui.button(texts("close"), on_click=dialog.close).props("flat no-caps autofocus")
