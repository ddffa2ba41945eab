"""Step runs: what a run is to do, where each step and month stands, and plans that a person looked at first.

A step run is a step and, if it works by month, a month window. Knows no Prefect.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from flows.order import IMPORT_ORDER
from flows.parameters import parse_step
from steps.catalog import ACCRUALS, INVOICES, STEPS, Step
from steps.dependencies import began_before, changed_since
from steps.errors import SyncError, UsageError
from steps.ledger.invoice import days_of_clientless_documents
from steps.ledger.months import MonthWindow, first_of_month, next_month
from steps.settings import SyncSettings
from steps.vendors.backend import called_by_month
from tracking.database import read_session
from tracking.history import CellHistory, CellKey, SyncPlan, cell_histories, find_plan, save_plan
from tracking.integration_errors import MetError, RecordKey, find_met, pending_errors, span_of_runs
from tracking.models import OPEN_STATUSES, ErrorStatus, ExecutionStatus, SyncExecution, execution_name
from tracking.recorder import PlannedExecution


@dataclass(frozen=True)
class Cell:
    """One task run to come."""

    step: Step
    window: MonthWindow | None = None
    records: tuple[RecordKey, ...] | None = None
    """What it is limited to, if it tries just some records again."""

    @property
    def name(self) -> str:
        """As the task run is called."""
        return execution_name(self.step.id, self.window.start if self.window else None)

    @property
    def planned(self) -> PlannedExecution:
        """As it is written down before anything starts."""
        start, end = (self.window.start, self.window.end) if self.window else (None, None)
        return PlannedExecution(self.step.id, start, end, None if self.records is None else len(self.records))


def cells_of(steps: Sequence[Step], span: MonthWindow, settings: SyncSettings | None = None) -> list[Cell]:
    """The plan of a run: each step in order, each month of the range for those that work by month.

    Args:
        steps: In order.
        span: The range.
        settings: Where a backend does the work, its dialect says which steps have months.
    """
    by_month = {step.id: step.by_month if settings is None else called_by_month(step, settings) for step in steps}
    return [Cell(step, window) for step in steps for window in (span.months() if by_month[step.id] else (None,))]


class CellState(StrEnum):
    """Where a cell stands."""

    completed = "completed"
    failed = "failed"
    missing = "missing"
    running = "running"
    stale = "stale"


class Only(StrEnum):
    """Which cells of the asked range a run does; the others are left as they are."""

    failed = "failed"
    missing = "missing"
    stale = "stale"


@dataclass(frozen=True)
class Assessment:
    """One cell, where it stands, and why it is not simply completed."""

    cell: Cell
    state: CellState
    why: str = ""
    execution_id: int | None = None
    """The newest execution that this was seen by."""
    source: SyncExecution | None = None
    """What it built on and has changed since, if that is why it is stale."""


def assess(cells: Sequence[Cell], zone: ZoneInfo) -> list[Assessment]:
    """Where each cell stands, from the executions that there are.

    Args:
        cells: In order.
        zone: In which it is judged whether a month was over.
    """
    with read_session() as session:
        histories = cell_histories(session)
    return [_assess_cell(cell, histories, zone) for cell in cells]


def select_only(assessments: Iterable[Assessment], only: Only) -> list[Cell]:
    """The cells that `--only` means."""
    return [each.cell for each in assessments if each.state == only.value]


def _assess_cell(cell: Cell, histories: Mapping[CellKey, CellHistory], zone: ZoneInfo) -> Assessment:
    history = histories.get(_key(cell))
    if history is None:
        return Assessment(cell, CellState.missing, "never run")
    newest = history.newest
    if newest.status in OPEN_STATUSES:
        return Assessment(cell, CellState.running, f"execution {newest.id} is {newest.status}", newest.id)
    if newest.status == ExecutionStatus.FAILED:
        return Assessment(cell, CellState.failed, newest.error_message or "", newest.id)
    return _assess_completed(cell, newest, histories, zone)


def _assess_completed(
    cell: Cell, done: SyncExecution, histories: Mapping[CellKey, CellHistory], zone: ZoneInfo
) -> Assessment:
    if cell.window and (day := began_before(done, cell.window.end, zone)):
        return Assessment(cell, CellState.stale, f"read on {day}, before the month was over", done.id)
    if source := changed_since(_key(cell), done, histories):
        why = f"{source.name} has changed something since (execution {source.id})"
        return Assessment(cell, CellState.stale, why, done.id, source)
    return Assessment(cell, CellState.completed, execution_id=done.id)


def _key(cell: Cell) -> CellKey:
    return cell.step.id, cell.window.start if cell.window else None


class WorldMovedError(SyncError):
    """Something ran since the plan was made; it is not what was looked at any more."""


def choose_cells(cells: Sequence[Cell], only: Only | None, zone: ZoneInfo) -> list[Cell]:
    """The cells that a run is to do: all of them, or only those that stand so."""
    return list(cells) if only is None else select_only(assess(cells, zone), only)


def make_plan(assessments: Sequence[Assessment], span: MonthWindow) -> int:
    """Keep the cells and what is known of each. Returns the plan's id."""
    cells = [
        {
            "step": each.cell.step.id,
            "month": each.cell.window.start.isoformat() if each.cell.window else None,
            "state": each.state,
            "execution_id": each.execution_id,
        }
        for each in assessments
    ]
    return save_plan(SyncPlan(span_start=span.start, span_end=span.end, cells=cells))


