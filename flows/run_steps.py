"""One run of a plan: every step run is written down first, then done one after the other, then summed up."""

import logging
import signal
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass, field
from time import monotonic
from typing import Any
from uuid import UUID

from prefect import Flow, allow_failure, runtime
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.concurrency.sync import rate_limit
from prefect.exceptions import ExternalSignal, Pause
from prefect.logging import get_run_logger
from prefect.settings import PREFECT_API_REQUEST_TIMEOUT, PREFECT_CLIENT_MAX_RETRIES, temporary_settings
from prefect.states import Cancelled, Completed, Failed
from prefect.utilities.annotations import quote
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from flows.artifacts import ProgressBar, best_effort, leave_summary
from flows.events import tell_step_run
from flows.plan import PROJECT_VERSION, StepRun, left_of_run, run_name
from flows.reconcile_executions import await_database, locked_run, log_settings, reconcile, this_run
from steps import catalog
from steps.accruals import process_accruals
from steps.catalog import Step
from steps.context import StepContext
from steps.crm_clients import sync_crm_clients
from steps.engine.gate import Override
from steps.errors import BrokenImportError, RunTimeLimitError
from steps.invoices import sync_invoices
from steps.ledger.months import MonthWindow
from steps.notion_external_ids import sync_notion_external_ids
from steps.progress import Progress
from steps.results import StepResult
from steps.service_periods import sync_service_periods
from steps.services import sync_services
from steps.settings import SyncSettings
from steps.task import StepTask, describe_failure
from steps.vendors.http import Throttle
from tracking.history import StepMonth, executions_of_run
from tracking.locks import RunLock, wait_for_database
from tracking.models import ExecutionStatus, SyncExecution
from tracking.recorder import (
    Overlap,
    end_executions_of_ended_run,
    end_open_executions,
    fail_open_execution,
    plan_ended_again,
    plan_executions,
)


def group_by_reason(failures: Iterable[tuple[str, str]]) -> list[str]:
    """`invoices 2024-03, invoices 2024-04: why`, of pairs (name, why): what failed for one reason is named together."""
    names: dict[str, list[str]] = defaultdict(list)
    for name, reason in failures:
        names[reason].append(name)
    return [f"{', '.join(those)}: {reason}" for reason, those in names.items()]


