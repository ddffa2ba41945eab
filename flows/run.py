"""One run of a plan: every cell is written down first, then done one after the other, then summed up.

A cell is a step and, if the step works by month, one month window. A cell that fails does not stop the others, unless
they build on it; at the end the run is `Failed` if any did, and says which and why.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from prefect import runtime
from prefect.client.schemas.objects import State
from prefect.exceptions import ExternalSignal, Pause
from prefect.logging import get_run_logger
from prefect.states import Cancelled, Completed, Failed
from sqlalchemy.exc import SQLAlchemyError

from flows.cancellation import CancellationWatch
from flows.cells import Cell
from flows.reasons import told_by_reason
from flows.reconcile_executions import await_database, locked_run, log_settings, reconcile, this_run
from flows.summary import ProgressBar, leave_summary
from flows.vendor_limits import TimeLimit, limits_before_requests
from steps.accruals.gate import Override
from steps.domain.months import MonthWindow
from steps.errors import RunTimeLimitError
from steps.progress import News, conclude, listening, say
from steps.report import describe_result
from steps.settings import SyncSettings
from steps.task import TASKS
from steps.vendor_reads import shared_reads
from tracking.execution import SyncExecution
from tracking.history import executions_of_run
from tracking.hooks import describe_failure
from tracking.locks import RunLock
from tracking.recorder import (
    Overlap,
    end_open_executions,
    fail_open_execution,
    plan_ended_again,
    plan_executions,
)

REASONS_NAMED = 5
THE_REST = "what was left"
"""Name of all that had not begun when the run's time was over."""


@dataclass(frozen=True)
class Manner:
    """How a run goes about its cells."""

    overlap: Overlap = Overlap.wait
    """What to do about a window that another run is working on."""
    stop_at_failure: bool = False
    """Leave the cells after a failed one alone: they build on it."""
    override: Override | None = None
    """Of accruals alone: accrue although the import of a month is broken."""


def run_cells(cells: Sequence[Cell], span: MonthWindow | None, manner: Manner) -> State[Any]:
    """Plan, do and sum up. The state to end the flow run with; only an interruption is raised."""
    flow_run_id = str(runtime.flow_run.id)
    log_settings()
    settings: SyncSettings = SyncSettings.load()
    limit = TimeLimit.from_now(settings.run_hours)
    await_database()
    reconcile(besides=flow_run_id)
    watch = CancellationWatch(flow_run_id)
    with locked_run() as lock:
        execution_ids = plan_executions(flow_run_id, [cell.planned for cell in cells])
        try:
            with (
                _logging_to_prefect(),
                _ending_the_rest(flow_run_id, watch),
                watch.watching(),
                ProgressBar(len(cells)) as bar,
                limits_before_requests(limit),
                shared_reads(span),
            ):
                outcome = _run_each(list(zip(cells, execution_ids, strict=True)), _Turn(manner, limit, lock), bar)
        except KeyboardInterrupt:
            if watch.is_requested():
                return Cancelled(message="cancelled from Prefect; what had not ended is recorded as failed")
            raise
        lock.require(say)
        _record_unrecorded(outcome)
        end_open_executions(flow_run_id, _why_not_run(outcome.failures))
    executions = executions_of_run(flow_run_id)
    leave_summary(executions)
    return _final_state(outcome, len(cells), executions)


def run_creator() -> str:
    """Who created this flow run, as far as Prefect tells; else `unknown`."""
    creator = this_run().created_by
    return (creator.display_value if creator else None) or "unknown"


@dataclass
class _Outcome:
    """What came of the cells so far."""

    completed: int = 0
    failures: dict[str, str] = field(default_factory=dict)
    """Cell -> why it failed."""
    unrecorded: dict[int, str] = field(default_factory=dict)
    """Execution -> why it failed, while the database did not take it."""


@dataclass(frozen=True)
class _Turn:
    """What is looked at before each cell."""

    manner: Manner
    limit: TimeLimit
    lock: RunLock


