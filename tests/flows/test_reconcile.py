"""Reconciling on a real Prefect server: what Prefect believes of runs that nobody works on any more."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.settings import PREFECT_API_URL
from prefect.states import Cancelled, Completed, Pending, Running, Scheduled
from sqlalchemy.exc import OperationalError

import flows.artifacts
import flows.run_steps
import tracking.recorder
from flows import reconcile_executions
from flows.parameters import ImportStep
from flows.reconcile_executions import Reconciliation, name_scheduled_runs, reconcile
from flows.sync_import import sync_import
from steps.sandbox.server import serve_sandbox
from steps.sandbox.world import build_world
from tests.fast_vendors import FAST
from tests.flows.clock import set_clock
from tests.flows.conftest import CommandLine
from tracking.history import executions_of_run, pending_errors_by_kind
from tracking.locks import run_lock

pytestmark = pytest.mark.prefect

RECONCILE = "reconcile-executions/every-5-minutes"
LONGEST_SECONDS = 120
Leave = Callable[..., UUID]


@pytest.fixture
def leave(prefect: SyncPrefectClient) -> Iterator[Leave]:
    """Makes a run of a deployment and leaves it in the last of these states, as a worker does that is killed then."""
    with ExitStack() as places:

        def leave(deployment: str, *states: State[Any]) -> UUID:
            left = prefect.create_flow_run_from_deployment(prefect.read_deployment_by_name(deployment).id)
            places.callback(prefect.set_flow_run_state, left.id, Cancelled(), force=True)
            for state in states:
                prefect.set_flow_run_state(left.id, state)
                assert _state(prefect, left.id) == state.type, "it has no place"
            return left.id

        yield leave


def _state(prefect: SyncPrefectClient, run_id: UUID) -> StateType | None:
    return prefect.read_flow_run(run_id).state_type


class Meddler(SyncPrefectClient):
    """Deletes the runs that it has read, as somebody does who changes a schedule just then."""

    def read_flow_runs(self, *args: Any, **kwargs: Any) -> list[FlowRun]:
        """As its parent's."""
        found = super().read_flow_runs(*args, **kwargs)
        for each in found:
            super().delete_flow_run(each.id)
        return found


def test_a_run_that_a_person_scheduled_has_the_name_that_it_will_have(prefect: SyncPrefectClient) -> None:
    deployment = prefect.read_deployment_by_name("sync-import/on-demand")
    later: State[Any] = Scheduled(scheduled_time=datetime.now(UTC) + timedelta(days=3))
    run = prefect.create_flow_run_from_deployment(deployment.id, parameters={"year": 2025}, state=later)

    name_scheduled_runs(prefect)

    assert prefect.read_flow_run(run.id).name == "import 2025-01..2025-12 from services"
    prefect.delete_flow_run(run.id)


def test_a_scheduled_run_that_is_deleted_while_it_gets_its_name_is_passed_over(prefect: SyncPrefectClient) -> None:
    deployment = prefect.read_deployment_by_name("sync-import/on-demand")
    for name in ("one", "two"):
        prefect.create_flow_run_from_deployment(deployment.id, name=name)

    with Meddler(str(PREFECT_API_URL.value())) as meddler:
        name_scheduled_runs(meddler)

    assert [each.name for each in prefect.read_flow_runs() if each.name in {"one", "two"}] == []


@pytest.mark.parametrize("worker_lives", [False, True], ids=["no-worker", "another-worker"])
@pytest.mark.parametrize(("deployment", "limit"), [("sync-import/on-demand", 1), (RECONCILE, 2)])
def test_a_run_whose_worker_was_killed_before_it_began_leaves_its_place_to_the_next(
    prefect: SyncPrefectClient,
    leave: Leave,
    monkeypatch: pytest.MonkeyPatch,
    deployment: str,
    limit: int,
    *,
    worker_lives: bool,
) -> None:
    left = leave(deployment, Pending(name="Submitting"))

    reconcile()
    assert _state(prefect, left) == StateType.PENDING, "it may still begin"
    longest = "_LONGEST_SUBMISSION" if worker_lives else "_LONGEST_START"
    monkeypatch.setattr(reconcile_executions, "worker_is_online", lambda *_: worker_lives)
    monkeypatch.setattr(reconcile_executions, longest, timedelta(seconds=-2))
    reconcile()

    assert _state(prefect, left) == StateType.CRASHED
    for _ in range(limit):
        leave(deployment, Pending(), Running())


