"""View Runs: what ran, by run; one run while it goes on and afterwards; one execution in full."""

import asyncio
from collections.abc import Iterable, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any

from nicegui import ui

from flows.access import Role
from flows.page.components import (
    Tag,
    Visit,
    announcer,
    ask,
    choice,
    day_field,
    facts,
    failures_text,
    mark,
    outcome_text,
    result_counts,
    run_address,
    said,
    show_changes,
    took_text,
)
from flows.page.listing import Column, detail, listing
from flows.page.texts import Texts
from flows.parameters import months_of_year
from flows.plan import Assessment, assess, step_runs_of
from flows.prefect_server import PrefectUnavailableError
from flows.runs import RunDetails, RunGoneError, RunStatus, Stage
from steps.catalog import STEPS
from steps.errors import SyncError, UsageError
from steps.results import RecordedResult
from tracking.history import (
    MOST_IN_RUNS,
    HistoryFilter,
    Place,
    RunSummary,
    find_execution,
    find_runs,
    newest_and_open,
)
from tracking.integration_errors import ErrorFilter, find_errors
from tracking.models import OPEN_STATUSES, ExecutionStatus, IntegrationError, SyncExecution
from tracking.recorder import end_dead_executions
from tracking.settings import DatabaseUnusableError

_POLL_SECONDS = 0.7
_LOOK_SECONDS = 3.0
_TOLD = 6


async def show_runs(visit: Visit) -> None:
    """The history, or the run or execution that the address names."""
    if (number := visit.given.get("run")) is None:
        await _history(visit)
    elif number.isdecimal():
        await _execution(visit, int(number))
    else:
        await _Run(visit, number).show()


async def _history(visit: Visit) -> None:
    """Runs, newest first, looked at again while the view is open; the filters are in the address."""
    texts, given = visit.texts, visit.given
    steps = {"": texts("all")} | {step_id: texts(f"step.{step_id}") for step_id in STEPS}
    statuses = {"": texts("all")} | {each.value: texts(f"status.{each}") for each in ExecutionStatus}
    seen, found = await asyncio.to_thread(_find, visit)
    with Tag("div", classes="actions"):
        Tag("h2", texts("view.runs"))
        ui.space()
        visit.link(texts("audit"), "runs", show="audit")
        visit.link(texts("run.new"), "runs/new", classes="button")
    with Tag("section", classes="panel"):
        with Tag("div", classes="fields"):
            fields = {
                "step": choice(texts("step"), steps, given.get("step", "") if given.get("step") in steps else ""),
                "status": choice(texts("history.status"), statuses, _known(given.get("status", ""), statuses)),
                "since": day_field(texts("history.since"), given.get("since", "")),
                "until": day_field(texts("history.until"), given.get("until", "")),
            }
        for field in fields.values():
            field.on_value_change(
                lambda: ui.navigate.to(visit.address("runs", **{name: each.value for name, each in fields.items()}))
            )
        columns = (
            Column("what", texts("history.run")),
            Column("status", texts("history.status")),
            Column("count", texts("history.count"), number=True, desk=True),
            Column("started", texts("execution.started"), day=True, desk=True),
            Column("took", texts("execution.took"), number=True, desk=True),
        )
        table = listing(texts, columns, [_run_row(visit, each) for each in found], texts("history.none"))
        if sum(each.count for each in found) == MOST_IN_RUNS:
            asked: dict[str, Any] = {name: given.get(name) for name in fields}
            visit.link(texts("more"), "runs", before=min(each.first_id for each in found), **asked)

    async def look() -> None:
        nonlocal seen
        if await asyncio.to_thread(_seen_now) == seen:
            return
        seen, runs = await asyncio.to_thread(_find, visit)
        if table is not None:
            table.replace([_run_row(visit, each) for each in runs])
        elif runs:
            show_changes()

    ui.timer(_LOOK_SECONDS, look)


def _known(value: str, options: Iterable[str]) -> str:
    return value if value in options else ""


_Seen = tuple[int, tuple[tuple[int, str], ...]]
"""What `newest_and_open` answers."""


