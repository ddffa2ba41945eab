"""View History: every execution, and one of them in full."""

import asyncio
from datetime import date, datetime, time, timedelta

from nicegui import ui

from flows.page.components import Tag, Visit, choice, day_field
from flows.page.views.executions import execution_rows
from steps.catalog import STEPS
from tracking.history import HistoryFilter, Place, find_executions
from tracking.models import ExecutionStatus, SyncExecution
from tracking.reconcile import end_dead_executions

PAGE_ROWS = 25


def show_history(visit: Visit) -> None:
    """Build the view."""
    Tag("h2", visit.texts("history.title"))
    with Tag("section", classes="panel"):
        HistoryView(visit)


class HistoryView:
    """Filters, and a list that grows by a page at a time."""

    def __init__(self, visit: Visit) -> None:
        texts = visit.texts
        self._visit = visit
        steps = {"": texts("all")} | {step_id: texts(f"step.{step_id}") for step_id in STEPS}
        statuses = {"": texts("all")} | {each.value: texts(f"status.{each}") for each in ExecutionStatus}
        with Tag("div", classes="fields"):
            self._step = choice(texts("history.step"), steps, "")
            self._status = choice(texts("history.status"), statuses, "")
            self._since = day_field(texts("history.since"))
            self._until = day_field(texts("history.until"))
        self._rows = Tag("div")
        with self._rows:
            ui.label(texts("reading")).classes("soft")
        self._more = ui.button(texts("more"), on_click=self._show_more).props("flat no-caps")
        self._more.set_visibility(False)
        self._oldest: Place | None = None
        for field in (self._step, self._status, self._since, self._until):
            field.on_value_change(self.refresh)
        ui.timer(0.0, self.refresh, once=True)

    async def refresh(self) -> None:
        """Begin with the newest again."""
        await asyncio.to_thread(end_dead_executions)
        self._oldest = None
        found = await self._next_page()
        self._rows.clear()
        self._show(found)

    async def _show_more(self) -> None:
        self._show(await self._next_page())

    async def _next_page(self) -> list[SyncExecution]:
        return await asyncio.to_thread(find_executions, self._wanted())

    def _wanted(self) -> HistoryFilter:
        """One more than a page, which tells whether there is another."""
        return HistoryFilter(
            step_name=self._step.value or None,
            status=self._status.value or None,
            since=self._midnight(self._since.value),
            until=self._midnight(self._until.value, days=1),
            older_than=self._oldest,
            limit=PAGE_ROWS + 1,
        )

    def _show(self, found: list[SyncExecution]) -> None:
        page = found[:PAGE_ROWS]
        with self._rows:
            if page:
                execution_rows(self._visit, page)
                self._oldest = Place(page[-1].id or 0)
            else:
                ui.label(self._visit.texts("history.none")).classes("soft")
        self._more.set_visibility(len(found) > PAGE_ROWS)

    def _midnight(self, day: str | None, days: int = 0) -> datetime | None:
        """The beginning of a day in the academy's zone."""
        if not day:
            return None
        return datetime.combine(date.fromisoformat(day) + timedelta(days), time(), self._visit.settings.zone)
