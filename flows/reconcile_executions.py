"""Flow: makes our executions and Prefect's runs say the same of runs that died.

Each run begins with it, `sync-actions reconcile` and the deployment `every-5-minutes` do it on their own, and so does
the API server while somebody waits for a run that has not begun. Three things:

1. executions of dead runs end (`tracking/recorder.py`; needs no Prefect);
2. runs that Prefect believes to be running or about to begin, though their process is dead, become `Crashed` there too:
   else they would keep a place of their deployment's concurrency limit;
3. so do runs that a worker took and did not begin, because it was killed in between.
"""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from hashlib import sha256
from http import HTTPStatus
from typing import Any

from prefect import flow, runtime
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import FlowFilter, FlowRunFilter, TaskRunFilter
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.client.schemas.responses import SetStateStatus
from prefect.context import FlowRunContext
from prefect.exceptions import PrefectHTTPStatusError
from prefect.logging import get_run_logger
from prefect.states import Completed, Crashed

from flows.artifacts import best_effort, fails_in_words
from flows.events import tell_month_not_closed
from flows.plan import FLOWS, PROJECT_VERSION, run_name
from flows.worker import WORK_POOL, worker_is_online
from steps.settings import SyncSettings
from tracking.database import describe_database, get_engine
from tracking.history import executions_of_run
from tracking.locks import RunLock, run_lock, wait_for_database
from tracking.recorder import end_dead_executions, run_is_alive
from tracking.settings import describe_settings_file

OUR_FLOWS = FlowFilter(name={"any_": list(FLOWS)})
_UNENDED = [StateType.PENDING, StateType.RUNNING, StateType.CANCELLING]
_LONGEST_SUBMISSION = timedelta(minutes=5)
"""A worker that is alive starts the process of a run before that; Prefect too takes a place back after 5 minutes."""
_LONGEST_START = timedelta(minutes=1)
"""A run takes its lock before that."""
_LONGEST_END = timedelta(minutes=5)
"""A run that has done everything and freed its lock has left its tables and reported its state before that."""
_LONGEST_CHECK_SECONDS = 900
"""Two of these that hang would hold both places of their deployment. A database may be away for 300 s of it."""
_KILLED = "The process that ran this was killed or lost; its executions have been ended."
_NEVER_BEGAN = "The worker that took this was gone before it began: nothing was done, start it again."
_LOCKED_IN = "sync.locked-in-state"
_LOCKED_AT = "sync.locked-at-database"
_FREED_AT = "sync.lock-freed-at"


@dataclass
class Reconciliation:
    """What was found dead, and ended."""

    ended: list[int] = field(default_factory=list)
    """Ids of executions."""
    crashed_in_prefect: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        """One line for people."""
        ended, crashed = len(self.ended), len(self.crashed_in_prefect)
        return (
            f"{ended} execution{'' if ended == 1 else 's'} of dead runs ended, "
            f"{crashed} run{'' if crashed == 1 else 's'} marked as crashed in Prefect"
        )


@flow(
    name="reconcile-executions",
    version=PROJECT_VERSION,
    flow_run_name="reconcile",
    timeout_seconds=_LONGEST_CHECK_SECONDS,
)
@fails_in_words
def reconcile_executions() -> State[None]:
    """End the executions that a dead run left open, here and in Prefect."""
    log_settings()
    await_database()
    with locked_run():
        found = reconcile(besides=str(this_run().id))
        with get_client(sync_client=True) as client:
            name_scheduled_runs(client)
    best_effort(lambda: tell_month_not_closed(runtime.flow_run.scheduled_start_time, SyncSettings.load()))
    return Completed(message=str(found))


def this_run() -> FlowRun:
    """The flow run that asks."""
    context = FlowRunContext.get()
    if context is None or context.flow_run is None:
        raise RuntimeError("there is no flow run here")
    return context.flow_run


def reconcile(besides: str | None = None, client: SyncPrefectClient | None = None) -> Reconciliation:
    """End what dead runs left open, besides the flow run that asks."""
    found = Reconciliation(end_dead_executions())
    with nullcontext(client) if client else get_client(sync_client=True) as prefect:
        now = _now(prefect)
        unended = FlowRunFilter(state={"type": {"any_": _UNENDED}})
        for run in prefect.read_flow_runs(flow_filter=OUR_FLOWS, flow_run_filter=unended):
            if str(run.id) == besides or not _is_dead(prefect, run, now):
                continue
            # It may have freed its lock and ended since it was read.
            again = prefect.read_flow_run(run.id)
            if _is_dead(prefect, again, now) and _crash(prefect, again):
                found.crashed_in_prefect.append(str(run.id))
    return found


def log_settings() -> None:
    """Say in the flow run's log which database and which settings file it uses: a worker may have others than you."""
    get_run_logger().info("uses %s and %s", describe_database(), describe_settings_file())


