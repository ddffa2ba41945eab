"""What more workers gain: `python -m tests.benchmarks.scale [--write]`, or `make bench`.

The invoices of a year of a large academy are imported, a month a run: 12 runs of `execute-step/on-demand`, asked for
at once. Ledger and Prefect's server are on PostgreSQL, and all of it is on this machine, the vendors too: how the
processor's time is shared among them says what holds more workers back.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import psutil

from tests.benchmarks.imports import SandboxProcess, sandbox_process
from tests.benchmarks.measurements import MEASUREMENTS, ROOT, replace_block
from tests.database_server import DatabaseServer, administer, database_server, named
from tests.ports import free_port
from tests.soak.services import MARK, Service, await_true, end_processes, surroundings
from tracking.database import parse_database_url

WORKERS = (1, 2, 4)
CLIENTS = 20_000
LATENCIES = (0, 200)
"""Milliseconds that each answer of a vendor takes besides."""
MONTHS = [f"2024-{month:02}-01" for month in range(1, 13)] + ["2025-01-01"]
_LONGEST_SECONDS = 3600
_START_SECONDS = 600
_POOL = "sync"
_DATABASES = ("prefect", "ledger")


@dataclass(frozen=True)
class Measured:
    """One year, by so many workers."""

    latency: int
    workers: int
    seconds: float
    """From the first request to the end of the last run."""
    processor: Mapping[str, float]
    """Part of the installation -> seconds of the processor."""


@dataclass
class _Installation:
    """Prefect's server with its deployments, and workers beside it."""

    folder: Path
    environment: dict[str, str]
    parts: dict[str, Callable[[], psutil.Process]]
    client: httpx.Client

    def command(self, *arguments: str) -> None:
        """Run a command of the installation to its end."""
        subprocess.run(
            [sys.executable, *arguments],
            env=surroundings() | self.environment,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=True,
        )

    def run(self, step: str, months: list[tuple[str, str]]) -> float:
        """Ask for a run of a step for each range of months, all at once; seconds until the last has ended.

        Raises:
            RuntimeError: one did not complete.
        """
        deployment = self._ask("GET", "/deployments/name/execute-step/on-demand")["id"]
        began = time.monotonic()
        asked = [
            self._ask(
                "POST",
                f"/deployments/{deployment}/create_flow_run",
                {"parameters": {"step": step, "start_date": first, "end_date": end}},
            )["id"]
            for first, end in months
        ]
        while states := [run["state_type"] for run in self._runs(asked) if run["state_type"] != "COMPLETED"]:
            if {"FAILED", "CRASHED", "CANCELLED"} & set(states) or time.monotonic() > began + _LONGEST_SECONDS:
                raise RuntimeError(f"{step}: {states}")
            time.sleep(0.25)
        return time.monotonic() - began

    def await_workers(self, count: int) -> None:
        """Until Prefect has heard of so many.

        Raises:
            RuntimeError: it does not.
        """
        if not await_true(
            lambda: len(self._ask("POST", f"/work_pools/{_POOL}/workers/filter", {})) == count, _START_SECONDS
        ):
            raise RuntimeError(f"fewer than {count} workers came")

    def processor(self) -> dict[str, float]:
        """Seconds of the processor that each part has used so far, its ended children among them."""
        return {name: _processor_of(part()) for name, part in self.parts.items()}

    def _runs(self, ids: list[str]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._ask("POST", "/flow_runs/filter", {"flow_runs": {"id": {"any_": ids}}})
        return found

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        return self.client.request(method, path, json=body).raise_for_status().json()


def _processor_of(root: psutil.Process) -> float:
    alive = sum(sum(each.cpu_times()[:2]) for each in [root, *root.children(recursive=True)])
    ended: float = sum(root.cpu_times()[2:4])
    return alive + ended


def _service_part(service: Service) -> Callable[[], psutil.Process]:
    def find() -> psutil.Process:
        if service.process is None:
            raise RuntimeError(f"{service.name} was not started")
        return psutil.Process(service.process.pid)

    return find


@contextmanager
def _installation(database: DatabaseServer, vendors: Mapping[str, str], sandbox_pid: int) -> Iterator[_Installation]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-scale-")))
        port = free_port()
        prefect_database = parse_database_url(named(database.url, "prefect")).set(drivername="postgresql+asyncpg")
        environment = {
            **vendors,
            MARK: uuid4().hex,
            "PYTHONPATH": str(ROOT),
            "SYNC_DATABASE_URL": named(database.url, "ledger"),
            "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
            "PREFECT_HOME": str(folder / "home"),
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "PREFECT_WORKER_QUERY_SECONDS": "1",
        }
        serving = {
            "PREFECT_API_URL": "",
            "PREFECT_SERVER_UI_ENABLED": "false",
            "PREFECT_SERVER_DATABASE_CONNECTION_URL": prefect_database.render_as_string(hide_password=False),
        }
        server = Service(
            "server",
            (sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)),
            environment | serving,
            folder,
        )
        stack.callback(end_processes, environment[MARK])
        stack.callback(server.stop)
        client = stack.enter_context(httpx.Client(base_url=environment["PREFECT_API_URL"], timeout=60))
        server.start()
        if not await_true(lambda: _answers(client), _START_SECONDS):
            raise RuntimeError(f"the Prefect server does not answer:\n{server.log.read_text()[-2000:]}")
        postgresql = psutil.Process(database.pid)
        made = _Installation(
            folder,
            environment,
            {
                "Prefect server": _service_part(server),
                "PostgreSQL": lambda: postgresql,
                "vendors (sandbox)": lambda: psutil.Process(sandbox_pid),
            },
            client,
        )
        made.command("-c", "from flows.cli.app import main; main()", "prefect", "setup")
        yield made


