"""View Run: choose a step and months, execute, watch."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from nicegui import ui

from flows.page.components import (
    FIELD,
    Complaint,
    Tag,
    Visit,
    announcer,
    ask,
    choice,
    day_field,
    failures_text,
    strong_button,
    tell,
)
from flows.page.views.history import execution_rows
from flows.parameters import TypedOptions, resolve_override
from flows.prefect_server import PrefectUnavailableError
from flows.runs import RunRequest, RunStatus, Stage, request_step
from steps.catalog import ACCRUALS, STEPS, Step
from steps.engine.gate import LONGEST_REASON, Override
from steps.errors import SyncError
from steps.ledger.months import MonthWindow, next_month
from steps.vendors.backend import called_by_month
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
        self._complaint = Complaint()
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
        self._name, self._complaint = name, Complaint()
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
        tell(why, good=False)

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
            self._complaint.say(failures_text(texts, self._name, executions))
        if done < total or not total:
            waits = status.stage is Stage.waits_for_run
            self._line.set_text(self._waiting_text(status) if waits else texts("run.progress", done=done, total=total))
            return
        self._timer.deactivate()
        key = "run.failed" if failed else "run.done"
        self._line.set_text(texts(key, step=self._name, total=total, failed=failed))
        if not failed:
            tell(self._line.text, good=True)


_YEAR, _MONTHS = "year", "months"


def show_run(visit: Visit) -> None:
    """Build the view."""
    Tag("h2", visit.texts("run.title"))
    with Tag("section", classes="panel"):
        form = RunForm(visit)
    progress = RunProgress(visit)
    form.button.on_click(lambda: _execute(visit, form, progress))


async def _execute(visit: Visit, form: "RunForm", progress: RunProgress) -> None:
    """Refuse what makes no sense with the command line's own line, else start it and watch."""
    options = form.options()
    if options.override is not None and not form.who:
        tell(visit.texts("closing.no_name"), good=False)
        return
    if asked := await ask(visit.texts, options.resolve):
        step_id, span = asked
        override = resolve_override(step_id, options.override, form.who)
        form.button.disable()
        await progress.start(STEPS[step_id], span, override)
        form.button.enable()


@dataclass
class _Range:
    kind: ui.radio
    year: ui.select
    start: ui.input
    end: ui.input


class RunForm:
    """Step, months, and the button."""

    def __init__(self, visit: Visit) -> None:
        texts = visit.texts
        self._visit = visit
        steps = {step_id: texts(f"step.{step_id}") for step_id in STEPS}
        self._step = choice(texts("run.step"), steps, "invoices").classes("full-width")
        self._what = ui.label().classes("soft")
        self._months = Tag("div", classes="panel-in")
        with self._months:
            self._range = self._range_fields()
            self._override, self._who = self._override_fields()
        self._summary = ui.label().classes("soft").props('role="status" aria-live="polite"')
        with Tag("div", classes="actions"):
            self.button = strong_button(texts("run.execute"))
        for field in (self._step, self._range.kind, self._range.year, self._range.start, self._range.end):
            field.on_value_change(self._explain)
        self._explain()

    def _range_fields(self) -> _Range:
        texts, year = self._visit.texts, self._visit.settings.default_year
        kind = ui.radio({_YEAR: texts("run.year"), _MONTHS: texts("run.months")}, value=_YEAR).props("inline")
        kind.props["aria-label"] = texts("run.range")
        field = ui.select(self._visit.years(), label=texts("grid.year"), value=year).props(FIELD)
        field.bind_visibility_from(kind, "value", value=_YEAR)
        with Tag("div", classes="fields") as dates:
            start = day_field(texts("run.start"), f"{year}-01-01")
            end = day_field(texts("run.end"), f"{year + 1}-01-01")
        dates.bind_visibility_from(kind, "value", value=_MONTHS)
        why = ui.label(texts("run.end.why")).classes("soft small")
        why.bind_visibility_from(kind, "value", value=_MONTHS)
        return _Range(kind, field, start, end)

    def _override_fields(self) -> tuple[ui.input, ui.input]:
        """For accruals: why a month is accrued although its import is broken, and who says so."""
        texts = self._visit.texts
        with Tag("div", classes="column no-wrap full-width q-gutter-y-sm") as fields:
            with Tag("div", classes="fields"):
                reason = ui.input(texts("run.override")).props(f"{FIELD} maxlength={LONGEST_REASON}")
                who = ui.input(texts("closing.who")).props(f"{FIELD} autocomplete=name maxlength={LONGEST_REASON}")
            ui.label(texts("run.override.why")).classes("soft small")
        fields.bind_visibility_from(self._step, "value", value=ACCRUALS.id)
        return reason, who

    @property
    def who(self) -> str:
        """The name of the person who overrides."""
        return str(self._who.value or "").strip()

    def options(self) -> TypedOptions:
        """What is asked for, as the command line would be."""
        step = str(self._step.value)
        if not called_by_month(STEPS[step], self._visit.settings):
            return TypedOptions(step)
        override = str(self._override.value or "") or None if step == ACCRUALS.id else None
        if self._range.kind.value == _YEAR:
            return TypedOptions(step, year=str(self._range.year.value), override=override)
        start, end = str(self._range.start.value or ""), str(self._range.end.value or "")
        return TypedOptions(step, start_date=start, end_date=end, override=override)

    def _explain(self) -> None:
        """Say what the step does and which months it would be."""
        step = STEPS[str(self._step.value)]
        self._what.set_text(self._visit.texts(f"step.{step.id}.what"))
        by_month = called_by_month(step, self._visit.settings)
        self._months.set_visibility(by_month)
        if not by_month:
            self._summary.set_text(self._visit.texts("run.once"))
            return
        try:
            self._summary.set_text(self._span_text(self.options().resolve()[1]))
        except SyncError as refusal:
            self._summary.set_text(str(refusal))

    def _span_text(self, span: MonthWindow) -> str:
        texts, count = self._visit.texts, sum(1 for _ in span.months())
        first, last = texts.month(span.start, long=True), texts.month(next_month(span.end, -1), long=True)
        return texts("run.span.one" if count == 1 else "run.span", count=count, first=first, last=last)
