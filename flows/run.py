"""One run of a plan: every cell is written down first, then done one after the other, then summed up.

A cell is a step and, if the step works by month, one month window. A cell that fails does not stop the others, unless
they build on it; at the end the run is `Failed` if any did, and says which and why.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic
from typing import Any

from prefect import runtime
from prefect.client.schemas.objects import State
from prefect.context import FlowRunContext
from prefect.logging import get_run_logger
from prefect.states import Cancelled, Completed, Failed

from flows.cancellation import CancellationWatch
from flows.cells import Cell
from flows.reasons import told_by_reason
from flows.reconcile_executions import reconcile, sign
from flows.summary import ProgressBar, leave_summary
from flows.vendor_limits import shared_vendor_limits
from steps.accruals.gate import Override
from steps.domain.months import MonthWindow
from steps.progress import News, conclude, listening, say
from steps.report import describe_result
from steps.task import TASKS
from steps.vendor_reads import shared_reads
from tracking.claims import Overlap
from tracking.execution import ExecutionStatus, SyncExecution
from tracking.heartbeat import heartbeat
from tracking.history import executions_of_run
from tracking.hooks import describe_failure
from tracking.recorder import end_open_executions, plan_executions

REASONS_NAMED = 5


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
    sign(flow_run_id)
    reconcile(besides=flow_run_id)
    execution_ids = plan_executions(flow_run_id, [cell.planned for cell in cells])
    watch = CancellationWatch(flow_run_id)
    try:
        with (
            _telling_prefect(),
            _ending_the_rest(flow_run_id, watch),
            heartbeat(flow_run_id, watch.look),
            ProgressBar(len(cells)) as bar,
            shared_vendor_limits(),
            shared_reads(span),
        ):
            failures = _run_each(list(zip(cells, execution_ids, strict=True)), manner, bar)
    except KeyboardInterrupt:
        if watch.requested:
            return Cancelled(message="cancelled from Prefect; what had not ended is recorded as failed")
        raise
    end_open_executions(flow_run_id, f"not run, because it builds on what failed: {_named(failures)}")
    executions = executions_of_run(flow_run_id)
    leave_summary(executions)
    return _final_state(failures, executions)


def run_creator() -> str:
    """Who created this flow run, as far as Prefect tells; else `unknown`."""
    context = FlowRunContext.get()
    creator = context.flow_run.created_by if context and context.flow_run else None
    return (creator.display_value if creator else None) or "unknown"


def _run_each(cells: Sequence[tuple[Cell, int]], manner: Manner, bar: ProgressBar) -> dict[str, str]:
    """Do the cells one after the other. Which failed, and why."""
    failures: dict[str, str] = {}
    for cell, execution_id in cells:
        if failure := _run_cell(cell, execution_id, manner):
            failures[cell.name] = failure
            if manner.stop_at_failure:
                break
        bar.advance()
    return failures


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


def _final_state(failures: Mapping[str, str], executions: Sequence[SyncExecution]) -> State[Any]:
    if not failures:
        return Completed(message=f"{len(executions)} of {len(executions)} executions completed")
    failed = sum(execution.status == ExecutionStatus.FAILED for execution in executions)
    return Failed(message=f"{failed} of {len(executions)} executions failed: {_named(failures)}")


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
        how = "cancelled from Prefect" if watch.requested else f"interrupted ({type(interruption).__name__})"
        end_open_executions(flow_run_id, f"never finished: the run was {how}")
        raise


@contextmanager
def _telling_prefect() -> Iterator[None]:
    """What is said while working also goes to the flow run's log."""
    logger = get_run_logger()
    with listening(lambda news, message: logger.log(20 if news is News.LASTING else 10, message)):
        yield