def cells_of_plan(plan_id: int, zone: ZoneInfo) -> tuple[list[Cell], MonthWindow]:
    """The cells of a plan, and its range.

    Raises:
        UsageError: there is no such plan.
        WorldMovedError: a cell does not stand any more as it was shown.
    """
    plan = find_plan(plan_id)
    if plan is None:
        raise UsageError(f"there is no plan {plan_id}: `sync-actions plan` makes one")
    cells = [_cell(each["step"], each["month"]) for each in plan.cells]
    moved = [
        f"{now.cell.name} was {then['state']} and is {now.state}"
        + (f" (execution {now.execution_id})" if now.execution_id else "")
        for then, now in zip(plan.cells, assess(cells, zone), strict=True)
        if (then["state"], then["execution_id"]) != (now.state, now.execution_id)
    ]
    if moved:
        raise WorldMovedError(
            f"plan {plan_id} is out of date: {'; '.join(moved)}. Make a new one with sync-actions plan"
        )
    return cells, MonthWindow(plan.span_start, plan.span_end)


def _cell(step_id: str, month: str | None) -> Cell:
    return Cell(STEPS[step_id], MonthWindow.of(date.fromisoformat(month)) if month else None)


_OF_ACCRUALS = "errors of the accruals are tried again by running them again: sync-actions --from-step accruals"


@dataclass(frozen=True)
class Retry:
    """What is tried again."""

    error_ids: list[int] = field(default_factory=list)
    cells: list[Cell] = field(default_factory=list)
    """One for each step and month, in the order of the import, limited to its records."""
    span: MonthWindow | None = None
    """The months whose documents are read; None: none."""
    left_out: list[str] = field(default_factory=list)
    """Why other errors are not tried again, a line each."""


def plan_retry(ids: Sequence[int], step: str | None = None) -> Retry:
    """What to do about these errors; no ids: about all pending ones, or those of one step.

    Raises:
        UsageError: an error was named that is not there, or cannot be tried again.
    """
    operation = None if step is None else parse_step(step)
    met = _named(ids, operation) if ids else pending_errors(operation)
    left_out = [line for line in map(_why_not, met) if line]
    if left_out and (ids or operation == ACCRUALS.id):
        raise UsageError("; ".join(dict.fromkeys(left_out)))
    chosen = [each for each in met if not _why_not(each)]
    return Retry(
        [each.error.id for each in chosen if each.error.id is not None],
        _cells(chosen),
        _span([each for each in chosen if each.error.operation == INVOICES.id]),
        list(dict.fromkeys(left_out)),
    )


def _named(ids: Sequence[int], operation: str | None) -> list[MetError]:
    met = find_met(ids)
    if unknown := set(ids) - {each.error.id for each in met}:
        raise UsageError(f"no integration error has the id {', '.join(map(str, sorted(unknown)))}")
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


def _cells(met: Sequence[MetError]) -> list[Cell]:
    records: dict[tuple[str, MonthWindow | None], list[RecordKey]] = defaultdict(list)
    for each in met:
        step = STEPS[each.error.operation]
        window = _window(each) if step.by_month else None
        records[step.id, window].append((each.error.entity_type, each.error.entity_external_id))
    order = [step.id for step in IMPORT_ORDER]
    keys = sorted(records, key=lambda key: (order.index(key[0]), key[1].start if key[1] else date.min))
    return [Cell(STEPS[step_id], window, tuple(records[step_id, window])) for step_id, window in keys]


def _span(met: Sequence[MetError]) -> MonthWindow | None:
    """All that the runs had read which met these: a record's mended date may be another month's.

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
        days += days_of_clientless_documents(session, contacts)
    return MonthWindow(first_of_month(min(days)), next_month(max(days)))
