"""Everything that a production has, on loopback: Prefect's server, deployments, a worker, our API, vendors, a clock."""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import yaml

from steps.sandbox.faults import Fault
from steps.sandbox.server import SandboxServer, serve_sandbox
from steps.sandbox.world import build_world
from tests.database_server import database_server
from tests.flows.clock import clock_variables
from tests.ports import free_port
from tests.soak.database import SoakDatabase
from tests.soak.prefect_api import PASSWORD, PrefectApi
from tests.soak.services import MARK, Service, await_true, surroundings

ROOT = Path(__file__).parents[2]
POOL, WORKER = "sync", "soak"
_CLIENTS = 40
_RATE = "20"
_START_SECONDS = 180

SCHEDULES = {
    "sync-import/monthly": ("month-in-turn", 1),
    "sync-import/on-demand": ("months-before", 3),
    "process-accruals/monthly": ("months-so-far", 1),
    "reconcile-executions/every-5-minutes": ("reconcile", 1),
}
"""Deployment -> its schedule: the name, and how many times the pace lies between two runs."""


@dataclass
class Clock:
    """The clock of the worker and its runs, which can be set at any moment."""

    file: Path
    seconds_ahead: int = 0

    def set(self, seconds_ahead: int) -> None:
        """Let it be so many seconds ahead of the machine's."""
        self.seconds_ahead = seconds_ahead
        new = self.file.with_suffix(".new")
        new.write_text(f"{seconds_ahead:+d}")
        new.replace(self.file)

    @property
    def environment(self) -> dict[str, str]:
        """What makes a program look at this clock."""
        return clock_variables(self.file)


class Vendors:
    """The sandbox, with faults that come and go independently of one another."""

    def __init__(self, sandbox: SandboxServer) -> None:
        self.environment = sandbox.environment
        self._faults = sandbox.faults
        self._present: list[Fault] = []
        self._lock = threading.Lock()

    @contextmanager
    def failing(self, fault: Fault) -> Iterator[None]:
        """The fault inside the block."""
        self._change(lambda: self._present.append(fault))
        try:
            yield
        finally:
            self._change(lambda: self._present.remove(fault))

    def _change(self, change: Any) -> None:
        with self._lock:
            change()
            self._faults.clear()
            for fault in self._present:
                self._faults.add(fault)


@dataclass
class Installation:
    """What the soak runs, and disturbs."""

    folder: Path
    database: SoakDatabase
    vendors: Vendors
    clock: Clock
    prefect: PrefectApi
    server: Service
    worker: Service
    api: Service
    api_url: str
    mark: str
    environment: dict[str, str]
    """What a command is told that talks to this installation."""

    def command(self, *arguments: str, **variables: str) -> str:
        """What a command wrote that was run to its end.

        Raises:
            RuntimeError: it failed.
        """
        done = subprocess.run(
            [sys.executable, *arguments],
            env=surroundings() | self.environment | variables,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{' '.join(arguments)} failed:\n{done.stdout}{done.stderr}")
        return done.stdout

    def start_prefect(self) -> None:
        """Start Prefect's server and wait until it answers.

        Raises:
            RuntimeError: it does not.
        """
        self.server.start()
        if not await_true(self.prefect.is_up, _START_SECONDS):
            raise RuntimeError(f"the Prefect server does not answer:\n{self.server.log.read_text()[-2000:]}")


@contextmanager
def installation(folder: Path, pace: int) -> Iterator[Installation]:
    """Set everything up and run it inside the block.

    Args:
        folder: For settings, logs and Prefect's home.
        pace: Seconds between two runs of a schedule.
    """
    with ExitStack() as stack:
        database = SoakDatabase(stack.enter_context(database_server(durable=True)))
        sandbox = stack.enter_context(serve_sandbox(build_world(clients=_CLIENTS)))
        made = _describe(folder, database, Vendors(sandbox))
        made.clock.set(0)
        stack.callback(made.prefect.client.close)
        for service in (made.server, made.api, made.worker):
            stack.callback(_end, service)
        made.start_prefect()
        _deploy(made, pace)
        made.api.start()
        made.worker.start()
        yield made


def _describe(folder: Path, database: SoakDatabase, vendors: Vendors) -> Installation:
    mark, prefect_port, api_port = uuid4().hex, free_port(), free_port()
    settings = folder / "settings.env"
    rates = {f"{vendor}_RATE": _RATE for vendor in ("HOLDED", "FOURGEEKS", "NOTION")}
    told = vendors.environment | rates | {"SYNC_DATABASE_URL": database.url("sync")}
    settings.write_text("".join(f"{name}={value}\n" for name, value in told.items()))
    clock = Clock(folder / "clock")
    environment = {
        MARK: mark,
        "PYTHONPATH": str(ROOT),
        "SYNC_ENV_FILE": str(settings),
        "PREFECT_API_URL": f"http://127.0.0.1:{prefect_port}/api",
        "PREFECT_API_AUTH_STRING": PASSWORD,
        "PREFECT_HOME": str(folder / "home"),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_LOGGING_COLORS": "false",
        "COLUMNS": "200",
    }
    server = {
        "PREFECT_SERVER_API_AUTH_STRING": PASSWORD,
        "PREFECT_SERVER_UI_ENABLED": "false",
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
        # A changed schedule loses its runs to come, and gets new ones in the next round of the scheduler.
        "PREFECT_SERVER_SERVICES_SCHEDULER_LOOP_SECONDS": "10",
        "PREFECT_API_URL": "",
    }
    worker = {"PREFECT_WORKER_QUERY_SECONDS": "2", "PREFECT_WORKER_HEARTBEAT_SECONDS": "5"}
    python, prefect = sys.executable, (sys.executable, "-m", "prefect")
    at = ("--host", "127.0.0.1", "--port")
    return Installation(
        folder,
        database,
        vendors,
        clock,
        PrefectApi(environment["PREFECT_API_URL"]),
        Service("server", (*prefect, "server", "start", *at, str(prefect_port)), environment | server, folder),
        Service(
            "worker",
            (*prefect, "worker", "start", "--pool", POOL, "--name", WORKER, "--limit", "4"),
            environment | worker | clock.environment,
            _made(folder / "worker"),
        ),
        Service(
            "api",
            (python, "-c", "from flows.cli.app import main; main()", "api", *at, str(api_port)),
            environment,
            folder,
        ),
        f"http://127.0.0.1:{api_port}",
        mark,
        environment,
    )


def _deploy(made: Installation, pace: int) -> None:
    """Send the project's deployments to the server, with schedules of minutes instead of months.

    Those that work on months are set going by `months.py`, which says on which months.
    """
    project = yaml.safe_load((ROOT / "prefect.yaml").read_text(encoding="utf-8"))
    for deployment in project["deployments"]:
        name = f"{deployment['entrypoint'].rpartition('.')[2].replace('_', '-')}/{deployment['name']}"
        if name in SCHEDULES:
            slug, times = SCHEDULES[name]
            deployment["schedules"] = [{"interval": pace * times, "slug": slug, "active": slug == "reconcile"}]
    (made.folder / "prefect.yaml").write_text(yaml.safe_dump(project), encoding="utf-8")
    made.command("-m", "prefect", "work-pool", "create", POOL, "--type", "process")
    made.command("-m", "prefect", "--no-prompt", "deploy", "--all")


def _end(service: Service) -> None:
    if service.is_running():
        service.stop()


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def now() -> float:
    """Unix seconds."""
    return time.time()
