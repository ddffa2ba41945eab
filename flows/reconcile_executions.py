"""Flow: makes our executions and Prefect's runs say the same of runs that died.

Each run begins with it, `sync-actions reconcile` and the deployment `every-5-minutes` do it on their own, and so does
the API server while somebody waits for a run that has not begun. Three things:

1. executions of dead runs end (`tracking/reconcile.py`; needs no Prefect);
2. runs that Prefect believes to be running, though their process is dead, become `Crashed` there too: else they would
   keep a place of their deployment's concurrency limit;
3. so do runs that a worker took and did not begin, because it was killed in between.
"""

from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from prefect import flow, runtime
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterId,
    FlowRunFilterState,
    FlowRunFilterStateType,
    TaskRunFilter,
    TaskRunFilterState,
    TaskRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.logging import get_run_logger
from prefect.states import Completed, Crashed

from flows.run_names import name_of_this_run, name_scheduled_runs
from flows.worker import WORK_POOL, worker_is_online
from tracking.database import describe_database, get_engine
from tracking.history import executions_of_run
from tracking.reconcile import EndedExecution, end_dead_executions, run_is_alive
from tracking.settings import describe_settings_file

FLOW_NAMES = ["sync-import", "process-accruals", "execute-step", "retry-errors"]
_UNENDED = [StateType.RUNNING, StateType.CANCELLING]
_LONGEST_START = timedelta(minutes=1)
"""A run takes its lock before that."""
_LONGEST_PENDING = timedelta(minutes=10)
"""From a worker's taking a run to its beginning; where a run needs a machine first, that takes minutes."""
_KILLED = "The process that ran this was killed or lost; its executions have been ended."
_NEVER_BEGAN = "The worker that took this was gone before it began: nothing was done, start it again."
_LOCKED_IN = "sync.locked-in-state"
_LOCKED_AT = "sync.locked-at-database"


@dataclass
class Reconciliation:
    """What was found dead, and ended."""

    ended: list[EndedExecution] = field(default_factory=list)
    crashed_in_prefect: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        """One line for people."""
        return (
            f"{len(self.ended)} executions of dead runs ended, "
            f"{len(self.crashed_in_prefect)} runs marked as crashed in Prefect"
        )


@flow(name="reconcile-executions", flow_run_name=name_of_this_run)
def reconcile_executions() -> State[None]:
    """End the executions that a dead run left open, here and in Prefect."""
    log_settings()
    found = reconcile(besides=str(runtime.flow_run.id))
    with get_client(sync_client=True) as client:
        name_scheduled_runs(client)
    return Completed(message=str(found))


def reconcile(besides: str | None = None, client: SyncPrefectClient | None = None) -> Reconciliation:
    """End what dead runs left open.

    Args:
        besides: The flow run that asks; it lives.
        client: Of the Prefect server; default: of the settings in use.
    """
    found = Reconciliation(end_dead_executions())
    with nullcontext(client) if client else get_client(sync_client=True) as prefect:
        for run in _runs_in(prefect, _UNENDED):
            if str(run.id) != besides and _is_dead(run):
                _crash(prefect, run, _KILLED)
                found.crashed_in_prefect.append(str(run.id))
        for run in _runs_in(prefect, [StateType.PENDING]):
            if str(run.id) != besides and _will_never_begin(prefect, run):
                _crash(prefect, run, _NEVER_BEGAN)
                found.crashed_in_prefect.append(str(run.id))
    return found


def _runs_in(client: SyncPrefectClient, states: list[StateType]) -> list[FlowRun]:
    return client.read_flow_runs(
        flow_filter=FlowFilter(name=FlowFilterName(any_=FLOW_NAMES)),
        flow_run_filter=FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=states))),
    )


def _will_never_begin(client: SyncPrefectClient, run: FlowRun) -> bool:
    """Whether a worker took a run long ago and was lost before it began; its process would have begun by now."""
    if run.state is None or run.deployment_id is None:
        return False
    pending = datetime.now(UTC) - run.state.timestamp
    if pending < _LONGEST_START:
        return False
    return pending > _LONGEST_PENDING or not worker_is_online(client, run.work_pool_name or WORK_POOL)


def log_settings() -> None:
    """Say in the flow run's log which database and which settings file it uses: a worker may have others than you."""
    get_run_logger().info("uses %s and %s", describe_database(), describe_settings_file())


def mark_as_locked(flow_run: FlowRun) -> None:
    """Note in Prefect that a run has its lock, and in which database: from then on, a free lock means that it died."""
    state_id = flow_run.state.id if flow_run.state else None
    with get_client(sync_client=True) as client:
        client.update_flow_run_labels(flow_run.id, {_LOCKED_IN: str(state_id), _LOCKED_AT: _database()})


def _is_dead(run: FlowRun) -> bool:
    """Whether nobody works on a run that Prefect calls running or cancelling.

    One that was started again in Prefect has labels and executions of its earlier attempt, and may not have its lock
    yet; one of another installation has its lock in another database.
    """
    state = run.state
    if state is None or (run.labels.get(_LOCKED_AT, _database()) != _database() and not executions_of_run(str(run.id))):
        return False
    had_lock = run.labels.get(_LOCKED_IN) == str(state.id) or (state.is_cancelling() and _LOCKED_IN in run.labels)
    if not had_lock and datetime.now(UTC) - state.timestamp < _LONGEST_START:
        return False
    return not run_is_alive(str(run.id))


def _database() -> str:
    """Which database this is, as far as its URL tells."""
    url = get_engine().url
    return sha256(f"{url.host}:{url.port}/{url.database}".encode()).hexdigest()[:16]


def _crash(client: SyncPrefectClient, run: FlowRun, why: str) -> None:
    """As Prefect would have, if somebody had been left to tell it."""
    state: State[Any] = Crashed(message=why)
    tasks = client.read_task_runs(
        flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[run.id])),
        task_run_filter=TaskRunFilter(state=TaskRunFilterState(type=TaskRunFilterStateType(any_=_UNENDED))),
    )
    for task in tasks:
        client.set_task_run_state(task.id, state, force=True)
    client.set_flow_run_state(run.id, state, force=True)