def _answers(client: httpx.Client) -> bool:
    try:
        return client.get("/health").is_success
    except httpx.TransportError:
        return False


@contextmanager
def _workers(made: _Installation, count: int) -> Iterator[None]:
    """So many workers in the block, each with one run at a time."""
    command = (sys.executable, "-m", "prefect", "worker", "start", "--pool", _POOL, "--limit", "1", "--name")
    with ExitStack() as stack:
        for number in range(1, count + 1):
            name = f"worker {number}"
            worker = Service(name, (*command, f"{count}-{number}"), made.environment, made.folder)
            stack.callback(worker.stop)
            worker.start()
            made.parts[name] = _service_part(worker)
            stack.callback(made.parts.pop, name)
        yield


def measure_year(database: DatabaseServer, latency: int, workers: int, vendors: SandboxProcess) -> Measured:
    """Import the year's invoices into a new ledger."""
    for name in _DATABASES:
        administer(database.url, f"DROP DATABASE IF EXISTS {name} (FORCE)", f"CREATE DATABASE {name}")
    year = [(MONTHS[0], MONTHS[-1])]
    by_month = list(pairwise(MONTHS))
    with _installation(database, vendors.variables, vendors.pid) as made, _workers(made, workers):
        made.await_workers(workers)
        made.run("services", year)
        before = made.processor()
        seconds = made.run("invoices", by_month)
        used = defaultdict[str, float](float)
        for name, after in made.processor().items():
            used["runs and workers" if name.startswith("worker") else name] += after - before[name]
    return Measured(latency, workers, seconds, used)


def as_markdown(measured: list[Measured]) -> str:
    """The table: seconds, how many times as fast as with the fewest workers, and the processor's time by part."""
    parts = list(measured[0].processor)
    head = [
        "latency",
        "workers",
        "seconds",
        "times as fast",
        *(f"{part}, processor s" for part in parts),
        "cores in use",
    ]
    lines = [f"| {' | '.join(head)} |", f"|{' ---: |' * len(head)}"]
    for each in measured:
        alone = next(other for other in measured if other.latency == each.latency)
        used = sum(each.processor.values())
        cells = [f"{each.latency} ms", str(each.workers), f"{each.seconds:.0f}", f"{alone.seconds / each.seconds:.2f}"]
        cells += [*(f"{each.processor[part]:.0f}" for part in parts), f"{used / each.seconds:.1f}"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Measure, print, and with `--write` keep the table in docs/measurements.md."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--write", action="store_true", help="replace the table in docs/measurements.md")
    options.add_argument("--clients", type=int, default=CLIENTS, help="of the academy")
    options.add_argument("--latencies", type=int, nargs="+", default=LATENCIES, help="of the vendors, in milliseconds")
    options.add_argument("--workers", type=int, nargs="+", default=WORKERS, help="how many, fewest first")
    asked = options.parse_args()
    measured = []
    with database_server() as database, sandbox_process(asked.clients) as vendors:
        for latency in asked.latencies:
            vendors.set_latency(latency)
            for workers in asked.workers:
                measured.append(measure_year(database, latency, workers, vendors))
                sys.stderr.write(f"{as_markdown(measured).splitlines()[-1]}\n")
    table = as_markdown(measured)
    sys.stdout.write(f"{table}\n")
    if asked.write:
        replace_block(MEASUREMENTS, "bench:scale", table)


if __name__ == "__main__":
    main()
