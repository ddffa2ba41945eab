"""What a run is to do: step runs and where each stands, plans, what is tried again, a run's form and name.

A step run is a step and, if it works by month, a month window. A plan is step runs that a person looked at first. Knows
no Prefect.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from importlib.metadata import version
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import Field, TypeAdapter, WithJsonSchema
from pydantic.json_schema import SkipJsonSchema

from flows.parameters import (
    FIRST_YEAR,
    IMPORT_ORDER,
    LAST_YEAR,
    AskedRange,
    ImportStep,
    Only,
    Period,
    parse_step,
    resolve_accrual_range,
    resolve_range,
)
from steps.catalog import ACCRUALS, INVOICES, STEPS, Step, builds_on
from steps.engine.gate import LONGEST_REASON, began_before, changed_since
from steps.errors import SyncError, UsageError
from steps.ledger.contract import clientless_documents
from steps.ledger.months import MonthWindow, first_of_month, next_month
from steps.settings import SyncSettings
from tracking.database import read_session
from tracking.history import (
    StepMonth,
    StepMonthHistory,
    SyncPlan,
    executions_of_run,
    find_plan,
    save_plan,
    step_month_histories,
)
from tracking.integration_errors import MetError, RecordKey, find_met, pending_errors, span_of_runs
from tracking.models import OPEN_STATUSES, ErrorStatus, ExecutionStatus, SyncExecution, execution_name
from tracking.recorder import Overlap, PlannedExecution

Year = Annotated[int, Field(ge=FIRST_YEAR, le=LAST_YEAR)]

_MonthDate = Annotated[
    date,
    WithJsonSchema(
        {
            "type": "string",
            "format": "date",
            "if": {"pattern": r"^(20\d{2}|2100|2101)-(0[1-9]|1[0-2])-01$"},
            "else": {"const": "the first day of a month, such as 2024-03-01"},
        }
    ),
]
"""Prefect refuses another day before a run exists: of a `pattern` it shows the expression, of a `const` these words."""
_Reason = Annotated[str, Field(json_schema_extra={"minLength": 1, "maxLength": LONGEST_REASON})]


def titled(title: str) -> Any:
    """A field of a form by its title in it."""
    return Field(json_schema_extra={"title": title})


# The fields of the forms; titles say what belongs together.
FromStep = Annotated[ImportStep, titled("From step")]
AskedYear = Annotated[Year | None, titled("Months: a whole year")]
StartDate = Annotated[_MonthDate | None, titled("Months: from")]
EndDate = Annotated[_MonthDate | None, titled("Months: until (not included)")]
AskedPeriod = Annotated[Period | None, titled("Months: relative to today")]
AskedOnly = Annotated[Only | None, titled("More: only what is not done")]
AskedOverlap = Annotated[Overlap, titled("More: when another run is at work")]
OverrideReason = Annotated[_Reason | None, titled("More: accrue although an import is broken, because")]
OverrideBy = Annotated[str | None, titled("More: whose reason this is")]
RedoMonth = Annotated[_MonthDate, titled("Month")]
RedoReason = Annotated[_Reason, titled("Why")]
RedoBy = Annotated[str | None, titled("Who says so")]
RedoPreview = Annotated[bool, titled("Preview")]
PlanId = SkipJsonSchema[int | None]
"""Of a plan that `sync-actions plan` made; in no form, because only that command knows ids."""


@dataclass(frozen=True)
class StepRun:
    """One task run to come."""

    step: Step
    window: MonthWindow | None = None
    records: tuple[RecordKey, ...] | None = None
    """What it is limited to, if it tries just some records again."""

    @property
    def name(self) -> str:
        """As the task run is called."""
        return execution_name(*self.key)

    @property
    def key(self) -> StepMonth:
        """Step id and first day of the month; None: once a run."""
        return self.step.id, self.window.start if self.window else None

    @property
    def planned(self) -> PlannedExecution:
        """As it is written down before anything starts."""
        start, end = (self.window.start, self.window.end) if self.window else (None, None)
        return PlannedExecution(self.step.id, start, end, None if self.records is None else len(self.records))


def step_runs_of(steps: Sequence[Step], span: MonthWindow, settings: SyncSettings) -> list[StepRun]:
    """The plan of a run: each step in order, each month of the range for those that work by month.

    Where a backend does the work, its dialect says which steps have months.
    """
    return [
        StepRun(step, window)
        for step in steps
        for window in (span.months() if settings.calls_by_month(step) else [None])
    ]


class StepRunState(StrEnum):
    """Where a step run stands."""

    completed = "completed"
    failed = "failed"
    missing = "missing"
    running = "running"
    stale = "stale"


@dataclass(frozen=True)
class Assessment:
    """One step run, where it stands, and why it is not simply completed."""

    step_run: StepRun
    state: StepRunState
    why: str = ""
    execution_id: int | None = None
    """The newest execution that this was seen by."""
    source: SyncExecution | None = None
    """What it built on and has changed since, if that is why it is stale."""


def assess(step_runs: Sequence[StepRun], zone: ZoneInfo) -> list[Assessment]:
    """Where each step run stands, from the executions that there are; `zone` says whether a month was over."""
    with read_session() as session:
        histories = step_month_histories(session, tuple(STEPS))
    return [_assess(step_run, histories, zone) for step_run in step_runs]


def is_meant(assessment: Assessment, only: Only) -> bool:
    """Whether `--only` means a step run that stands so."""
    states = {Only.failed, Only.missing, Only.stale} if only is Only.due else {only}
    return assessment.state.value in states


def _assess(step_run: StepRun, histories: Mapping[StepMonth, StepMonthHistory], zone: ZoneInfo) -> Assessment:
    history = histories.get(step_run.key)
    if history is None:
        return Assessment(step_run, StepRunState.missing, "never run")
    newest = history.newest
    if newest.status in OPEN_STATUSES:
        return Assessment(step_run, StepRunState.running, f"execution {newest.id} is {newest.status}", newest.id)
    if newest.status == ExecutionStatus.FAILED:
        return Assessment(step_run, StepRunState.failed, newest.error_message or "", newest.id)
    return _assess_completed(step_run, newest, histories, zone)


def _assess_completed(
    step_run: StepRun, done: SyncExecution, histories: Mapping[StepMonth, StepMonthHistory], zone: ZoneInfo
) -> Assessment:
    if step_run.window and (day := began_before(done, step_run.window.end, zone)):
        return Assessment(step_run, StepRunState.stale, f"read on {day}, before the month was over", done.id)
    if source := changed_since(step_run.key, done, histories):
        why = f"{source.name} has changed something since (execution {source.id})"
        return Assessment(step_run, StepRunState.stale, why, done.id, source)
    return Assessment(step_run, StepRunState.completed, execution_id=done.id)


class OutdatedPlanError(SyncError):
    """Something ran since the plan was made, so that it is not what a person looked at any more."""


def choose_step_runs(step_runs: Sequence[StepRun], only: Only | None, zone: ZoneInfo) -> list[StepRun]:
    """The step runs that a run is to do: all of them, or only those that stand so."""
    if only is None:
        return list(step_runs)
    return [each.step_run for each in assess(step_runs, zone) if is_meant(each, only)]


def left_of_run(flow_run_id: str, step_runs: Sequence[StepRun], zone: ZoneInfo) -> list[StepRun]:
    """What a run that is started again has to do: all but what its earlier attempts completed.

    What is out of date since, or builds on what is done now, is done again; and everything, if all was completed.
    """
    of_run = executions_of_run(flow_run_id)
    completed = {(each.step_name, each.window_start) for each in of_run if each.status == ExecutionStatus.COMPLETED}
    if not completed:
        return list(step_runs)
    left: list[StepRun] = []
    for each in assess(step_runs, zone):
        stands = each.state is StepRunState.completed or each.step_run.records is not None
        depends = any(builds_on(each.step_run.key, before.key) for before in left)
        if each.step_run.key not in completed or not stands or depends:
            left.append(each.step_run)
    return left or list(step_runs)


def make_plan(assessments: Sequence[Assessment], span: MonthWindow) -> int:
    """Keep the step runs and what is known of each. Returns the plan's id."""
    step_runs = [
        {
            "step": each.step_run.step.id,
            "month": each.step_run.window.start.isoformat() if each.step_run.window else None,
            "state": each.state,
            "execution_id": each.execution_id,
        }
        for each in assessments
    ]
    return save_plan(SyncPlan(span_start=span.start, span_end=span.end, cells=step_runs))