def _find(visit: Visit) -> tuple[_Seen, list[RunSummary]]:
    given, before = visit.given, visit.given.get("before", "")
    wanted = HistoryFilter(
        step_name=given.get("step"),
        status=given.get("status"),
        since=_midnight(visit, given.get("since")),
        until=_midnight(visit, given.get("until"), days=1),
        older_than=Place(int(before)) if before.isdecimal() else None,
    )
    return _seen_now(), find_runs(wanted)


def _seen_now() -> _Seen:
    end_dead_executions()
    return newest_and_open()


def _midnight(visit: Visit, day: str | None, days: int = 0) -> datetime | None:
    """The beginning of a day in the academy's zone."""
    if not day:
        return None
    try:
        return datetime.combine(date.fromisoformat(day) + timedelta(days), time(), visit.settings.zone)
    except (ValueError, OverflowError):
        raise UsageError(f"{day!r} is no date: YYYY-MM-DD is expected") from None


def _run_row(visit: Visit, run: RunSummary) -> dict[str, Any]:
    texts = visit.texts
    state = ExecutionStatus.COMPLETED
    if run.failed:
        state = ExecutionStatus.FAILED
    elif run.open:
        state = ExecutionStatus.RUNNING if run.started_at else ExecutionStatus.PENDING
    ended = None if run.open else run.completed_at
    return {
        "id": run.last_id,
        "what": _name_of(texts, run),
        "href": visit.href(f"runs/{run.flow_run_id or run.last_id}"),
        "status": texts(f"status.{state}"),
        "status_mark": state,
        "count": run.count,
        "count_text": texts("run.some_failed", failed=run.failed, total=run.count) if run.failed else str(run.count),
        "started": run.started_at.isoformat() if run.started_at else "",
        "started_text": texts.moment(run.started_at),
        "took": (ended - run.started_at).total_seconds() if run.started_at and ended else 0,
        "took_text": took_text(texts, run.started_at, ended),
        **detail(texts, run.reason),
    }


def _name_of(texts: Texts, run: RunSummary) -> str:
    """What ran: a step or how many, and the months."""
    name = texts.step_run(run.step_name, None) if run.steps == 1 else texts("run.steps", count=run.steps)
    ends = dict.fromkeys(texts.month(each) for each in (run.first_month, run.last_month) if each)
    return ", ".join(filter(None, (name, " – ".join(ends))))


def execution_rows(visit: Visit, executions: Iterable[SyncExecution]) -> None:
    """A list of executions; each leads to itself in full."""
    texts = visit.texts
    with Tag("ul", classes="rows"):
        for execution in executions:
            with Tag("li"), Tag("div", classes="row-in"):
                name = texts.step_run(execution.step_name, execution.window_start)
                visit.link(name, f"runs/{execution.id}", classes="what")
                mark(texts(f"status.{execution.status}"), str(execution.status))
                Tag("span", took_text(texts, execution.started_at, execution.completed_at), classes="soft small")
                if execution.error_message:
                    said(texts, "span", execution.error_message, "detail small")
                elif outcome := outcome_text(texts, execution):
                    Tag("span", outcome, classes="detail small")


