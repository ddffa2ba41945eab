"""The API as a server, with a real worker: the worker does what is asked, and goes on when the API is gone."""

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any
from uuid import UUID, uuid4

import pytest
from prefect.client.schemas.objects import FlowRun

from steps.sandbox.faults import Fault
from steps.sandbox.server import SandboxServer
from tests.fast_vendors import FAST
from tests.flows.api.serving import LONGEST_SECONDS, await_running, serving
from tests.flows.conftest import CommandLine, prefect_client
from tests.flows.worker import WORKER, await_worker, working
from tests.processes import pids_with
from tracking.history import HistoryFilter, executions_of_run, find_executions

pytestmark = pytest.mark.prefect

PATH = "/api/sync/execute-step"
ASYNC = {"Prefer": "respond-async"}
MARCH = {"start_date": "2024-03-01", "end_date": "2024-04-01"}


@pytest.fixture(autouse=True)
def _no_key_of_another_test() -> None:
    """Prefect keeps keys for ever, and tests share a server."""
    KEY["Idempotency-Key"] = f"{uuid4()}"


KEY = {"Idempotency-Key": ""}


def _flow_run(api: str, flow_run_id: str | None) -> FlowRun:
    with prefect_client(api) as client:
        return client.read_flow_run(UUID(flow_run_id))


@pytest.mark.long
def test_a_worker_does_the_step_and_goes_on_when_the_api_is_stopped(
    sync_actions: CommandLine, deployed: dict[str, str], vendors: SandboxServer, tmp_path: Path
) -> None:
    api, environment = deployed["PREFECT_API_URL"], {**deployed, **vendors.environment, "HOLDED_RATE": "1000"}
    with working(environment, tmp_path) as log:
        with serving(sync_actions, "--no-worker", **vendors.environment) as (client, server):
            await_worker(api)
            done: dict[str, Any] = client.post(PATH, json={"step_name": "services"}).json()
            assert done["status"] == "completed", done | {"log": log.read_text()}
            gate = Event()
            vendors.faults.add(Fault("holded", "slow", "/saleschannels", when=lambda _: gate.wait(LONGEST_SECONDS)))
            accepted = client.post(PATH, json={"step_name": "services"}, headers={**ASYNC, **KEY})
            flow_run_id = accepted.json()["flow_run_id"]
            await_running(flow_run_id)
            server.send_signal(signal.SIGTERM)
            server.wait(LONGEST_SECONDS)
        (execution,) = executions_of_run(flow_run_id)
        assert execution.status == "running"
        with serving(sync_actions, "--no-worker", **vendors.environment) as (client, _):
            gate.set()
            again = client.post(PATH, json={"step_name": "services"}, headers=KEY).json()

    assert (again["status"], again["execution_id"]) == ("completed", execution.id)
    assert set(done) == {"step_name", "status", "started_at", "completed_at", "execution_id", "result"}
    assert done["result"]["services_processed"] > 0
    for each in find_executions(HistoryFilter()):
        run = _flow_run(api, each.flow_run_id)
        assert run.deployment_id
        assert run.infrastructure_pid
        assert run.labels["prefect.worker.name"] == WORKER


@pytest.mark.long
def test_two_api_servers_that_get_one_key_at_once_start_one_run_and_refuse_it_for_another_request(
    sync_actions: CommandLine, deployed: dict[str, str], vendors: SandboxServer
) -> None:
    services, march = {"step_name": "services"}, {"step_name": "invoices", **MARCH}
    with (
        serving(sync_actions, **vendors.environment, **FAST) as (one, _),
        serving(sync_actions, "--no-worker", **vendors.environment, **FAST) as (other, _),
    ):
        with ThreadPoolExecutor(2) as pool:
            asked = [pool.submit(each.post, PATH, json=services, headers=KEY) for each in (one, other)]
            answers = [each.result().json() for each in asked]
        refused = other.post(PATH, json=march, headers=KEY)
        another_key = other.post(PATH, json=services, headers={"Idempotency-Key": "another"}).json()

    assert answers[0] == answers[1]
    assert answers[0]["status"] == "completed"
    assert refused.status_code == 422
    assert "another request" in refused.json()["detail"]
    assert [each.id for each in find_executions(HistoryFilter())] == [
        another_key["execution_id"],
        answers[0]["execution_id"],
    ]


@pytest.mark.long
def test_without_a_worker_a_run_is_said_to_wait_for_one_and_is_done_when_one_comes(
    sync_actions: CommandLine, deployed: dict[str, str], vendors: SandboxServer
) -> None:
    with serving(sync_actions, "--no-worker", **vendors.environment, **FAST) as (client, _):
        accepted = client.post(PATH, json={"step_name": "services"}, headers={**ASYNC, **KEY})
        with serving(sync_actions, **vendors.environment, **FAST):
            done = client.post(PATH, json={"step_name": "services"}, headers=KEY).json()

    told = accepted.json()
    assert (accepted.status_code, told["execution_ids"]) == (202, [])
    assert told["waits_for"] == "a worker: none is online in the work pool sync"
    assert done["status"] == "completed"


@pytest.mark.long
def test_a_run_whose_worker_and_process_were_killed_ends_and_the_next_is_done(
    sync_actions: CommandLine, deployed: dict[str, str], vendors: SandboxServer
) -> None:
    gate = Event()
    vendors.faults.add(Fault("holded", "slow", "/saleschannels", when=lambda _: gate.wait(LONGEST_SECONDS)))
    mark = f"{uuid4()}"
    with serving(sync_actions, **vendors.environment, **FAST, A_MARK_OF_THE_TEST=mark) as (client, server):
        accepted = client.post(PATH, json={"step_name": "services"}, headers={**ASYNC, **KEY})
        await_running(accepted.json()["flow_run_id"])
        for pid in pids_with(mark):
            if pid != server.pid:
                os.kill(pid, signal.SIGKILL)
        gate.set()
        lost = client.post(PATH, json={"step_name": "services"}, headers=KEY).json()
        done = client.post(PATH, json={"step_name": "services"}).json()

    assert lost["status"] == "failed"
    assert "killed or lost during services" in lost["error_message"]
    assert done["status"] == "completed"
    assert pids_with(mark) == []
