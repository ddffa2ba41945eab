"""What a run depends on goes away, hangs, or has its clock set: no living run is ended, and nothing stays open."""

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from threading import Event
from uuid import UUID

import pytest
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import LogFilter, LogFilterFlowRunId

from steps.sandbox.faults import Fault
from steps.sandbox.server import SandboxServer
from tests.database_server import DatabaseServer, administer, database_server, named
from tests.fast_vendors import FAST
from tests.flows.api.serving import serving
from tests.flows.clock import set_clock
from tests.flows.conftest import CommandLine
from tests.flows.worker import working
from tracking.database import dispose_engines
from tracking.history import HistoryFilter, find_executions
from tracking.models import SyncExecution
from tracking.recorder import end_dead_executions

pytestmark = pytest.mark.prefect

LONGEST_SECONDS = 180
MARCH = ("--from-step", "invoices", "--start-date", "2024-03-01", "--end-date", "2024-04-01")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[DatabaseServer]:
    """A PostgreSQL server that a test may stop, with a fresh database as SYNC_DATABASE_URL."""
    with database_server(durable=True) as postgres:  # what was committed is still there when it was stopped
        administer(postgres.url, "CREATE DATABASE sync")
        monkeypatch.setenv("SYNC_DATABASE_URL", named(postgres.url, "sync"))
        yield postgres
        dispose_engines()


def _hold(vendors: SandboxServer, path: str) -> tuple[Event, Event]:
    """Holded answers for this when the second event is set; the first says that it was asked."""
    asked, answer = Event(), Event()

    def hold(_: object) -> bool:
        asked.set()
        return not answer.wait(LONGEST_SECONDS)

    vendors.faults.add(Fault("holded", "slow", path, times=None, when=hold))
    return asked, answer


