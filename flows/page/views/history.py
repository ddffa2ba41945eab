"""View History: every execution; and executions as rows, of which each opens in full, for other views too."""

import asyncio
from collections.abc import Iterable
from datetime import date, datetime, time, timedelta
from functools import partial

from nicegui import ui

from flows.page.components import (
    PagedList,
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
from steps.results import RecordedResult
from tracking.history import HistoryFilter, Place, find_executions
from tracking.integration_errors import ErrorFilter, find_errors
from tracking.models import ExecutionStatus, IntegrationError, SyncExecution
from tracking.recorder import end_dead_executions


class HistoryView(PagedList[SyncExecution]):
    """Filters and the list."""

    def __init__(self, visit: Visit) -> None:
        texts = visit.texts
        self._visit = visit
        steps = {"": texts("all")} | {step_id: texts(f"step.{step_id}") for step_id in STEPS}
        statuses = {"": texts("all")} | {each.value: texts(f"status.{each}") for each in ExecutionStatus}
        Tag("h2", texts("history.title"))
        with Tag("section", classes="panel"):
            with Tag("div", classes="fields"):
                self._step = choice(texts("step"), steps, "")
                self._status = choice(texts("history.status"), statuses, "")
                self._since = day_field(texts("history.since"))
                self._until = day_field(texts("history.until"))
            super().__init__(texts, texts("history.none"))
        for field in (self._step, self._status, self._since, self._until):
            field.on_value_change(self.refresh)

    def read(self, after: SyncExecution | None, limit: int) -> list[SyncExecution]:
        """As the filters say."""
        if after is None:
            end_dead_executions()
        return find_executions(
            HistoryFilter(
                step_name=self._step.value or None,
                status=self._status.value or None,
                since=self._midnight(self._since.value),
                until=self._midnight(self._until.value, days=1),
                older_than=Place(after.id or 0) if after else None,
                limit=limit,
            )
        )

    def show(self, page: list[SyncExecution]) -> None:
        """Each opens in full."""
        execution_rows(self._visit, page)

    def _midnight(self, day: str | None, days: int = 0) -> datetime | None:
        """The beginning of a day in the academy's zone."""
        if not day:
            return None
        return datetime.combine(date.fromisoformat(day) + timedelta(days), time(), self._visit.settings.zone)


def execution_rows(visit: Visit, executions: Iterable[SyncExecution]) -> None:
    """A list of executions, each opens in full."""
    texts = visit.texts
    with Tag("ul", classes="rows"):
        for execution in executions:
            with Tag("li"), ui.button(on_click=partial(show_execution, visit, execution)) as button:
                button.props("flat no-caps color=none align=left").classes("row-in full-width")
                Tag("span", texts.step_run(execution.step_name, execution.window_start), classes="what")
                mark(texts(f"status.{execution.status}"), str(execution.status))
                Tag("span", texts.moment(execution.started_at), classes="soft small")
                Tag("span", took_text(texts, execution), classes="soft small")
                if execution.error_message:
                    english("span", execution.error_message, "detail small")
                elif outcome := outcome_text(texts, execution):
                    Tag("span", outcome, classes="detail small")


async def show_execution(visit: Visit, execution: SyncExecution) -> None:
    """One execution in full, over the view."""
    texts = visit.texts
    errors = await asyncio.to_thread(find_errors, ErrorFilter(sync_execution_id=execution.id))
    with dialog_of(texts("execution", id=execution.id)) as dialog:
        mark(texts(f"status.{execution.status}"), str(execution.status)).classes("self-start")
        facts(
            [
                (texts("step"), texts.step_run(execution.step_name, execution.window_start)),
                (texts("execution.started"), texts.moment(execution.started_at)),
                (texts("execution.ended"), texts.moment(execution.completed_at)),
                (texts("execution.took"), took_text(texts, execution)),
            ]
        )
        if execution.error_message:
            Tag("h3", texts("reason"))
            english("p", execution.error_message, "breaking")
        if execution.result:
            Tag("h3", texts("execution.result"))
            facts(result_counts(texts, execution.result))
            _notifications_and_override(visit, RecordedResult(execution.result))
        _errors(visit, errors)
        with Tag("div", classes="actions"):
            if address := run_address(execution.flow_run_id):
                ui.link(texts("execution.prefect"), address, new_tab=True)
            ui.button(texts("close"), on_click=dialog.close).props("flat no-caps autofocus")


def _notifications_and_override(visit: Visit, result: RecordedResult) -> None:
    """What a month of accruals wants a person to look at; who accrued it although it was refused, why, and what for."""
    texts = visit.texts
    if result.notifications:
        Tag("h3", texts("execution.notices"))
        with Tag("ul"):
            for note in result.notifications:
                kind = texts.known(f"notice.{note.kind}") or note.kind.replace("_", " ")
                text = texts("execution.notice", contract=note.contract_id, kind=kind) if note.contract_id else kind
                with Tag("li", text):
                    english("span", note.message)
    if (override := result.override) is not None:
        Tag("h3", texts("execution.override"))
        facts([(texts("execution.override.by"), override.by), (texts("reason"), override.reason)])
        if not override.overridden:
            ui.label(texts("execution.overridden.none")).classes("soft")
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
                english("span", error.error_message, "detail small")
