"""The API as a server of its own: how it is refused, what ends with it, and how it serves as the backend of another."""

import json
import os
import re
import signal
import time
from typing import Any
from uuid import UUID, uuid4

import pytest

from flows.worker import worker_is_online
from steps.sandbox.faults import Fault
from steps.sandbox.server import SandboxServer
from tests.fast_vendors import FAST
from tests.flows.api.serving import LONGEST_SECONDS, await_running, serving
from tests.flows.conftest import CommandLine, prefect_client
from tests.processes import pids_with
from tests.steps.ledger_view import LedgerView
from tracking.database import dispose_engines
from tracking.history import HistoryFilter, find_executions
from tracking.recorder import end_dead_executions

pytestmark = pytest.mark.prefect


@pytest.mark.long
def test_a_server_that_is_stopped_leaves_no_execution_open_and_no_process(
    sync_actions: CommandLine, vendors: SandboxServer, prefect_server: str
) -> None:
    mark = f"{uuid4()}"
    vendors.faults.add(Fault("holded", "slow", "/saleschannels", times=None, seconds=60))
    with serving(sync_actions, **vendors.environment, **FAST, A_MARK_OF_THE_TEST=mark) as (client, process):
        headers = {"Prefer": "respond-async"}
        started = client.post("/api/sync/execute-step", json={"step_name": "services"}, headers=headers)
        assert started.status_code == 202
        await_running(started.json()["flow_run_id"])
        assert len(pids_with(mark)) > 2
        process.send_signal(signal.SIGTERM)
        process.wait(LONGEST_SECONDS)

    (execution,) = find_executions(HistoryFilter())
    assert execution.status == "failed"
    assert execution.error_message == "never finished: the run was cancelled from Prefect"
    assert pids_with(mark) == []
    with prefect_client(prefect_server) as prefect:
        state = prefect.read_flow_run(UUID(execution.flow_run_id)).state
        assert not worker_is_online(prefect)
    assert state is not None
    assert state.is_cancelled()


@pytest.mark.long
def test_an_api_server_that_is_killed_takes_its_worker_along_and_leaves_no_execution_open(
    sync_actions: CommandLine, vendors: SandboxServer
) -> None:
    vendors.faults.add(Fault("holded", "slow", "/saleschannels", times=None, seconds=60))
    mark = f"{uuid4()}"
    with serving(sync_actions, **vendors.environment, **FAST, A_MARK_OF_THE_TEST=mark) as (client, process):
        headers = {"Prefer": "respond-async"}
        started = client.post("/api/sync/execute-step", json={"step_name": "services"}, headers=headers)
        await_running(started.json()["flow_run_id"])
        process.kill()
        deadline = time.monotonic() + LONGEST_SECONDS
        while pids_with(mark):
            assert time.monotonic() < deadline
            time.sleep(0.1)

    end_dead_executions()
    (execution,) = find_executions(HistoryFilter())
    assert execution.status == "failed"


@pytest.mark.long
def test_a_project_that_uses_another_as_its_backend_gets_the_same_ledger(
    sync_actions: CommandLine, vendors: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, token = sync_actions.folder, {"SYNC_API_TOKEN": "a-token-for-the-pair"}
    databases = {name: f"sqlite:///{folder / name}.db" for name in ("direct", "backend", "frontend")}
    months = ("--start-date", "2024-03-01", "--end-date", "2024-05-01", "--json")
    sandbox = vendors.environment | FAST

    direct = sync_actions.run(*months, SYNC_DATABASE_URL=databases["direct"], **sandbox)
    with serving(sync_actions, SYNC_DATABASE_URL=databases["backend"], **sandbox, **token) as (client, _):
        frontend = {"SYNC_DATABASE_URL": databases["frontend"], "SYNC_BACKEND_URL": str(client.base_url)}
        through = sync_actions.run(*months, **frontend, **token)

    assert (direct.status, through.status) == (0, 0), through.err
    assert _told(through.json) == _told(direct.json)
    assert _ledger(monkeypatch, databases["backend"]) == _ledger(monkeypatch, databases["direct"])
    assert _ledger(monkeypatch, databases["frontend"])[0] == {}


def _told(outcome: dict[str, Any]) -> list[tuple[str, str | None, Any]]:
    return [(e["step_name"], e["window_start"], e["result"]) for e in outcome["executions"]]


def _ledger(monkeypatch: pytest.MonkeyPatch, url: str) -> tuple[Any, ...]:
    """Everything by natural keys."""
    dispose_engines()
    monkeypatch.setenv("SYNC_DATABASE_URL", url)
    view = LedgerView()
    links = tuple(view.links(system) for system in ("holded", "fourgeeks", "notion"))
    return (view.services(), view.clients(), links, view.contracts(), view.invoices(), view.periods(), view.errors())


@pytest.mark.parametrize("token", ["", "a-short-token"])
def test_serving_other_machines_without_a_long_token_is_refused_at_start(sync_actions: CommandLine, token: str) -> None:
    outcome = sync_actions.run("api", "--host", "0.0.0.0", "--port", "0", SYNC_API_TOKEN=token)

    assert outcome.status == 2
    assert outcome.out == ""
    (line,) = outcome.err.splitlines()
    assert f"SYNC_API_TOKEN of at least 32 characters, and it has {len(token)}" in line


def test_a_port_that_is_taken_is_one_line(sync_actions: CommandLine, vendors: SandboxServer) -> None:
    port = re.search(r":(\d+)", json.dumps(vendors.environment["HOLDED_BASE_URL"]))
    assert port

    outcome = sync_actions.run("api", "--port", port[1])

    assert outcome.status == 2
    assert outcome.err.startswith(f"Error: cannot serve on 127.0.0.1 port {port[1]}: ")
    assert os.linesep not in outcome.err.rstrip()
