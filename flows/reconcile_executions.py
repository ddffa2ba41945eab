"""Flow: makes our executions and Prefect's runs say the same of runs that died.

Each run begins with it, `sync-actions reconcile` and the deployment `every-5-minutes` do it on their own. Three things:

1. executions whose owner is dead end (`tracking/repair.py`; needs no Prefect);
2. executions of a run that Prefect has ended, and that nobody works on, end as that run did;
3. runs that Prefect believes to be running, though their process is dead, become `Crashed` there too.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

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
from tracking.database import describe_database
from tracking.lease import lives_here, this_process
from tracking.recorder import end_open_executions
from tracking.repair import OpenRun, Repair, end_dead_executions, open_runs, run_is_dead
from tracking.settings import describe_settings_file

FLOW_NAMES = ["sync-import", "process-accruals", "execute-step", "retry-errors"]
_UNENDED = [StateType.RUNNING, StateType.CANCELLING]
_NEVER_PLANNED_AFTER = timedelta(minutes=10)
"""A run that died before it wrote its plan, on another machine; nothing else takes that long to begin."""
_OWNER_LABEL = "sync.owner"


@dataclass
class Reconciliation:
    """What was found dead and put right."""

    dead: list[Repair] = field(default_factory=list)
    ended_by_prefect: int = 0
    crashed_in_prefect: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        """One line for people."""
        return (
            f"{len(self.dead) + self.ended_by_prefect} executions of dead runs ended, "
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


def reconcile(besides: str | None = None) -> Reconciliation:
    """Put right what is not true any more.

    Args:
        besides: The flow run that asks; it lives.
    """
    found = Reconciliation(dead=end_dead_executions())
    with get_client(sync_client=True) as client:
        found.ended_by_prefect = _end_what_prefect_ended(client, (run for run in open_runs() if run.id != besides))
        for run in _unended_runs(client):
            if str(run.id) != besides and _is_dead(run):
                _crash(client, run)
                found.crashed_in_prefect.append(str(run.id))
    return found


def _end_what_prefect_ended(client: SyncPrefectClient, runs: Iterable[OpenRun]) -> int:
    wanted = {run.id: run for run in runs if not run.owner_lives}
    if not wanted:
        return 0
    known = client.read_flow_runs(flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[UUID(i) for i in wanted])))
    return sum(
        end_open_executions(str(run.id), f"never finished: Prefect says of the run: {run.state.name}")
        for run in known
        if run.state is not None and run.state.is_final()
    )


def _unended_runs(client: SyncPrefectClient) -> list[FlowRun]:
    return client.read_flow_runs(
        flow_filter=FlowFilter(name=FlowFilterName(any_=FLOW_NAMES)),
        flow_run_filter=FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=_UNENDED))),
    )


def log_settings() -> None:
    """Say in the flow run's log which database and which settings file it uses: a worker may have others than you."""
    get_run_logger().info("uses %s and %s", describe_database(), describe_settings_file())


def sign(flow_run_id: str) -> None:
    """Note in Prefect which process runs this: until its plan is written, no execution could tell that it died."""
    with get_client(sync_client=True) as client:
        client.update_flow_run_labels(UUID(flow_run_id), {_OWNER_LABEL: this_process()})


def _is_dead(run: FlowRun) -> bool:
    dead = run_is_dead(str(run.id))
    if dead is None:
        lives = lives_here(str(run.labels.get(_OWNER_LABEL, "")))
        if lives is not None:
            return not lives
        return run.start_time is not None and datetime.now(UTC) - run.start_time > _NEVER_PLANNED_AFTER
    return dead


def _crash(client: SyncPrefectClient, run: FlowRun) -> None:
    """As Prefect would have, if somebody had been left to tell it."""
    state: State[Any] = Crashed(message="The process that ran this was killed or lost; its executions have been ended.")
    tasks = client.read_task_runs(
        flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[run.id])),
        task_run_filter=TaskRunFilter(state=TaskRunFilterState(type=TaskRunFilterStateType(any_=_UNENDED))),
    )
    for task in tasks:
        client.set_task_run_state(task.id, state, force=True)
    client.set_flow_run_state(run.id, state, force=True)
