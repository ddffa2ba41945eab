"""View: records that could not be applied; look at them, mark them, take them along."""

import asyncio

from nicegui import ui

from flows.page.error_actions import ErrorActions
from flows.page.error_filters import ErrorFilters
from flows.page.error_rows import error_row
from flows.page.markup import Tag
from flows.page.visit import Visit
from tracking.error_review import find_errors, known_entity_types
from tracking.integration_error import IntegrationError

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
        self._filters = ErrorFilters(texts)
        self._actions = ErrorActions(visit, self.chosen, self.refresh)
        with Tag("div", classes="actions"):
            self._all = ui.checkbox(texts("errors.all"), on_change=self._choose_all)
            self._csv = ui.link(texts("errors.csv"), self._filters.csv_address()).props("download")
        self._rows = Tag("div")
        with self._rows:
            ui.label(texts("reading")).classes("soft")
        self._more = ui.button(texts("more"), on_click=self._show_more).props("flat no-caps")
        self._more.set_visibility(False)
        self._filters.on_change(self.refresh)
        ui.timer(0.0, self.refresh, once=True)

    def chosen(self) -> list[int]:
        """The ids that are selected."""
        return [error_id for error_id, box in self._boxes.items() if box.value]

    async def refresh(self) -> None:
        """Begin with the newest again, none selected."""
        self._oldest = None
        found = await self._next_page()
        self._filters.offer_entity_types(await asyncio.to_thread(known_entity_types))
        self._rows.clear()
        self._boxes.clear()
        self._all.set_value(False)
        self._csv.props["href"] = self._filters.csv_address()
        self._show(found)

    async def _show_more(self) -> None:
        self._show(await self._next_page())

    async def _next_page(self) -> list[IntegrationError]:
        """One more than a page, which tells whether there is another."""
        wanted = self._filters.wanted(older_than=self._oldest, limit=PAGE_ROWS + 1)
        return await asyncio.to_thread(find_errors, wanted)

    def _show(self, found: list[IntegrationError]) -> None:
        page = found[:PAGE_ROWS]
        with self._rows:
            if not page:
                ui.label(self._visit.texts("errors.none")).classes("soft")
            with Tag("ul", classes="rows"):
                for error in page:
                    self._boxes[error.id or 0] = error_row(self._visit.texts, error, self._actions.count)
        self._oldest = page[-1].id if page else None
        self._more.set_visibility(len(found) > PAGE_ROWS)
        self._actions.count()

    def _choose_all(self) -> None:
        for box in self._boxes.values():
            box.set_value(self._all.value)