class _Run:
    """One run, by asking what became of it: live in every tab, after a reload, after the server was started anew."""

    def __init__(self, visit: Visit, flow_run_id: str) -> None:
        self._visit, self._id = visit, flow_run_id
        self._seen: list[tuple[int | None, str]] | None = None
        self._name = visit.texts("run.title")

    async def show(self) -> None:
        """Build it, and go on looking until it has ended."""
        visit, texts = self._visit, self._visit.texts
        details = await asyncio.to_thread(self._details)
        self._name = details.name if details else texts("run.title")
        Tag("h2", self._name)
        self._parameters = details.parameters if details else {}
        with Tag("section", classes="panel", aria_label=texts("run.latest")):
            self._line = announcer()
            self._bar = ui.linear_progress(0.0, show_value=False, size="8px").props("rounded instant-feedback")
            self._bar.props["aria-label"] = texts("run.latest")
            if details:
                asked = ", ".join(f"{name} {value}" for name, value in details.parameters.items() if value is not None)
                facts(
                    [
                        (texts("run.by"), details.created_by or texts("run.by.nobody")),
                        (texts("run.asked"), asked),
                        (texts("run.attempt"), str(details.attempt) if details.attempt > 1 else ""),
                    ]
                )
            with Tag("div", classes="actions"):
                if address := run_address(self._id):
                    Tag("a", texts("execution.prefect"), href=address, target="_blank", rel="noopener")
                visit.link(texts("run.back"), "todo" if visit.given.get("back") == "todo" else "home")
                self._again = Tag("div")
                cancel = ui.button(texts("run.cancel"), on_click=self._stop).props("outline no-caps")
                self._cancel = visit.allow(Role.OPERATE, cancel)
        self._outdated = Tag("div", classes="full-width")
        with Tag("section", classes="panel"):
            self._rows = Tag("div")
        self._timer = ui.timer(_POLL_SECONDS, self._look)
        await self._look()

    def _details(self) -> RunDetails | None:
        """What Prefect knows; a temporary server of before knows nothing."""
        try:
            return self._visit.runs.details(self._id)
        except SyncError:
            return None

    async def _stop(self) -> None:
        def cancel() -> None:
            with self._visit.caller.performing(Role.OPERATE, "cancel", self._id):
                self._visit.runs.cancel(self._id)

        await ask(self._visit.texts, cancel)

    async def _look(self) -> None:
        try:
            status = await asyncio.to_thread(self._visit.runs.status, self._id)
        except RunGoneError as error:
            self._end(str(error))
        except (PrefectUnavailableError, DatabaseUnusableError) as error:  # looked at again
            self._line.set_text(str(error))
        except SyncError as error:
            self._end(str(error))
        else:
            if status.executions:
                await self._show(status)
            elif status.stage is Stage.ended:
                self._end(status.detail)
            else:
                self._line.set_text(self._waiting_text(status))

    def _waiting_text(self, status: RunStatus) -> str:
        return self._visit.texts(f"run.stage.{status.stage}", step=self._name, other=status.detail)

    def _end(self, line: str) -> None:
        """Nothing changes any more."""
        self._timer.deactivate()
        self._cancel.set_visibility(False)
        self._line.set_text(line)

    async def _show(self, status: RunStatus) -> None:
        executions: Sequence[SyncExecution] = status.executions
        seen = [(each.id, f"{each.status} {status.detail} {status.retry_at}") for each in executions]
        if seen == self._seen and status.retry_at is None:
            return
        self._seen = seen
        texts, total = self._visit.texts, len(executions)
        done = sum(each.status not in OPEN_STATUSES for each in executions)
        failed = sum(each.status == ExecutionStatus.FAILED for each in executions)
        self._rows.clear()
        with self._rows:
            execution_rows(self._visit, executions)
        self._bar.set_value(done / total)
        if done < total:
            waits = status.stage is Stage.waits_for_run
            line = self._waiting_text(status) if waits else texts("run.progress", done=done, total=total)
            if status.retry_at is not None:
                seconds = max(0, round((status.retry_at - self._visit.now).total_seconds()))
                line += ": " + texts("run.retry", attempt=status.attempt + 1, seconds=seconds)
            self._line.set_text(line)
        elif failed:
            self._end(failures_text(texts, self._name, executions))
        else:
            self._end(texts("run.done", step=self._name, total=total))
        if done == total:
            await self._afterwards(executions)

    async def _afterwards(self, executions: Sequence[SyncExecution]) -> None:
        """Run it again, and what is out of date because of what it changed."""
        visit, texts, asked = self._visit, self._visit.texts, self._parameters
        months = sorted(each.window_start for each in executions if each.window_start)
        first, last = (f"{months[0]:%Y-%m}", f"{months[-1]:%Y-%m}") if months else ("", "")
        start = asked.get("from_step")
        step = asked.get("step") or (f"from:{start}" if start else executions[0].step_name)
        self._again.clear()
        with self._again:
            visit.link(texts("run.again"), "runs/new", classes="button", step=step, first=first, last=last)
        outdated = await asyncio.to_thread(_outdated_by, visit, executions)
        with self._outdated:
            if outdated:
                names = [texts.step_run(*each.step_run.key) for each in outdated]
                with Tag("section", classes="panel is-stale"):
                    Tag("h3", texts("run.outdated", count=len(names)))
                    more = texts("home.more", count=len(names) - _TOLD) if len(names) > _TOLD else ""
                    Tag("p", "; ".join(names[:_TOLD]) + more)
                    query = {"only": "stale", "first": first, "last": last}
                    visit.link(texts("home.stale.mend"), "runs/new", classes="button self-start", **query)