def close_run(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:  # noqa: ARG001
    """End what a run left open that crashed or was cancelled."""
    how = f"crashed ({state.message or 'no reason given'})" if state.is_crashed() else "was cancelled"
    end_executions_of_ended_run(str(flow_run.id), f"never finished: the run {how}")


_CANCELLED = {StateType.CANCELLING, StateType.CANCELLED}
_SECONDS_BETWEEN_LOOKS = 5.0
_TIMEOUT_SECONDS = 5.0
_log = logging.getLogger(__name__)


class CancellationWatch:
    """Asks Prefect whether its run is to be cancelled."""

    def __init__(self, flow_run_id: str) -> None:
        self._flow_run_id = UUID(flow_run_id)
        self._can_interrupt = threading.current_thread() is threading.main_thread()
        self._context = copy_context()  # a thread starts without Prefect's settings of this one
        self._stop = threading.Event()
        self._interrupted = False

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Ask every few seconds inside the block; interrupt the main thread, even in a request, when cancelled."""
        thread = threading.Thread(target=self._context.copy().run, args=(self._watch,), daemon=True)
        if self._can_interrupt:
            thread.start()
        try:
            yield
        finally:
            self._stop.set()  # the thread is not waited for: a Prefect server may hang

    def is_requested(self) -> bool:
        """Whether the run is to be cancelled, as far as Prefect answers; also when its runner killed it for that."""
        return self._interrupted or self._context.copy().run(self._ask, logging.WARNING)

    def _watch(self) -> None:
        while not self._stop.wait(_SECONDS_BETWEEN_LOOKS):
            if self._ask(logging.DEBUG) and not self._stop.is_set():  # no answer: it is asked again at the next look
                self._interrupted = True
                signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
                return

    def _ask(self, level: int) -> bool:
        """Whether Prefect says that the run is to be cancelled; that it does not answer is logged at this level."""
        short = {PREFECT_API_REQUEST_TIMEOUT: _TIMEOUT_SECONDS, PREFECT_CLIENT_MAX_RETRIES: 0}
        try:
            with temporary_settings(short), get_client(sync_client=True) as client:
                return client.read_flow_run(self._flow_run_id).state_type in _CANCELLED
        except Exception as error:  # noqa: BLE001 - a run goes on, or ends, whatever Prefect's trouble is
            _log.log(level, "Prefect does not say whether the run was cancelled: %s", error)
            return False


VENDORS = frozenset({"holded", "fourgeeks", "notion"})
_LONGEST_WAIT_SECONDS = 300.0
_SECONDS_PER_HOUR = 3600.0
_LEAST_SECONDS = 0.1


@dataclass(frozen=True)
class TimeLimit:
    """How long a run may last."""

    hours: float
    ends_at: float
    """By the monotonic clock, which nobody sets."""

    @classmethod
    def from_now(cls, hours: float) -> "TimeLimit":
        """Of a run that begins now."""
        return cls(hours, monotonic() + hours * _SECONDS_PER_HOUR)

    @property
    def seconds_left(self) -> float:
        """Negative when it is over."""
        return self.ends_at - monotonic()

    def require(self) -> None:
        """Go on while there is time.

        Raises:
            RunTimeLimitError: there is none left; the line names the setting.
        """
        if self.seconds_left <= 0:
            raise RunTimeLimitError(f"the run reached its time limit of {self.hours:g} h (SYNC_RUN_HOURS)")


def throttle_of(limit: TimeLimit) -> Throttle:
    """What holds before each request: the run's time limit, and Prefect's global limits of the vendors' names.

    Of these the active ones with a decay: one that is only ever freed by hand is no rate.
    """
    with get_client(sync_client=True) as client:
        limits = client.read_global_concurrency_limits()
    names = VENDORS & {each.name for each in limits if each.active and each.slot_decay_per_second > 0}

    def wait(vendor: str) -> None:
        limit.require()
        if vendor in names:
            rate_limit(vendor, timeout_seconds=_LONGEST_WAIT_SECONDS)

    return wait


TASKS: Mapping[Step, StepTask] = {
    catalog.SERVICES: sync_services,
    catalog.INVOICES: sync_invoices,
    catalog.CRM_CLIENTS: sync_crm_clients,
    catalog.SERVICE_PERIODS: sync_service_periods,
    catalog.NOTION_EXTERNAL_ID: sync_notion_external_ids,
    catalog.ACCRUALS: process_accruals,
}
REASONS_NAMED = 5
_CANCELLED_BY_PREFECT = "cancelled from Prefect"
NOT_BEGUN = "what was left"
"""Name of all that had not begun when the run's time was over."""


@dataclass(frozen=True)
class RunOptions:
    """How a run goes about its step runs."""

    overlap: Overlap = Overlap.wait
    """What to do about a window that another run is working on."""
    stop_at_failure: bool = False
    """Leave the step runs after a failed one alone: they build on it."""
    override: Override | None = None
    """Of accruals alone: accrue although the import of a month is broken."""


def run_steps(
    step_runs: Sequence[StepRun], span: MonthWindow | None, run_options: RunOptions, work: "Work | None" = None
) -> State[Any]:
    """Plan, do and sum up. The state to end the flow run with; only an interruption is raised.

    The documents of `span` are read at once. `work` does all step runs together, given the run and their executions;
    by default each is a task run, one after the other.
    """
    flow_run_id = str(runtime.flow_run.id)
    log_settings()
    settings: SyncSettings = SyncSettings.load()
    limit = TimeLimit.from_now(settings.run_hours)
    await_database()
    reconcile(besides=flow_run_id)
    watch, progress = CancellationWatch(flow_run_id), Progress(get_run_logger())
    with locked_run() as lock:
        planned = len(step_runs)
        if work is None:  # else they are done together
            step_runs = left_of_run(flow_run_id, step_runs, settings.zone)
        execution_ids = plan_executions(flow_run_id, [step_run.planned for step_run in step_runs])
        try:
            with (
                watch.watching(),
                StepContext(span, settings=settings, progress=progress, throttle=throttle_of(limit)) as context,
            ):
                if not settings.backend_url:
                    context.reads.read_ahead({step_run.step for step_run in step_runs})
                run = OngoingRun(run_options, limit, lock, context)
                (work or _run_each)(run, step_runs, execution_ids)
        except BaseException as interruption:  # however the run ends, no execution of it stays open
            how = _how(interruption, watch)
            end_open_executions(flow_run_id, f"never finished: the run was {how}")
            if isinstance(interruption, KeyboardInterrupt) and how is _CANCELLED_BY_PREFECT:
                return Cancelled(message="cancelled from Prefect; what had not ended is recorded as failed")
            raise
        lock.require(progress.update)
        _record_unrecorded(run)
        executions = _through_an_outage(lambda: _ended(flow_run_id, _why_not_run(run.failures)))
    leave_summary(executions, group_by_reason(run.failures.items()), settings)
    return _final_state(run, planned, executions)


def _ended(flow_run_id: str, reason: str) -> list[SyncExecution]:
    end_open_executions(flow_run_id, reason)
    return executions_of_run(flow_run_id)


def _through_an_outage(work: Callable[[], list[SyncExecution]]) -> list[SyncExecution]:
    """Wait and do it once more if the database went away: a run whose steps are all done does not fail of it."""
    try:
        return work()
    except OperationalError:
        wait_for_database(get_run_logger().warning)
        return work()


def name_of_this_run() -> str:
    """For a flow's `flow_run_name`."""
    return run_name(str(runtime.flow_run.flow_name), runtime.flow_run.parameters, runtime.flow_run.scheduled_start_time)


FLOW_OPTIONS: dict[str, Any] = {
    "version": PROJECT_VERSION,
    "flow_run_name": name_of_this_run,
    "on_crashed": [close_run],
    "on_cancellation": [close_run],
}
"""Options of every flow that does step runs."""


def run_creator() -> str:
    """Who created this flow run, as far as Prefect knows; else `unknown`."""
    creator = this_run().created_by
    return (creator.display_value if creator else None) or "unknown"


@dataclass
class OngoingRun:
    """What a run works with, and what came of its step runs so far."""

    options: RunOptions
    limit: TimeLimit
    lock: RunLock
    context: StepContext
    failures: dict[str, str] = field(default_factory=dict)
    """Step run -> why it failed."""
    unrecorded: dict[int, tuple[str, str]] = field(default_factory=dict)
    """Execution -> why it failed, and the class of the error if no hook records that; until the database took it."""
    states: dict[StepMonth, State[StepResult]] = field(default_factory=dict)
    """How the task runs so far ended."""
    sources: dict[StepMonth, set[StepMonth]] = field(default_factory=dict)
    """All that each of them builds on, directly or not."""


Work = Callable[[OngoingRun, Sequence[StepRun], Sequence[int]], None]


def _run_each(run: OngoingRun, step_runs: Sequence[StepRun], execution_ids: Sequence[int]) -> None:
    """Do the step runs one after the other, while there is time."""
    waiting, bar = list(execution_ids), ProgressBar(len(step_runs))
    for number, step_run in enumerate(step_runs):
        bar.show(number, len(run.failures), step_run.name)
        try:
            run.limit.require()
        except RunTimeLimitError as error:
            bar.show(number, len(run.failures))
            run.failures[NOT_BEGUN] = str(error)
            return
        if not run.lock.require(run.context.progress.update):
            _record_unrecorded(run)
            waiting[number:] = plan_ended_again(waiting[number:])
        if failure := _run_step(step_run, waiting[number], run):
            run.failures[step_run.name] = failure
            run.unrecorded[waiting[number]] = failure, ""
            if run.options.stop_at_failure:
                bar.show(number + 1, len(run.failures))
                return
        _record_unrecorded(run)
    bar.show(len(step_runs), len(run.failures))


def _record_unrecorded(run: OngoingRun) -> None:
    """A task's hook records that it failed, unless the database was away just then: it is tried until it is taken."""
    try:
        for execution_id, failure in list(run.unrecorded.items()):
            fail_open_execution(execution_id, *failure)
            del run.unrecorded[execution_id]
    except SQLAlchemyError as error:
        get_run_logger().warning("The database does not take what failed: %s", type(error).__name__)


def _why_not_run(failures: Mapping[str, str]) -> str:
    if NOT_BEGUN in failures:
        return f"not run: {failures[NOT_BEGUN]}"
    return f"not run, because it builds on what failed: {_named(failures)}"


def _built_on(key: StepMonth, run: OngoingRun) -> list[Any]:
    """For `wait_for`: what a step and month builds on, but for what that itself builds on; Prefect draws it as a graph.

    Failures are allowed: a task whose parent failed would else stay `NotReady`, which no hook hears of.
    """
    sources = {done for done in run.states if catalog.builds_on(key, done)}
    indirect = set[StepMonth]().union(*(run.sources[source] for source in sources))
    run.sources[key] = sources | indirect
    return [allow_failure(run.states[source]) for source in run.states if source in sources - indirect]


def _run_step(step_run: StepRun, execution_id: int, run: OngoingRun) -> str | None:
    """Do one step run; why it failed, or None."""
    progress, options, began = run.context.progress, run.options, monotonic()
    progress.update(f"{step_run.name}: started")
    context = run.context.of_execution(
        execution_id, overlap=options.overlap, records=step_run.records, override=options.override
    )
    inputs = [quote(context), step_run.window] if step_run.step.by_month else [quote(context)]
    # Only here: where a flow has a time limit too, Prefect cannot interrupt a task that waits for a vendor.
    task = TASKS[step_run.step].with_options(timeout_seconds=max(run.limit.seconds_left, _LEAST_SECONDS))
    wait_for = _built_on(step_run.key, run)
    state: State[StepResult] = task(*inputs, wait_for=wait_for, return_state=True)
    run.states[step_run.key] = state
    took = f"{monotonic() - began:.1f} s"
    failure = None if state.is_completed() else describe_failure(state)
    task_run_id = str(state.state_details.task_run_id)
    if failure is None:
        progress.log(f"{step_run.name}: {state.message} ({took})", task_run_id)
    else:
        progress.log_failure(f"{step_run.name}: FAILED: {failure} ({took})", task_run_id)
    tell(step_run, execution_id, state, context.settings)
    return failure


def tell(step_run: StepRun, execution_id: int, state: State[Any], settings: SyncSettings) -> None:
    """Send the events of a step run whose task has ended so."""
    failure = None if state.is_completed() else describe_failure(state)
    refused = isinstance(state.result(raise_on_failure=False), BrokenImportError)
    many = settings.notify_errors
    best_effort(lambda: tell_step_run(step_run, execution_id, failure, refused=refused, notify_errors=many))


def _final_state(run: OngoingRun, planned: int, executions: Sequence[SyncExecution]) -> State[Any]:
    attempt = max((execution.attempt for execution in executions), default=1)
    which = f" (attempt {attempt})" if attempt > 1 else ""
    if not run.failures:
        return Completed(message=f"{planned} of {planned} executions completed{which}")
    failed = sum(execution.status != ExecutionStatus.COMPLETED for execution in executions)
    return Failed(message=f"{failed} of {planned} executions failed{which}: {_named(run.failures)}")


def _named(failures: Mapping[str, str]) -> str:
    """Which step runs failed and why."""
    grouped = group_by_reason(failures.items())
    more = f"; and {len(grouped) - REASONS_NAMED} more reasons" if len(grouped) > REASONS_NAMED else ""
    return "; ".join(grouped[:REASONS_NAMED]) + more


def _how(interruption: BaseException, watch: CancellationWatch) -> str:
    if isinstance(interruption, Pause):
        return "suspended: what had not ended is done when it is resumed"
    if isinstance(interruption, KeyboardInterrupt | ExternalSignal) and watch.is_requested():
        return _CANCELLED_BY_PREFECT
    return f"interrupted ({type(interruption).__name__})"
