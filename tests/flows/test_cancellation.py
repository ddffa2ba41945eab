"""Cancelling a run of the command line from Prefect's side, where no runner is there to end its process."""

import subprocess
import time
from uuid import UUID

import pytest
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Cancelling

from steps.ledger.contract import Invoice
from steps.sandbox.faults import Fault
from steps.sandbox.server import serve_sandbox
from steps.sandbox.world import build_world
from tests.flows.conftest import CommandLine
from tests.steps.ledger_view import rows
from tracking.history import HistoryFilter, find_executions
from tracking.models import SyncExecution

pytestmark = pytest.mark.prefect

LONGEST_SECONDS = 120


@pytest.mark.long
def test_a_run_that_is_cancelled_in_prefect_stops_in_the_middle_of_a_request(
    sync_actions: CommandLine, prefect_server: str
) -> None:
    with serve_sandbox(build_world(clients=8)) as sandbox, temporary_settings({PREFECT_API_URL: prefect_server}):
        sandbox.faults.add(Fault("holded", "slow", "/documents/invoice", times=None, seconds=LONGEST_SECONDS))
        process = sync_actions.start(
            "--from-step", "invoices", "--start-date", "2024-03-01", "--end-date", "2024-05-01", **sandbox.environment
        )
        run_id = UUID(str(_await_a_running_row(process).flow_run_id))
        with get_client(sync_client=True) as client:
            client.set_flow_run_state(run_id, Cancelling())
        _, err = process.communicate(timeout=LONGEST_SECONDS)
        with get_client(sync_client=True) as client:
            state = client.read_flow_run(run_id).state

    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert state is not None
    assert state.name == "Cancelled"
    ended = [(execution.status, execution.error_message) for execution in find_executions(HistoryFilter())]
    assert ended == [("failed", "never finished: the run was cancelled from Prefect")] * 7
    assert rows(Invoice) == []


def _await_a_running_row(process: "subprocess.Popen[str]") -> SyncExecution:
    deadline = time.monotonic() + LONGEST_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        for execution in find_executions(HistoryFilter()):
            if execution.status == "running":
                return execution
        time.sleep(0.1)
    raise AssertionError("nothing ever ran")