def _await(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LONGEST_SECONDS
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def _log_of(prefect: SyncPrefectClient, run: UUID) -> str:
    """As Prefect shows it; a worker's own output has nothing of its runs."""
    logs = prefect.read_logs(LogFilter(flow_run_id=LogFilterFlowRunId(any_=[run])))
    return "\n".join(each.message for each in logs)


def _rows() -> list[SyncExecution]:
    return find_executions(HistoryFilter())


def test_a_run_waits_for_a_database_that_was_stopped_and_goes_on(
    server: DatabaseServer, vendors: SandboxServer, sync_actions: CommandLine
) -> None:
    asked, answer = _hold(vendors, "/documents/invoice")
    run = sync_actions.start(*MARCH, "--json", **vendors.environment, **FAST)
    assert asked.wait(LONGEST_SECONDS)

    server.stop()
    dispose_engines()
    answer.set()
    time.sleep(3)
    server.start()
    out, err = run.communicate(timeout=LONGEST_SECONDS)
    assert run.returncode == 1, err
    assert "Traceback" not in err
    rows = _rows()
    assert {row.status for row in rows} == {"completed", "failed"}
    assert {row.step_name for row in rows if row.status == "completed"} >= {"service-periods", "notion-external-id"}, (
        out
    )
    assert all(row.error_message for row in rows if row.status == "failed")
    again = sync_actions.run(*MARCH, "--json", **vendors.environment, **FAST)
    assert again.status == 0, again.err


@pytest.mark.long
def test_a_run_of_a_deployment_that_begins_while_the_database_is_away_waits_for_it(
    server: DatabaseServer,
    vendors: SandboxServer,
    deployed: Mapping[str, str],
    prefect: SyncPrefectClient,
    tmp_path: Path,
) -> None:
    variables = {**deployed, **vendors.environment, **FAST, "SYNC_DATABASE_URL": os.environ["SYNC_DATABASE_URL"]}
    deployment = prefect.read_deployment_by_name("sync-import/on-demand")
    server.stop()
    with working(variables, tmp_path):
        run = prefect.create_flow_run_from_deployment(deployment.id, parameters={"from_step": "notion-external-id"}).id
        _await(lambda: "the database does not answer; waiting for it" in _log_of(prefect, run))
        server.start()
        _await(lambda: "1 of 1 executions completed" in _log_of(prefect, run))

    assert [row.status for row in _rows()] == ["completed"]


@pytest.mark.long
def test_a_step_under_the_api_is_over_when_its_database_is_back_and_its_month_is_free(
    server: DatabaseServer, vendors: SandboxServer, sync_actions: CommandLine
) -> None:
    asked, answer = _hold(vendors, "/documents/invoice")
    body = {"step_name": "invoices", "start_date": "2024-03-01", "end_date": "2024-04-01"}
    with serving(sync_actions, **vendors.environment, **FAST) as (client, _):
        client.post("/api/sync/execute-step", json=body, headers={"Prefer": "respond-async"})
        assert asked.wait(LONGEST_SECONDS)

        server.stop()
        dispose_engines()
        answer.set()
        away = client.get("/api/sync/executions")
        server.start()

        assert away.status_code == 503, away.text
        _await(lambda: client.get("/api/sync/executions").status_code == 200)
        _await(lambda: client.get("/api/sync/executions").json()["executions"][0]["status"] == "failed")
        done = client.post("/api/sync/execute-step", json=body).json()

    assert done["status"] == "completed", done


@pytest.mark.long
@pytest.mark.parametrize("step", ["+2s", "-1h"])
def test_a_clock_that_is_set_in_mid_run_ends_nothing(
    vendors: SandboxServer, sync_actions: CommandLine, tmp_path: Path, step: str
) -> None:
    asked, answer = _hold(vendors, "/documents/invoice")
    with set_clock(tmp_path / "clock") as clock:
        run = sync_actions.start(*MARCH, **vendors.environment, **FAST, **clock)
        assert asked.wait(LONGEST_SECONDS)

        (tmp_path / "clock").write_text(step)
        time.sleep(1)
        ended = end_dead_executions()
        answer.set()
        out, err = run.communicate(timeout=LONGEST_SECONDS)

    assert ended == []
    assert run.returncode == 0, err
    assert "4 of 4 executions completed" in out
    assert [row.status for row in _rows()] == ["completed"] * 4


class HangingProxy:
    """Passes connections on, until it is told to accept and never answer."""

    def __init__(self, port: int) -> None:
        self._target, self._hangs = ("127.0.0.1", port), Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def hang(self) -> None:
        """Answer nothing from now on."""
        self._hangs.set()

    def close(self) -> None:
        """Accept nobody any more."""
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                upstream = socket.create_connection(self._target)
                for source, target in ((client, upstream), (upstream, client)):
                    threading.Thread(target=self._copy, args=(source, target), daemon=True).start()

    def _copy(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError), source:
            while data := source.recv(65536):
                if not self._hangs.is_set():
                    target.sendall(data)
            target.shutdown(socket.SHUT_RDWR)


@pytest.mark.long
def test_a_prefect_server_that_accepts_and_never_answers_holds_no_run_for_long(
    vendors: SandboxServer, sync_actions: CommandLine, prefect_server: str
) -> None:
    asked, answer = _hold(vendors, "/documents/invoice")
    proxy = HangingProxy(int(prefect_server.rsplit(":", 1)[1].split("/", maxsplit=1)[0]))
    environment = {
        **vendors.environment,
        **FAST,
        "PREFECT_API_URL": f"http://127.0.0.1:{proxy.port}/api",
        "PREFECT_API_REQUEST_TIMEOUT": "3",
        "PREFECT_CLIENT_MAX_RETRIES": "0",
    }
    run = sync_actions.start(*MARCH, **environment)
    assert asked.wait(LONGEST_SECONDS)

    proxy.hang()
    time.sleep(1)
    assert end_dead_executions() == []
    answer.set()
    _, err = run.communicate(timeout=LONGEST_SECONDS)
    proxy.close()

    assert run.returncode == 1, err
    assert "The Prefect server stopped answering" in err
    assert "Traceback" not in err
    end_dead_executions()
    assert [row.status for row in _rows()] == ["completed"] * 4