def step_runs_of_plan(plan_id: int, zone: ZoneInfo) -> tuple[list[StepRun], MonthWindow]:
    """The step runs of a plan, and its range.

    Raises:
        UsageError: there is no such plan.
        OutdatedPlanError: a step run does not stand any more as it was shown.
    """
    plan = find_plan(plan_id)
    if plan is None:
        raise UsageError(f"there is no plan {plan_id}: `sync-actions plan` makes one")
    step_runs = [
        StepRun(STEPS[each["step"]], MonthWindow.of(date.fromisoformat(each["month"])) if each["month"] else None)
        for each in plan.cells
    ]
    moved = [
        f"{now.step_run.name} was {then['state']} and is {now.state}"
        + (f" (execution {now.execution_id})" if now.execution_id else "")
        for then, now in zip(plan.cells, assess(step_runs, zone), strict=True)
        if (then["state"], then["execution_id"]) != (now.state, now.execution_id)
    ]
    if moved:
        raise OutdatedPlanError(
            f"plan {plan_id} is out of date: {'; '.join(moved)}. Make a new one with sync-actions plan"
        )
    return step_runs, MonthWindow(plan.span_start, plan.span_end)


_OF_ACCRUALS = "errors of the accruals are tried again by running them again: sync-actions --from-step accruals"