def test_a_reconciling_run_that_was_killed_does_not_keep_all_others_from_reconciling(
    prefect: SyncPrefectClient, leave: Leave, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed = leave(RECONCILE, Pending(), Running())

    monkeypatch.setattr(reconcile_executions, "_LONGEST_START", timedelta(seconds=-2))
    with run_lock(str(killed)):
        reconcile()
        assert _state(prefect, killed) == StateType.RUNNING, "its process lives"
    leave(RECONCILE, Pending())  # the next one has a place too
    reconcile()

    assert _state(prefect, killed) == StateType.CRASHED


def test_a_run_that_has_just_begun_is_not_taken_for_dead_by_a_machine_whose_clock_is_ahead(
    prefect: SyncPrefectClient, leave: Leave, sync_actions: CommandLine, tmp_path: Path
) -> None:
    beginning = leave("sync-import/on-demand", Pending(), Running())

    with set_clock(tmp_path / "clock", "+1h") as clock:
        reconciling = sync_actions.start("reconcile", **clock)
        _, err = reconciling.communicate(timeout=LONGEST_SECONDS)

    assert reconciling.returncode == 0, err
    assert _state(prefect, beginning) == StateType.RUNNING


def test_a_run_that_is_done_and_leaves_its_tables_in_prefect_is_not_taken_for_dead(
    prefect: SyncPrefectClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, found = flows.artifacts.leave_summary, []

    def leave_summary(*run: Any) -> None:
        found.append(reconcile())  # as another run does that begins just then
        real(*run)

    monkeypatch.setattr(flows.run_steps, "leave_summary", leave_summary)
    with serve_sandbox(build_world(clients=8)) as sandbox:
        for name, value in {**sandbox.environment, **FAST}.items():
            monkeypatch.setenv(name, value)
        state = sync_import(from_step=ImportStep.notion_external_id, return_state=True)

    assert found == [Reconciliation()]
    assert state.message == "1 of 1 executions completed"


def test_a_database_that_goes_away_when_all_steps_are_done_fails_no_run(
    prefect: SyncPrefectClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As PostgreSQL says it while it shuts down, between the last step and the run's end: seen in the soak."""

    def gone_once(real: Callable[..., Any]) -> Callable[..., Any]:
        away = [OperationalError("", {}, Exception("the database system is shutting down"))]

        def ask(*asked: Any) -> Any:
            if away:
                raise away.pop()
            return real(*asked)

        return ask

    monkeypatch.setattr("flows.run_steps.executions_of_run", gone_once(executions_of_run))
    monkeypatch.setattr("flows.artifacts.pending_errors_by_kind", gone_once(pending_errors_by_kind))
    with serve_sandbox(build_world(clients=8)) as sandbox:
        for name, value in {**sandbox.environment, **FAST}.items():
            monkeypatch.setenv(name, value)
        state = sync_import(from_step=ImportStep.notion_external_id, return_state=True)

    assert state.message == "1 of 1 executions completed"


def test_a_run_that_ends_while_another_one_reconciles_keeps_its_state(
    prefect: SyncPrefectClient, leave: Leave, monkeypatch: pytest.MonkeyPatch
) -> None:
    ending = leave("sync-import/on-demand", Pending(), Running())
    monkeypatch.setattr(reconcile_executions, "_LONGEST_START", timedelta(seconds=-2))

    def run_is_alive(run_id: str) -> bool:
        alive = tracking.recorder.run_is_alive(run_id)
        prefect.set_flow_run_state(ending, Completed())
        return alive

    monkeypatch.setattr(reconcile_executions, "run_is_alive", run_is_alive)
    found = reconcile()

    assert str(ending) not in found.crashed_in_prefect
    assert _state(prefect, ending) == StateType.COMPLETED