def _outdated_by(visit: Visit, executions: Sequence[SyncExecution]) -> list[Assessment]:
    """What stands out of date because one of these executions changed something, in the years that they are about."""
    ids = {each.id for each in executions}
    years = sorted({each.window_start.year for each in executions if each.window_start} or {visit.year})
    steps, settings = tuple(STEPS.values()), visit.settings
    found = [
        each
        for year in years
        for each in assess(step_runs_of(steps, months_of_year(year), settings), settings.zone)
        if each.source is not None and each.source.id in ids
    ]
    return list({each.step_run.key: each for each in found}.values())


async def _execution(visit: Visit, number: int) -> None:
    """One execution in full."""
    texts = visit.texts

    def read() -> tuple[SyncExecution, list[IntegrationError]]:
        if (found := find_execution(number)) is None:
            raise UsageError(f"there is no execution {number}: the history lists them")
        return found, find_errors(ErrorFilter(sync_execution_id=number))

    execution, errors = await asyncio.to_thread(read)
    Tag("h2", texts.step_run(execution.step_name, execution.window_start))
    with Tag("section", classes="panel"):
        mark(texts(f"status.{execution.status}"), str(execution.status)).classes("self-start")
        attempts = execution.details.get("attempts") if isinstance(execution.details, dict) else None
        facts(
            [
                (texts("execution.number"), str(execution.id)),
                (texts("execution.started"), texts.moment(execution.started_at)),
                (texts("execution.ended"), texts.moment(execution.completed_at)),
                (texts("execution.took"), took_text(texts, execution.started_at, execution.completed_at)),
                (texts("run.attempt"), str(attempts or "")),
            ]
        )
        with Tag("div", classes="actions"):
            if execution.flow_run_id:
                visit.link(texts("run.whole"), f"runs/{execution.flow_run_id}")
            if address := run_address(execution.flow_run_id):
                Tag("a", texts("execution.prefect"), href=address, target="_blank", rel="noopener")
            month = f"{execution.window_start:%Y-%m}" if execution.window_start else ""
            visit.link(texts("run.again"), "runs/new", step=execution.step_name, month=month, classes="button")
        if execution.error_message:
            Tag("h3", texts("reason"))
            said(texts, "p", execution.error_message, "breaking")
        if execution.result:
            Tag("h3", texts("execution.result"))
            facts(result_counts(texts, execution.result))
            _notifications_and_override(visit, RecordedResult(execution.result), month)
        _errors(visit, errors)


def _notifications_and_override(visit: Visit, result: RecordedResult, month: str) -> None:
    """What a month of accruals wants a person to look at; who accrued it although it was refused, why, and what for."""
    texts = visit.texts
    if result.notifications:
        Tag("h3", texts("execution.notices"))
        with Tag("ul"):
            for note in result.notifications:
                kind = texts.known(f"notice.{note.kind}") or note.kind.replace("_", " ")
                with Tag("li"):
                    if note.contract_id.isdecimal():
                        name = texts("execution.notice", contract=note.contract_id, kind=kind)
                        visit.link(name, f"contracts/{note.contract_id}/{month}".rstrip("/"))
                    else:
                        Tag("span", kind)
                    Tag("span", " ")
                    said(texts, "span", note.message)
    if (override := result.override) is not None:
        Tag("h3", texts("execution.override"))
        facts([(texts("execution.override.by"), override.by), (texts("reason"), override.reason)])
        if not override.overridden:
            ui.label(texts("execution.overridden.none")).classes("soft")
        with Tag("ul"):
            for refusal in override.overridden:
                said(texts, "li", refusal, "breaking")


def _errors(visit: Visit, errors: list[IntegrationError]) -> None:
    texts = visit.texts
    Tag("h3", texts("execution.errors"))
    if not errors:
        ui.label(texts("execution.errors.none")).classes("soft")
    with Tag("ul", classes="rows"):
        for error in errors:
            with Tag("li"), Tag("div", classes="row-in"):
                name = f"{texts.entity(error.entity_type)} {error.entity_external_id}"
                visit.link(name, "todo", error=error.id, status=error.status).classes("what breaking")
                mark(texts(f"error.{error.status}"), error.status)
                said(texts, "span", error.error_message, "detail small")
