"""Who does a run when workers come and go: each test says what Prefect is told by them, and no worker is there."""

from collections.abc import Iterator
from datetime import date
from threading import Event
from typing import Any
from uuid import UUID

import pytest
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterState, FlowRunFilterStateType
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.responses import OrchestrationResult
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Cancelled, Completed, Pending, Running

from flows.api.asked_run import AskedRun, run_of_step
from flows.api.in_process import InProcessRuns, RunTakenError
from flows.api.prefect_runs import PrefectStepRuns
from flows.api.run_watch import Patience, RunWatch, claim
from flows.api.step_runs import OtherDatabaseError
from flows.cli.prefect_api import PrefectUnavailableError
from steps.catalog import SERVICES
from steps.domain.months import MonthWindow
from steps.sandbox.server import serve_sandbox
from steps.sandbox.world import build_world
from tests.flows.worker import forget_worker
from tracking.history import executions_of_run
from tracking.recorder import PlannedExecution, end_open_executions, plan_executions

pytestmark = pytest.mark.prefect

POOL = "sync"
GHOST = "ghost"
LONGEST_SECONDS = 120
MARCH = MonthWindow(date(2024, 3, 1), date(2024, 4, 1))
_UNENDED = FlowRunFilterStateType(any_=[StateType.SCHEDULED, StateType.PENDING, StateType.RUNNING])
HASTY = Patience(0.05, 0.05, pending=0.2, pending_without_worker=0.2, last_word=0.2, silence=0.2)


@pytest.fixture
def prefect(deployed: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[SyncPrefectClient]:
    """What workers tell Prefect; the vendors are the sandbox."""
    api = deployed["PREFECT_API_URL"]
    with serve_sandbox(build_world(clients=4)) as sandbox, temporary_settings({PREFECT_API_URL: api}):
        for name, value in sandbox.environment.items():
            monkeypatch.setenv(name, value)
        with get_client(sync_client=True) as client:
            yield client
            if client.read_workers_for_work_pool(POOL):
                forget_worker(api, GHOST)
            for run in client.read_flow_runs(flow_run_filter=FlowRunFilter(state=FlowRunFilterState(type=_UNENDED))):
                client.set_flow_run_state(
                    run.id, Cancelled(), force=True
                )  # they would wait for a worker, or hold a slot


@pytest.fixture
def asked() -> AskedRun:
    return run_of_step(SERVICES, MARCH)


def _left_to_a_worker(client: SyncPrefectClient, asked: AskedRun) -> FlowRun:
    deployment = client.read_deployment_by_name(asked.deployment)
    return client.create_flow_run_from_deployment(deployment.id, parameters=asked.parameters)


def _watch(run: FlowRun, asked: AskedRun) -> RunWatch:
    """Look at it, in haste, to its end."""
    watch = RunWatch(run.id, asked, InProcessRuns(), HASTY)
    watch.watch(Event())
    return watch


def test_without_a_worker_it_is_done_here_and_one_that_nobody_took_is_done_here_once(
    prefect: SyncPrefectClient,
) -> None:
    runs = PrefectStepRuns()
    alone = runs.start(SERVICES, MARCH)
    prefect.send_worker_heartbeat(POOL, GHOST, heartbeat_interval_seconds=1)
    left = runs.start(SERVICES, MARCH)
    names = [prefect.read_flow_run(UUID(each.flow_run_id)).name for each in (alone, left)]

    words = [each.ended.result(LONGEST_SECONDS) for each in (alone, left)]
    runs.close()

    assert words == ["Completed: 1 of 1 executions completed"] * 2
    assert names == ["services"] * 2
    kinds = [prefect.read_flow_run(UUID(each.flow_run_id)).deployment_id is not None for each in (alone, left)]
    assert kinds == [False, True]
    assert len(executions_of_run(left.flow_run_id)) == 1
    states = [state.type for state in prefect.read_flow_run_states(UUID(left.flow_run_id))]
    assert sorted(states) == ["COMPLETED", "PENDING", "RUNNING", "SCHEDULED"]


def test_what_a_worker_has_taken_is_never_done_here_and_is_cancelled_when_the_worker_is_lost(
    prefect: SyncPrefectClient, asked: AskedRun
) -> None:
    run = _left_to_a_worker(prefect, asked)
    prefect.set_flow_run_state(run.id, Pending())

    watch = _watch(run, asked)
    too_late: OrchestrationResult[Any] = prefect.set_flow_run_state(run.id, Pending())

    assert watch.ended.result(0) == (
        "Cancelled: a worker took it and was gone before it began: nothing was done, start it again"
    )
    assert executions_of_run(str(run.id)) == []
    assert too_late.status == "ABORT"


def test_of_those_who_want_a_run_one_gets_it(prefect: SyncPrefectClient, asked: AskedRun) -> None:
    ours, a_workers = (_left_to_a_worker(prefect, asked) for _ in range(2))
    prefect.set_flow_run_state(a_workers.id, Pending())

    assert claim(prefect, ours.id).state_name == "Pending"
    with pytest.raises(RunTakenError):
        claim(prefect, a_workers.id)
    prefect.set_flow_run_state(a_workers.id, Running())
    with pytest.raises(RunTakenError):
        claim(prefect, a_workers.id)
    with pytest.raises(RunTakenError):
        claim(prefect, ours.id)
    assert prefect.read_flow_run(a_workers.id).state_name == "Running"


def test_a_run_that_is_in_another_database_is_said_to_be(prefect: SyncPrefectClient, asked: AskedRun) -> None:
    run = _left_to_a_worker(prefect, asked)
    prefect.set_flow_run_state(run.id, Completed(), force=True)

    with pytest.raises(OtherDatabaseError, match="the same SYNC_DATABASE_URL"):
        _watch(run, asked).ended.result(0)


def test_a_run_whose_executions_have_all_ended_is_over_though_prefect_was_not_told(
    prefect: SyncPrefectClient, asked: AskedRun
) -> None:
    run = _left_to_a_worker(prefect, asked)
    prefect.set_flow_run_state(run.id, Running(), force=True)
    _plan_and_end(run)

    assert _watch(run, asked).ended.result(0) == "Running: every execution has ended, but Prefect was not told"


def test_without_prefect_the_executions_tell_and_if_there_are_none_nobody_waits_for_ever(
    prefect: SyncPrefectClient, asked: AskedRun
) -> None:
    begun, not_begun = (_left_to_a_worker(prefect, asked) for _ in range(2))
    _plan_and_end(begun)

    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:1/api"}):
        words = _watch(begun, asked).ended.result(0)
        lost = _watch(not_begun, asked).ended

    assert words == "Prefect stopped answering; every execution has ended"
    with pytest.raises(PrefectUnavailableError, match="look at sync-actions history"):
        lost.result(0)


def _plan_and_end(run: FlowRun) -> None:
    plan_executions(str(run.id), [PlannedExecution(SERVICES.id)])
    end_open_executions(str(run.id), "enough")
