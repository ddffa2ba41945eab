"""compose.yaml is started as it is written, service by service, on the image that the Dockerfile makes.

The tests build on one another's installation, in their order: it comes up, works, is backed up and restored, and ends.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import httpx
import psutil
import psycopg
import pytest

from steps.sandbox.server import SandboxServer, serve_sandbox
from steps.sandbox.world import build_world
from tests.deployment.containers import LONGEST_SECONDS, Machine, await_true, build_image, machine
from tests.deployment.files import services
from tests.fast_vendors import FAST

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("deployment")]

BASES = ("ledger-database", "prefect-database", "prefect")
WORKERS = ("worker", "worker-2")
_STOP_AT_MAY = """
CREATE FUNCTION stop() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(3600); RETURN NEW; END $$;
CREATE TRIGGER stop AFTER INSERT ON invoice FOR EACH ROW WHEN (NEW.invoice_date >= '2024-05-01') EXECUTE FUNCTION stop()
"""
"""A run is amid the transaction of May for as long as one wants."""
_HOW_MANY_STOPPED = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
_GO_ON = """
SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE wait_event = 'PgSleep';
DROP FUNCTION stop CASCADE
"""
SPRING = {"step_name": "invoices", "start_date": "2024-03-01", "end_date": "2024-07-01"}


@pytest.fixture(scope="module")
def image() -> Iterator[Path]:
    """The Dockerfile, built."""
    folder = Path(mkdtemp(prefix="sync-image-"))
    folder.chmod(0o755)
    yield build_image(folder)
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def vendors() -> Iterator[SandboxServer]:
    """The three vendors, of a small academy."""
    with serve_sandbox(build_world(clients=20)) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def host(image: Path, vendors: SandboxServer) -> Iterator[Machine]:
    """A machine with the credentials of these vendors."""
    with machine(image) as host:
        settings = host.secrets / "sync.env"
        credentials = "".join(f"{name}={value}\n" for name, value in (vendors.environment | FAST).items())
        settings.write_text(host.resolve(settings.read_text()) + credentials)
        yield host


@pytest.fixture(scope="module")
def set_up(host: Machine) -> list[str]:
    """Databases and Prefect's server, in the order of compose.yaml, and then the setup: what it said, twice."""
    said = []
    for name in BASES:
        container = host.container(name)
        assert not container.is_healthy()
        container.start().await_healthy()
    for _ in range(2):
        setup = host.container("setup").start()
        assert setup.await_end() == 0, setup.log
        said.append(setup.log)
    return said


@pytest.fixture(scope="module")
def installation(host: Machine, set_up: list[str]) -> Machine:
    """With its workers and the API."""
    for name in (*WORKERS, "api"):
        assert not host.container(name).is_healthy()
        host.container(name).start()
    for name in (*WORKERS, "api"):
        host.container(name).await_healthy()
    return host


@pytest.fixture
def api(installation: Machine) -> Iterator[httpx.Client]:
    """A client with the token."""
    token = installation.secret("sync.env", "SYNC_API_TOKEN")
    headers = {"Authorization": f"Bearer {token}"}
    address = f"http://{installation.addresses['api']}:8000"
    with httpx.Client(base_url=address, headers=headers, timeout=LONGEST_SECONDS) as client:
        yield client


def test_the_setup_succeeds_and_changes_nothing_when_it_is_started_again(set_up: list[str]) -> None:
    first, both = set_up
    again = both.removeprefix(first)

    assert "work pool sync: new" in first
    assert "deployment sync-import/monthly: new" in first
    assert again.replace("there already", "new") == first


def test_everything_becomes_healthy_and_a_run_that_the_api_is_asked_for_completes(
    installation: Machine, api: httpx.Client
) -> None:
    done = api.post("/api/sync/execute-step", json={"step_name": "services"}).json()

    assert done["status"] == "completed", done
    assert done["result"]["services_processed"] > 0
    running = [name for name in services() if name != "setup"]
    assert [name for name in running if not installation.container(name).is_healthy()] == []


def test_page_and_ui_are_served_and_nothing_else_without_a_password(installation: Machine) -> None:
    prefect, ours = (f"http://{installation.addresses[name]}" for name in ("prefect", "api"))

    assert "Prefect" in httpx.get(f"{prefect}:4200/", follow_redirects=True).text
    assert httpx.get(f"{ours}:8000/", follow_redirects=True).status_code == 200
    assert httpx.post(f"{prefect}:4200/api/flow_runs/filter", json={}).status_code == 401
    assert httpx.get(f"{ours}:8000/api/sync/executions").status_code == 401


def test_no_service_shows_a_secret_in_its_environment_or_log(installation: Machine) -> None:
    told = "\n".join((installation.secrets / name).read_text() for name in ("ledger_password", "prefect_password"))
    for file, name in (
        ("prefect_client.toml", "PREFECT_API_AUTH_STRING"),
        ("sync.env", "SYNC_API_TOKEN"),
        ("sync.env", "SYNC_ENCRYPTION_KEY"),
    ):
        told += f"\n{installation.secret(file, name)}"
    for container in installation.containers.values():
        seen = container.log
        if container.process and container.process.poll() is None:
            seen += str(psutil.Process(container.process.pid).environ())
        assert [secret for secret in told.split() if secret in seen] == []