def await_database() -> None:
    """Wait for a database that is away, in the run of a deployment; a command fails at once instead.

    Raises:
        DatabaseUnusableError: it was away for too long.
    """
    if runtime.deployment.id:
        wait_for_database(get_run_logger().warning)


@contextmanager
def locked_run() -> Iterator[RunLock]:
    """Hold the lock of the flow run that asks inside the block, and note in Prefect that it does and in which database.

    From then on a free lock means that the run died, unless Prefect knows that the run has freed it: after the block it
    still leaves its tables and reports its state.

    Raises:
        RunLockedError: another process works on this run.
    """
    flow_run = this_run()
    with run_lock(str(flow_run.id)) as lock:
        state_id = str(flow_run.state.id) if flow_run.state else ""
        with get_client(sync_client=True) as client:
            client.update_flow_run_labels(flow_run.id, {_LOCKED_IN: state_id, _LOCKED_AT: _database(), _FREED_AT: ""})
        yield lock
        best_effort(lambda: _note_freed(flow_run))


def _note_freed(flow_run: FlowRun) -> None:
    with get_client(sync_client=True) as client:
        client.update_flow_run_labels(flow_run.id, {_FREED_AT: _now(client).isoformat()})


def _now(client: SyncPrefectClient) -> datetime:
    """The Prefect server's time, with which the times of its states are compared: this machine's may be wrong."""
    said = client.hello().headers.get("Date")
    return parsedate_to_datetime(said).astimezone(UTC) if said else datetime.now(UTC)


def _is_dead(client: SyncPrefectClient, run: FlowRun, now: datetime) -> bool:
    """Whether nobody works on a run that Prefect calls pending, running or cancelling.

    One that was started again in Prefect has labels and executions of its earlier attempt, and may not have its lock
    yet; one of another installation has its lock in another database.
    """
    state = run.state
    if state is None or state.type not in _UNENDED:
        return False
    if (run.labels.get(_LOCKED_AT, _database()) != _database()) and not executions_of_run(str(run.id)):
        return False
    if state.is_pending():
        waited = now - state.timestamp
        overdue = waited > _LONGEST_SUBMISSION or (
            waited > _LONGEST_START and not worker_is_online(client, run.work_pool_name or WORK_POOL)
        )
        return overdue and not run_is_alive(str(run.id))
    had_lock = run.labels.get(_LOCKED_IN) == str(state.id) or (state.is_cancelling() and _LOCKED_IN in run.labels)
    if not had_lock and now - state.timestamp < _LONGEST_START:
        return False
    if had_lock and (freed := run.labels.get(_FREED_AT)) and now - datetime.fromisoformat(str(freed)) < _LONGEST_END:
        return False
    return not run_is_alive(str(run.id))


def _database() -> str:
    """Which database this is, as far as its URL says."""
    url = get_engine().url
    return sha256(f"{url.host}:{url.port}/{url.database}".encode()).hexdigest()[:16]


def _crash(client: SyncPrefectClient, run: FlowRun) -> bool:
    """Mark a run as crashed, and its tasks; False if it has ended since it was read."""
    state: State[Any] = Crashed(message=_NEVER_BEGAN if run.state and run.state.is_pending() else _KILLED)
    # Prefect refuses a run that has ended, unless it is forced to; it must be forced with one that is being cancelled.
    result = client.set_flow_run_state(run.id, state, force=run.state is not None and run.state.is_cancelling())
    if result.status != SetStateStatus.ACCEPT:
        return False
    tasks = client.read_task_runs(
        flow_run_filter=FlowRunFilter(id={"any_": [run.id]}),
        task_run_filter=TaskRunFilter(state={"type": {"any_": _UNENDED}}),
    )
    for task in tasks:
        client.set_task_run_state(task.id, state, force=True)
    return True


def name_scheduled_runs(client: SyncPrefectClient) -> None:
    """Give runs that have not started the names they will have: those of the clock and those of people.

    Prefect gives them random names, and asks the flow for a better one only when the run starts.
    """
    flows = {flow.id: flow.name for flow in client.read_flows(flow_filter=OUR_FLOWS)}
    scheduled = FlowRunFilter(state={"type": {"any_": [StateType.SCHEDULED]}})
    for run in client.read_flow_runs(flow_filter=OUR_FLOWS, flow_run_filter=scheduled):
        if run.expected_start_time is None or run.run_count:
            continue
        name = run_name(flows[run.flow_id], run.parameters, run.expected_start_time)
        if name == run.name:
            continue
        try:
            client.update_flow_run(run.id, name=name)
        except PrefectHTTPStatusError as error:  # who changes its schedule deletes the runs that it made
            if error.response.status_code != HTTPStatus.NOT_FOUND:
                raise
