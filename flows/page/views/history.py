"""View History: every execution; and executions as rows, of which each opens in full, for other views too."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from nicegui import ui

from flows.page.components import (
    Tag,
    Visit,
    choice,
    day_field,
    dialog_of,
    english,
    facts,
    mark,
    outcome_text,
    result_counts,
    run_address,
    took_text,
)
from steps.catalog import STEPS
from steps.results import RecordedResult, ResultNotification, ResultOverride
from tracking.history import HistoryFilter, Place, find_executions
from tracking.integration_errors import ErrorFilter, find_errors
from tracking.models import ExecutionStatus, IntegrationError, SyncExecution
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


def execution_rows(visit: Visit, executions: Iterable[SyncExecution]) -> None:
    """A list of executions, each opens in full."""
    with Tag("ul", classes="rows"):
        for execution in executions:
            with Tag("li"):
                _row(visit, execution)


def _row(visit: Visit, execution: SyncExecution) -> None:
    texts = visit.texts

    async def open_it() -> None:
        await show_execution(visit, execution)

    with ui.button(on_click=open_it).props("flat no-caps color=none align=left").classes("row-in full-width"):
        Tag("span", texts.step_run(execution.step_name, execution.window_start), classes="what")
        mark(texts(f"status.{execution.status}"), str(execution.status))
        Tag("span", texts.moment(execution.started_at), classes="soft small")
        Tag("span", took_text(texts, execution), classes="soft small")
        if execution.error_message:
            english("span", execution.error_message, "told small")
        elif told := outcome_text(texts, execution):
            Tag("span", told, classes="told small")


@dataclass(frozen=True)
class _Found:
    errors: list[IntegrationError]
    link: str | None


async def show_execution(visit: Visit, execution: SyncExecution) -> None:
    """One execution in full, over the view."""
    texts = visit.texts
    errors = await asyncio.to_thread(lambda: find_errors(ErrorFilter(sync_execution_id=execution.id)))
    with dialog_of(texts("execution", id=execution.id)) as dialog:
        mark(texts(f"status.{execution.status}"), str(execution.status)).classes("self-start")
        facts(
            [
                (texts("run.step"), texts.step_run(execution.step_name, execution.window_start)),
                (texts("execution.started"), texts.moment(execution.started_at)),
                (texts("execution.ended"), texts.moment(execution.completed_at)),
                (texts("execution.took"), took_text(texts, execution)),
            ]
        )
        if execution.error_message:
            Tag("h3", texts("execution.reason"))
            english("p", execution.error_message, "breaking")
        if execution.result:
            Tag("h3", texts("execution.result"))
            facts(result_counts(texts, execution.result))
            recorded = RecordedResult(execution.result)
            _notifications(visit, recorded.notifications)
            if recorded.override is not None:
                _override(visit, recorded.override)
        _errors(visit, errors)
        with Tag("div", classes="actions"):
            if address := run_address(execution.flow_run_id):
                ui.link(texts("execution.prefect"), address, new_tab=True)
            ui.button(texts("close"), on_click=dialog.close).props("flat no-caps autofocus")


def _notifications(visit: Visit, notes: Sequence[ResultNotification]) -> None:
    """What the accruals of a month want a person to look at."""
    if not notes:
        return
    Tag("h3", visit.texts("execution.notices"))
    with Tag("ul"):
        for note in notes:
            kind = visit.texts.known(f"notice.{note.kind}") or note.kind.replace("_", " ")
            text = visit.texts("execution.notice", contract=note.contract_id, kind=kind) if note.contract_id else kind
            with Tag("li", text):
                english("span", note.message)


def _override(visit: Visit, override: ResultOverride) -> None:
    """Who accrued a month although it was refused, why, and what was overridden."""
    texts = visit.texts
    Tag("h3", texts("execution.override"))
    facts([(texts("execution.override.by"), override.by), (texts("execution.reason"), override.reason)])
    if not override.overridden:
        ui.label(texts("execution.overridden.none")).classes("soft")
        return
    with Tag("ul"):
        for refusal in override.overridden:
            english("li", refusal, "breaking")


def _errors(visit: Visit, errors: list[IntegrationError]) -> None:
    texts = visit.texts
    Tag("h3", texts("execution.errors"))
    if not errors:
        ui.label(texts("execution.errors.none")).classes("soft")
    with Tag("ul", classes="rows"):
        for error in errors:
            with Tag("li"), Tag("div", classes="row-in"):
                Tag("span", f"{texts.entity(error.entity_type)} {error.entity_external_id}", classes="what breaking")
                mark(texts(f"error.{error.status}"), error.status)
                english("span", error.error_message, "told small")