def test_a_worker_that_is_stopped_leaves_no_month_half_written_and_the_next_run_completes(
    installation: Machine, api: httpx.Client
) -> None:
    ledger = installation.container("ledger-database")
    ledger.require("psql", "-U", "sync", "-c", _STOP_AT_MAY, "sync")
    asked = api.post("/api/sync/execute-step", json=SPRING, headers={"Prefer": "respond-async"}).json()
    await_true(lambda: b"1" in ledger.require("psql", "-U", "sync", "-tAc", _HOW_MANY_STOPPED, "sync"))
    for name in WORKERS:
        container = installation.container(name)
        assert container.stop() < container.service.stop_seconds
    ledger.require("psql", "-U", "sync", "-c", _GO_ON, "sync")
    reconciled = installation.container("api").run("sync-actions", "reconcile")
    stopped = _executions(api, asked)
    written = _months(installation)
    with_prefect = _state_of(installation, asked["flow_run_id"])
    for name in WORKERS:
        installation.container(name).start().await_healthy()
    done = api.post("/api/sync/execute-step", json=SPRING).json()

    assert reconciled.returncode == 0, reconciled.stderr
    assert {each["window_start"][:7]: each["status"] for each in stopped} == {
        "2024-03": "completed",
        "2024-04": "completed",
        "2024-05": "failed",
        "2024-06": "failed",
    }
    assert written == {"2024-03", "2024-04"}
    assert with_prefect not in {"RUNNING", "PENDING"}
    assert done["status"] == "completed", done
    assert _months(installation) == {f"2024-0{month}" for month in range(3, 7)}


def _executions(api: httpx.Client, asked: dict[str, Any]) -> list[dict[str, Any]]:
    answer = api.get("/api/sync/executions", params={"flow_run_id": asked["flow_run_id"]}).json()
    found: list[dict[str, Any]] = answer["executions"]
    return found


def _statuses(api: httpx.Client, asked: dict[str, Any]) -> set[str]:
    return {each["status"] for each in _executions(api, asked)}


def _months(installation: Machine) -> set[str]:
    """Those of which there are invoices."""
    address = installation.secret("sync.env", "SYNC_DATABASE_URL")
    with psycopg.connect(address) as connection:
        found = connection.execute("SELECT DISTINCT to_char(invoice_date, 'YYYY-MM') FROM invoice").fetchall()
    return {month for (month,) in found}


def _state_of(installation: Machine, flow_run_id: str) -> str:
    user, _, password = installation.secret("prefect_client.toml", "PREFECT_API_AUTH_STRING").partition(":")
    url = f"http://{installation.addresses['prefect']}:4200/api/flow_runs/{flow_run_id}"
    return str(httpx.get(url, auth=(user, password)).raise_for_status().json()["state"]["type"])


def test_both_databases_are_backed_up_and_restored_as_the_guide_says(installation: Machine, api: httpx.Client) -> None:
    ledger, prefect = (f"{name}-database" for name in ("ledger", "prefect"))
    before = api.get("/api/sync/executions").json()["executions"]
    change = "DROP TABLE sync_execution CASCADE; CREATE TABLE made_by_a_newer_version (id int)"
    dumped = (installation.folder / "ledger.dump", installation.folder / "prefect.dump")

    def spoil() -> None:
        installation.container(ledger).require("psql", "-U", "sync", "-c", change, "sync")
        installation.container(prefect).require("psql", "-U", "prefect", "-c", "DELETE FROM work_pool", "prefect")

    installation.follow("Backup and restore", spoil)
    after = api.get("/api/sync/executions").json()["executions"]
    *setup, nobody_told = installation.container("setup").log.splitlines()[-12:]
    done = api.post("/api/sync/execute-step", json={"step_name": "services"}).json()

    assert all(path.stat().st_size for path in dumped)
    assert after == before
    assert [line for line in setup if not line.endswith(": there already")] == []
    assert nobody_told.startswith("Nobody is told when a run fails")
    assert done["status"] == "completed", done


def test_an_upgrade_as_the_guide_says_lets_no_run_begin_and_ends_with_everything_at_work(
    installation: Machine, api: httpx.Client
) -> None:
    waiting: list[dict[str, Any]] = []

    def ask() -> None:
        asked = api.post("/api/sync/execute-step", json={"step_name": "services"}, headers={"Prefer": "respond-async"})
        waiting.append(asked.json())

    _, _, schema, encrypted, _ = installation.follow("Upgrade", ask)
    await_true(lambda: _statuses(api, waiting[0]) == {"completed"})

    assert waiting[0]["waits_for"] == "a worker: none is online in the work pool sync"
    assert schema.startswith("The schema is at ")
    assert encrypted.endswith(" rows encrypted.\n")


def test_each_service_ends_within_the_time_that_it_is_given(installation: Machine) -> None:
    for name in ("api", *WORKERS, *reversed(BASES)):
        container = installation.container(name)
        took = container.stop()
        assert took < container.service.stop_seconds, name
