"""The Prefect server that a command boots for itself: it is the command's alone, and booting it is cheap."""

import ssl
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Thread, current_thread
from typing import Any

import httpx
import pytest
from prefect import flow, get_run_logger
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings

from flows.prefect_server import PrefectUnavailableError, logs_delivered, prefect_api, temporary_server
from flows.prefect_setup import set_up_for_api
from flows.worker import WORK_POOL

pytestmark = pytest.mark.prefect

FOREIGN = "https://a-page-somebody-has-open.example"


@dataclass(frozen=True)
class Booted:
    """A temporary server as a command boots it, in whose settings the tests run."""

    url: str
    certificates_loaded: int
    """How often a TLS context was made while it booted."""


@pytest.fixture(scope="module")
def booted(prefect_home: Callable[[], Path]) -> Iterator[Booted]:
    made: list[Thread] = []
    make: Any = ssl.create_default_context

    def count(*arguments: Any, **options: Any) -> ssl.SSLContext:
        made.append(current_thread())
        context: ssl.SSLContext = make(*arguments, **options)
        return context

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PREFECT_HOME", str(prefect_home()))
        patch.setattr(ssl, "create_default_context", count)
        with prefect_api():
            patch.setattr(ssl, "create_default_context", make)
            yield Booted(str(PREFECT_API_URL.value()), made.count(current_thread()))  # others send events


@flow(name="a-flow-that-logs")
def _log_something() -> None:
    get_run_logger().info("a line of the run")


def test_only_the_command_that_booted_the_temporary_server_is_answered(booted: Booted) -> None:
    asked = f"{booted.url}/flow_runs/filter"

    assert httpx.post(asked, json={}).status_code == 401
    assert httpx.post(asked, json={}, auth=("sync-actions", "guessed")).status_code == 401
    assert httpx.get(f"{booted.url}/health").status_code == 200  # says nothing but that it is there

    preflight = httpx.options(
        asked,
        headers={
            "Origin": FOREIGN,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "content-type",
        },
    )
    assert preflight.status_code >= 400
    assert "access-control-allow-origin" not in preflight.headers
    assert "access-control-allow-origin" not in httpx.get(f"{booted.url}/health", headers={"Origin": FOREIGN}).headers

    with logs_delivered():
        state: Any = _log_something(return_state=True)
    with get_client(sync_client=True) as client:
        (run,) = client.read_flow_runs()
        logs = [log.message for log in client.read_logs()]
    assert state.is_completed()
    assert run.id == state.state_details.flow_run_id
    assert "a line of the run" in logs


def test_a_protected_server_without_its_password_is_refused_in_one_line(booted: Booted) -> None:
    wrong = {PREFECT_API_AUTH_STRING: "admin:a-wrong-password"}

    with (
        temporary_settings(wrong),
        pytest.raises(PrefectUnavailableError, match=r"refuses access \(401\): set PREFECT_API_AUTH_STRING") as no,
        prefect_api(),
    ):
        pass

    assert "\n" not in str(no.value)
    assert "a-wrong-password" not in str(no.value)


def test_waiting_for_the_temporary_server_loads_no_certificates_again_and_again(booted: Booted) -> None:
    assert booted.certificates_loaded == 0


def test_only_a_server_that_no_other_machine_reaches_says_which_command_begins_a_run(booted: Booted) -> None:
    with get_client(sync_client=True) as client:
        commands = []
        for lasting in (False, True):
            set_up_for_api(client, lasting=lasting)
            template = client.read_work_pool(WORK_POOL).base_job_template
            commands.append(template["variables"]["properties"]["command"].get("default"))
            client.delete_work_pool(WORK_POOL)

    assert commands == [f"{sys.executable} -m prefect.engine", None]


@pytest.mark.long
def test_what_the_temporary_server_keeps_is_its_owners_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    monkeypatch.setenv("PREFECT_HOME", str(home))

    with temporary_server():
        kept = {path.name: path.stat().st_mode & 0o777 for path in home.glob("prefect.db*")}

    assert home.stat().st_mode & 0o777 == 0o700
    assert kept == {"prefect.db": 0o600, "prefect.db-wal": 0o600, "prefect.db-shm": 0o600}