def _run_each(cells: Sequence[tuple[Cell, int]], turn: _Turn, bar: ProgressBar) -> _Outcome:
    """Do the cells one after the other, while there is time."""
    outcome, waiting = _Outcome(), [execution_id for _, execution_id in cells]
    for number, (cell, _) in enumerate(cells):
        try:
            turn.limit.require()
        except RunTimeLimitError as error:
            outcome.failures[THE_REST] = str(error)
            break
        if not turn.lock.require(say):
            _record_unrecorded(outcome)
            waiting[number:] = plan_ended_again(waiting[number:])
        if failure := _run_cell(cell, waiting[number], turn.manner):
            outcome.failures[cell.name] = failure
            outcome.unrecorded[waiting[number]] = failure
            if turn.manner.stop_at_failure:
                break
        else:
            outcome.completed += 1
        _record_unrecorded(outcome)
        bar.advance()
    return outcome


def _record_unrecorded(outcome: _Outcome) -> None:
    """A task's hook says that it failed, unless the database was away just then: it is said again until it is taken."""
    try:
        for execution_id, failure in list(outcome.unrecorded.items()):
            fail_open_execution(execution_id, failure)
            del outcome.unrecorded[execution_id]
    except SQLAlchemyError as error:
        get_run_logger().warning("The database does not take what failed: %s", type(error).__name__)


def _why_not_run(failures: Mapping[str, str]) -> str:
    if THE_REST in failures:
        return f"not run: {failures[THE_REST]}"
    return f"not run, because it builds on what failed: {_named(failures)}"


def _run_cell(cell: Cell, execution_id: int, manner: Manner) -> str | None:
    """Do one cell; why it failed, or None."""
    say(f"{cell.name}: started")
    began = monotonic()
    parameters: dict[str, Any] = {"execution_id": execution_id, "overlap": manner.overlap}
    if cell.window:
        parameters["window"] = cell.window
    if manner.override is not None:
        parameters["override"] = manner.override
    if cell.records is not None:
        parameters["records"] = cell.records
    state: State[Any] = TASKS[cell.step.id](**parameters, return_state=True)
    took = f"{monotonic() - began:.1f} s"
    if state.is_completed():
        conclude(f"{cell.name}: {describe_result(state.result())} ({took})")
        return None
    failure = describe_failure(state)
    conclude(f"{cell.name}: FAILED: {failure} ({took})")
    return failure


def _final_state(outcome: _Outcome, planned: int, executions: Sequence[SyncExecution]) -> State[Any]:
    attempt = max((execution.attempt for execution in executions), default=1)
    which = f" (attempt {attempt})" if attempt > 1 else ""
    if not outcome.failures:
        return Completed(message=f"{planned} of {planned} executions completed{which}")
    failed = planned - outcome.completed
    return Failed(message=f"{failed} of {planned} executions failed{which}: {_named(outcome.failures)}")


def _named(failures: Mapping[str, str]) -> str:
    """Which cells failed and why."""
    told = told_by_reason(failures.items())
    more = f"; and {len(told) - REASONS_NAMED} more reasons" if len(told) > REASONS_NAMED else ""
    return "; ".join(told[:REASONS_NAMED]) + more


@contextmanager
def _ending_the_rest(flow_run_id: str, watch: CancellationWatch) -> Iterator[None]:
    """However the run ends, no execution of it stays open."""
    try:
        yield
    except BaseException as interruption:
        end_open_executions(flow_run_id, f"never finished: the run was {_how(interruption, watch)}")
        raise


def _how(interruption: BaseException, watch: CancellationWatch) -> str:
    if isinstance(interruption, Pause):
        return "suspended: what had not ended is done when it is resumed"
    if isinstance(interruption, KeyboardInterrupt | ExternalSignal) and watch.is_requested():
        return "cancelled from Prefect"
    return f"interrupted ({type(interruption).__name__})"


@contextmanager
def _logging_to_prefect() -> Iterator[None]:
    """What is said while working also goes to the flow run's log."""
    logger = get_run_logger()
    with listening(lambda news, message: logger.log(20 if news is News.LASTING else 10, message)):
        yield