@dataclass(frozen=True)
class Retry:
    """What is tried again."""

    error_ids: list[int]
    step_runs: list[StepRun]
    """One for each step and month, in the order of the import, limited to its records."""
    span: MonthWindow | None
    """The months whose documents are read; None: none."""
    left_out: list[str]
    """Why other errors are not tried again, a line each."""


def plan_retry(ids: Sequence[int], step: str | None = None, *, started_again: bool = False) -> Retry:
    """What to do about these errors; no ids: about all pending ones, or those of one step.

    A run that is started again leaves out errors that are not pending any more: its first attempt resolved them.

    Raises:
        UsageError: an error was named that is not there, or cannot be tried again.
    """
    operation = None if step is None else parse_step(step)
    met = _named(ids, operation, started_again=started_again) if ids else pending_errors(operation)
    left_out = [line for line in map(_why_not, met) if line]
    if left_out and (ids or operation == ACCRUALS.id):
        raise UsageError("; ".join(dict.fromkeys(left_out)))
    chosen = [each for each in met if not _why_not(each)]
    return Retry(
        [each.error.id for each in chosen if each.error.id is not None],
        _step_runs(chosen),
        _span([each for each in chosen if each.error.operation == INVOICES.id]),
        list(dict.fromkeys(left_out)),
    )


def _named(ids: Sequence[int], operation: str | None, *, started_again: bool) -> list[MetError]:
    met = find_met(ids)
    if unknown := set(ids) - {each.error.id for each in met}:
        raise UsageError(f"no integration error has the id {', '.join(map(str, sorted(unknown)))}")
    if started_again:
        met = [each for each in met if each.error.status == ErrorStatus.PENDING]
    for each in met:
        if each.error.status != ErrorStatus.PENDING:
            raise UsageError(f"error {each.error.id} is {each.error.status}: only pending ones are tried again")
        if operation not in {None, each.error.operation}:
            raise UsageError(f"error {each.error.id} is of the step {each.error.operation}, not {operation}")
    return met


def _why_not(met: MetError) -> str | None:
    if met.error.operation == ACCRUALS.id:
        return _OF_ACCRUALS
    if STEPS[met.error.operation].by_month and _window(met) is None:
        return f"error {met.error.id} was met by no tracked month of {met.error.operation}: run its month again"
    return None


def _window(met: MetError) -> MonthWindow | None:
    execution = met.execution
    if execution is None or execution.window_start is None or execution.window_end is None:
        return None
    return MonthWindow(execution.window_start, execution.window_end)


