"""The API as a server, with a real worker: the worker does what is asked, and goes on when the API is gone."""

import signal
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from typing import Any
from uuid import UUID

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.api.prefect_runs import PrefectStepRuns
from steps.sandbox.faults import Fault
from steps.sandbox.server import SandboxServer, serve_sandbox
from steps.sandbox.world import build_world
from tests.flows.api.serving import LONGEST_SECONDS, serving
from tests.flows.conftest import CommandLine
from tests.flows.worker import WORKER, await_worker, working
from tracking.history import HistoryFilter, executions_of_run, find_executions

pytestmark = pytest.mark.prefect

PATH = "/api/sync/execute-step"


@pytest.fixture
def vendors() -> Iterator[SandboxServer]:
    with serve_sandbox(build_world()) as sandbox:
        yield sandbox


def _flow_run(api: str, flow_run_id: str | None) -> FlowRun:
    with temporary_settings({PREFECT_API_URL: api}), get_client(sync_client=True) as client:
        return client.read_flow_run(UUID(flow_run_id))


def _await_running(flow_run_id: str) -> None:
    deadline = time.monotonic() + LONGEST_SECONDS
    while [each.status for each in executions_of_run(flow_run_id)] != ["running"]:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_worker_does_the_step_and_goes_on_when_the_api_is_stopped(
    sync_actions: CommandLine, deployed: dict[str, str], vendors: SandboxServer, tmp_path: Path
) -> None:
    api, environment = deployed["PREFECT_API_URL"], {**deployed, **vendors.environment, "HOLDED_RATE": "1000"}
    with working(environment, tmp_path) as log, serving(sync_actions, **vendors.environment) as (client, server):
        await_worker(api)
        done: dict[str, Any] = client.post(PATH, json={"step_name": "services"}).json()
        assert done["status"] == "completed", done | {"log": log.read_text()}
        gate = Event()
        vendors.faults.add(Fault("holded", "slow", "/saleschannels", when=lambda _: gate.wait(LONGEST_SECONDS)))
        accepted = client.post(PATH, json={"step_name": "services"}, headers={"Prefer": "respond-async"})
        flow_run_id = accepted.json()["flow_run_id"]
        _await_running(flow_run_id)
        server.send_signal(signal.SIGTERM)
        server.wait(LONGEST_SECONDS)
        (execution,) = executions_of_run(flow_run_id)
        assert execution.status == "running"
        with temporary_settings({PREFECT_API_URL: api}):
            next_server = PrefectStepRuns()
            followed = next_server.follow(flow_run_id)
            gate.set()
            assert followed
            words = followed.ended.result(LONGEST_SECONDS)
            next_server.close()

    assert words == "Completed: 1 of 1 executions completed"
    (execution,) = executions_of_run(flow_run_id)
    assert execution.status == "completed"
    assert set(done) == {"step_name", "status", "started_at", "completed_at", "execution_id", "result"}
    assert done["result"]["services_processed"] > 0
    for each in find_executions(HistoryFilter()):
        run = _flow_run(api, each.flow_run_id)
        assert run.deployment_id
        assert run.infrastructure_pid
        assert run.labels["prefect.worker.name"] == WORKER
