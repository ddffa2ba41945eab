"""A run that is started again in Prefect: it does what is left, and says what became of all."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Event
from uuid import UUID

import pytest
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import FlowRun
from prefect.states import AwaitingRetry, Cancelling, Suspended

from steps.sandbox.faults import Fault
from steps.sandbox.server import SandboxServer
from tests.flows.worker import working
from tracking.history import HistoryFilter, executions_of_run, find_executions

pytestmark = pytest.mark.prefect

LONGEST_SECONDS = 180
ASKED = {"from_step": "crm-clients", "start_date": "2024-03-01", "end_date": "2024-04-01"}
STEPS = ["crm-clients 2024-03", "service-periods 2024-03", "notion-external-id"]


def _start(prefect: SyncPrefectClient) -> UUID:
    deployment = prefect.read_deployment_by_name("sync-import/on-demand")
    return prefect.create_flow_run_from_deployment(deployment.id, parameters=ASKED).id


def _await(happened: Callable[[], bool], log: Path) -> None:
    deadline = time.monotonic() + LONGEST_SECONDS
    while not happened():
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.2)


def _await_end(prefect: SyncPrefectClient, run_id: UUID, log: Path) -> FlowRun:
    def has_ended() -> bool:
        state = prefect.read_flow_run(run_id).state
        return state is not None and state.is_final()

    _await(has_ended, log)
    return prefect.read_flow_run(run_id)


def _hold_the_enrollments(vendors: SandboxServer) -> Event:
    """The CRM answers for enrollments when the event is set."""
    answer = Event()
    vendors.faults.add(
        Fault("fourgeeks", "slow", "/admissions", times=None, when=lambda _: not answer.wait(LONGEST_SECONDS))
    )
    return answer


def _is_at(run_id: UUID, name: str) -> bool:
    return any(each.name == name and each.status == "running" for each in executions_of_run(str(run_id)))


@pytest.mark.long
def test_a_run_that_was_cancelled_in_the_ui_reads_cancelled_and_retried_does_what_is_left(
    deployed: Mapping[str, str], vendors: SandboxServer, prefect: SyncPrefectClient, tmp_path: Path
) -> None:
    answer = _hold_the_enrollments(vendors)
    with working({**deployed, **vendors.environment}, tmp_path) as log:
        run_id = _start(prefect)
        _await(lambda: _is_at(run_id, STEPS[1]), log)
        prefect.set_flow_run_state(run_id, Cancelling())
        cancelled = _await_end(prefect, run_id, log)
        first = [(each.name, each.status, each.error_message) for each in executions_of_run(str(run_id))]
        answer.set()

        prefect.set_flow_run_state(run_id, AwaitingRetry(), force=True)
        _await(lambda: len(find_executions(HistoryFilter(flow_run_id=str(run_id)))) == 2 * len(STEPS) - 1, log)
        retried = _await_end(prefect, run_id, log)

    assert cancelled.state_name == "Cancelled"
    assert first[0] == (STEPS[0], "completed", None)
    assert [status for _, status, _ in first[1:]] == ["failed", "failed"]
    assert all("cancelled" in (message or "") for _, _, message in first[1:]), first
    assert retried.state is not None
    assert retried.state.message == "3 of 3 executions completed (attempt 2)"
    assert [(each.name, each.status) for each in executions_of_run(str(run_id))] == [
        (name, "completed") for name in STEPS
    ]


@pytest.mark.long
def test_a_run_that_was_suspended_and_resumed_does_what_is_left(
    deployed: Mapping[str, str], vendors: SandboxServer, prefect: SyncPrefectClient, tmp_path: Path
) -> None:
    answer = _hold_the_enrollments(vendors)
    with working({**deployed, **vendors.environment}, tmp_path) as log:
        run_id = _start(prefect)
        _await(lambda: _is_at(run_id, STEPS[1]), log)
        prefect.set_flow_run_state(run_id, Suspended(timeout_seconds=LONGEST_SECONDS))
        answer.set()
        _await(lambda: all(each.status != "running" for each in executions_of_run(str(run_id))), log)
        suspended = [(each.name, each.status, each.error_message) for each in executions_of_run(str(run_id))]

        prefect.resume_flow_run(run_id)
        _await(lambda: len(find_executions(HistoryFilter(flow_run_id=str(run_id)))) == 2 * len(STEPS) - 2, log)
        resumed = _await_end(prefect, run_id, log)

    assert suspended[1] == (STEPS[1], "completed", None), suspended
    assert resumed.state is not None
    assert resumed.state.message == "3 of 3 executions completed (attempt 2)"