def _step_runs(met: Sequence[MetError]) -> list[StepRun]:
    records: dict[tuple[str, MonthWindow | None], list[RecordKey]] = defaultdict(list)
    for each in met:
        step = STEPS[each.error.operation]
        window = _window(each) if step.by_month else None
        records[step.id, window].append((each.error.entity_type, each.error.entity_external_id))
    order = [step.id for step in IMPORT_ORDER]
    keys = sorted(records, key=lambda key: (order.index(key[0]), key[1].start if key[1] else date.min))
    return [StepRun(STEPS[step_id], window, tuple(records[step_id, window])) for step_id, window in keys]


def _span(met: Sequence[MetError]) -> MonthWindow | None:
    """All that the runs had read which met these: a record's corrected date may be another month's.

    A contact means its documents, so that the months of these are read too.
    """
    windows = [window for each in met if (window := _window(each)) is not None]
    if not windows:
        return None
    runs = {each.execution.flow_run_id for each in met if each.execution and each.execution.flow_run_id}
    days = [day for window in windows for day in (window.start, window.end - timedelta(days=1))]
    if read := span_of_runs(INVOICES.id, sorted(runs)):
        days += [read[0], read[1] - timedelta(days=1)]
    with read_session() as session:
        contacts = {each.error.entity_external_id for each in met if each.error.entity_type == "contact"}
        days += [day for day, _ in clientless_documents(session, contacts)]
    return MonthWindow(first_of_month(min(days)), next_month(max(days)))


PROJECT_VERSION = version("sync-management")
"""As Prefect shows it of flows and deployments."""
Parameters = dict[str, Any]
"""Of a flow run: as the flow has them, or as JSON."""
_asked = TypeAdapter(AskedRange).validate_python


def run_name(flow_name: str, parameters: Parameters, scheduled: datetime) -> str:
    """The name of a run: `import 2024-03..2024-06 from invoices`, `accruals 2024-03`, `retry 12 errors`.

    A run whose parameters are refused fails with a message about them; its name is the plain one of its flow.
    """
    plain, build = FLOWS[flow_name]
    try:
        return build(parameters, scheduled)
    except Exception:  # noqa: BLE001 - a name must not be what a run fails of: what is wrong is said where it is used
        return plain


def _import_name(parameters: Parameters, scheduled: datetime) -> str:
    if plan := parameters.get("plan"):
        return f"import plan {plan}"
    span = resolve_range(_asked(parameters), scheduled, SyncSettings.load())
    return f"import {span} from {parameters.get('from_step') or IMPORT_ORDER[0].id}"


def _accruals_name(parameters: Parameters, scheduled: datetime) -> str:
    if plan := parameters.get("plan"):
        return f"accruals plan {plan}"
    return f"accruals {resolve_accrual_range(_asked(parameters), scheduled, SyncSettings.load())}"


def _step_name(parameters: Parameters, scheduled: datetime) -> str:
    step = STEPS[parameters["step"]]
    if not step.by_month:
        return step.id
    return f"{step.id} {resolve_range(_asked(parameters), scheduled, SyncSettings.load())}"


def _retry_name(parameters: Parameters, _: datetime) -> str:
    errors = parameters.get("errors") or plan_retry([], parameters.get("step")).error_ids
    return f"retry {len(errors)} error{'' if len(errors) == 1 else 's'}"


def _redo_name(parameters: Parameters, _: datetime) -> str:
    preview = ", preview" if parameters.get("preview", True) else ""
    return f"redo {TypeAdapter(date).validate_python(parameters['month']):%Y-%m}{preview}"


FLOWS: dict[str, tuple[str, Callable[[Parameters, datetime], str]]] = {
    "sync-import": ("import", _import_name),
    "process-accruals": ("accruals", _accruals_name),
    "execute-step": ("step", _step_name),
    "retry-errors": ("retry errors", _retry_name),
    "redo": ("redo", _redo_name),
    "reconcile-executions": ("reconcile", lambda _parameters, _scheduled: "reconcile"),
}
"""Flow -> the name of a run whose parameters make no sense, and how one is made of those that do."""
