"""View Run: choose a step and months, execute, watch."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from nicegui import ui

from flows.page.components import (
    FIELD,
    Tag,
    Visit,
    announcer,
    ask,
    choice,
    day_field,
    failures_text,
    notify_failure,
    notify_success,
    strong_button,
    year_field,
)
from flows.page.views.history import execution_rows
from flows.parameters import TypedOptions, resolve_override
from flows.prefect_server import PrefectUnavailableError
from flows.runs import RunRequest, RunStatus, Stage, request_step
from steps.catalog import ACCRUALS, STEPS, Step
from steps.engine.gate import LONGEST_REASON, Override
from steps.errors import SyncError
from steps.ledger.months import MonthWindow, next_month
from tracking.models import OPEN_STATUSES, ExecutionStatus, SyncExecution
from tracking.settings import DatabaseUnusableError

_POLL_SECONDS = 0.7


class RunProgress:
    """Shows one run at a time, by asking what became of it."""

    def __init__(self, visit: Visit, at_end: Callable[[], Awaitable[None]] | None = None) -> None:
        """Args: `at_end` is called when a run that was watched has ended."""
        self._visit, self._name, self._at_end = visit, "", at_end
        self._flow_run_id: str | None = None
        self._seen: list[tuple[int | None, str]] = []
        self._failures: ui.notification | None = None
        self._panel = Tag("section", classes="panel", aria_label=visit.texts("run.latest"))
        with self._panel:
            Tag("h3", visit.texts("run.latest"))
            self._line = announcer()
            self._bar = ui.linear_progress(0.0, show_value=False, size="8px").props("rounded instant-feedback")
            self._bar.props["aria-label"] = visit.texts("run.latest")
            self._rows = Tag("div")
        self._panel.set_visibility(False)
        self._timer = ui.timer(_POLL_SECONDS, self._look, active=False)

    async def start(self, step: Step, span: MonthWindow, override: Override | None = None) -> None:
        """Start a step as the API does, and watch it; it goes on when the browser is closed."""
        await self.watch(self._visit.texts(f"step.{step.id}"), request_step(step, span, override))

    async def watch(self, name: str, request: RunRequest) -> None:
        """Start a run under this name and watch it."""
        texts = self._visit.texts
        self._name, self._failures = name, None
        self._line.set_text(texts("run.starting"))
        self._rows.clear()
        self._bar.set_value(0.0)
        self._panel.set_visibility(True)
        self._flow_run_id, self._seen = await ask(texts, lambda: self._visit.runs.start(request)), []
        if self._flow_run_id is None:
            self._panel.set_visibility(False)
            return
        self._line.set_text(texts("run.started", step=name))
        self._timer.activate()

    async def _look(self) -> None:
        flow_run_id = self._flow_run_id
        if flow_run_id is None:
            return
        try:
            status = await asyncio.to_thread(self._visit.runs.status, flow_run_id)
        except (PrefectUnavailableError, DatabaseUnusableError) as error:  # looked at again
            self._line.set_text(str(error))
        except SyncError as error:
            self._end_without_executions(str(error))
        else:
            if status.executions:
                self._show(status)
            elif status.stage is Stage.ended:
                self._end_without_executions(status.detail)
            else:
                self._line.set_text(self._waiting_text(status))
        if self._at_end and not self._timer.active:
            await self._at_end()

    def _waiting_text(self, status: RunStatus) -> str:
        return self._visit.texts(f"run.stage.{status.stage}", step=self._name, other=status.detail)

    def _end_without_executions(self, why: str) -> None:
        """A run that ended without a single execution says why by itself."""
        self._timer.deactivate()
        self._line.set_text(why)
        notify_failure(why)

    def _show(self, status: RunStatus) -> None:
        executions: Sequence[SyncExecution] = status.executions
        seen = [(each.id, f"{each.status} {status.detail}") for each in executions]
        if seen == self._seen:
            return
        self._seen = seen
        texts, total = self._visit.texts, len(executions)
        done = sum(each.status not in OPEN_STATUSES for each in executions)
        failed = sum(each.status == ExecutionStatus.FAILED for each in executions)
        self._rows.clear()
        with self._rows:
            execution_rows(self._visit, executions)
        self._bar.set_value(done / total if total else 0.0)
        if failed:
            self._show_failures(failures_text(texts, self._name, executions))
        if done < total or not total:
            waits = status.stage is Stage.waits_for_run
            self._line.set_text(self._waiting_text(status) if waits else texts("run.progress", done=done, total=total))
            return
        self._timer.deactivate()
        key = "run.failed" if failed else "run.done"
        self._line.set_text(texts(key, step=self._name, total=total, failed=failed))
        if not failed:
            notify_success(self._line.text)

    def _show_failures(self, message: str) -> None:
        """In one notification, whose text grows; who has closed it gets a new one with the next failure."""
        if self._failures is None or self._failures.is_deleted:
            self._failures = notify_failure(message)
        elif self._failures.message != message:
            self._failures.message = message


_YEAR, _MONTHS = "year", "months"


class RunView:
    """Step, months, the button, and the run that it starts."""

    def __init__(self, visit: Visit) -> None:
        texts, year = visit.texts, visit.settings.default_year
        self._visit = visit
        Tag("h2", texts("run.title"))
        with Tag("section", classes="panel"):
            steps = {step_id: texts(f"step.{step_id}") for step_id in STEPS}
            self._step = choice(texts("step"), steps, "invoices").classes("full-width")
            self._what = ui.label().classes("soft")
            with Tag("div") as self._months:
                self._kind = ui.radio({_YEAR: texts("run.year"), _MONTHS: texts("run.months")}, value=_YEAR)
                self._kind.props("inline").props["aria-label"] = texts("run.range")
                self._year = year_field(visit, texts("year"))
                self._year.bind_visibility_from(self._kind, "value", value=_YEAR)
                with Tag("div", classes="fields") as dates:
                    self._start = day_field(texts("run.start"), f"{year}-01-01")
                    self._end = day_field(texts("run.end"), f"{year + 1}-01-01")
                dates.bind_visibility_from(self._kind, "value", value=_MONTHS)
                why = ui.label(texts("run.end.why")).classes("soft small")
                why.bind_visibility_from(self._kind, "value", value=_MONTHS)
                with Tag("div", classes="column no-wrap full-width q-gutter-y-sm") as overriding:
                    with Tag("div", classes="fields"):
                        self._reason = ui.input(texts("run.override")).props(f"{FIELD} maxlength={LONGEST_REASON}")
                        self._who = ui.input(texts("closing.who"))
                        self._who.props(f"{FIELD} autocomplete=name maxlength={LONGEST_REASON}")
                    ui.label(texts("run.override.why")).classes("soft small")
                overriding.bind_visibility_from(self._step, "value", value=ACCRUALS.id)
            self._summary = announcer().classes("soft")
            with Tag("div", classes="actions"):
                self._button = strong_button(texts("run.execute"), self._execute)
        self._progress = RunProgress(visit)
        for field in (self._step, self._kind, self._year, self._start, self._end):
            field.on_value_change(self._explain)
        self._explain()

    async def _execute(self) -> None:
        """Refuse what makes no sense with the command line's own line, else start it and watch."""
        options, who = self._options(), str(self._who.value or "").strip()
        if options.override is not None and not who:
            notify_failure(self._visit.texts("closing.no_name"))
        elif asked := await ask(self._visit.texts, options.resolve):
            step_id, span = asked
            override = resolve_override(step_id, options.override, who)
            self._button.disable()
            await self._progress.start(STEPS[step_id], span, override)
            self._button.enable()

    def _options(self) -> TypedOptions:
        """What is asked for, as the command line would be."""
        step = str(self._step.value)
        if not self._visit.settings.calls_by_month(STEPS[step]):
            return TypedOptions(step)
        override = str(self._reason.value or "") or None if step == ACCRUALS.id else None
        if self._kind.value == _YEAR:
            return TypedOptions(step, year=str(self._year.value), override=override)
        start, end = str(self._start.value or ""), str(self._end.value or "")
        return TypedOptions(step, start_date=start, end_date=end, override=override)

    def _explain(self) -> None:
        """Say what the step does and which months it would be."""
        step = STEPS[str(self._step.value)]
        self._what.set_text(self._visit.texts(f"step.{step.id}.what"))
        by_month = self._visit.settings.calls_by_month(step)
        self._months.set_visibility(by_month)
        if not by_month:
            self._summary.set_text(self._visit.texts("run.once"))
            return
        try:
            _, span = self._options().resolve()
        except SyncError as refusal:
            self._summary.set_text(str(refusal))
            return
        texts, count = self._visit.texts, sum(1 for _ in span.months())
        first, last = texts.month(span.start, long=True), texts.month(next_month(span.end, -1), long=True)
        key = "run.span.one" if count == 1 else "run.span"
        self._summary.set_text(texts(key, count=count, first=first, last=last))
