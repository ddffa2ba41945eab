"""How fast a year is imported, beside a bare client: `python -m tests.benchmarks.imports [--write]`, or `make bench`.

The bare client asks for the same lists, one request after the other, and puts each record as it came into a table. The
sandbox and each measurement have a process of their own. Measured is the work of the five steps (reading, parsing,
applying, committing), without the start of a process, Prefect and the tracking of executions. The vendors have no rate.
Processor time is that of the process alone; on a machine that does other work besides it says more than the seconds.
"""

import argparse
import json
import multiprocessing
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from multiprocessing.connection import Connection
from pathlib import Path
from time import perf_counter, process_time
from typing import Any, get_args

import httpx
from sqlmodel import func, select

from flows.parameters import IMPORT_ORDER
from steps.context import StepContext
from steps.crm_clients import sync_crm_clients
from steps.invoices import sync_invoices
from steps.ledger.client import Client, ClientExternalId
from steps.ledger.contract import Invoice, ServiceContract
from steps.ledger.months import MonthWindow
from steps.ledger.service import Service, ServicePeriod
from steps.notion_external_ids import sync_notion_external_ids
from steps.sandbox.exchange import Vendor
from steps.sandbox.faults import Fault
from steps.sandbox.server import serve_sandbox
from steps.sandbox.world import build_world
from steps.service_periods import sync_service_periods
from steps.services import sync_services
from tests.benchmarks.accruals import postgresql_server, sqlite_file
from tests.benchmarks.measurements import MEASUREMENTS, replace_block
from tests.fast_vendors import FAST
from tests.steps.test_requests import request_floors
from tracking.database import get_engine, read_session

LATENCIES = (0, 20, 200)
"""Milliseconds that each answer of a vendor takes besides."""
USUAL: dict[int, tuple[int, ...]] = {500: LATENCIES, 2_000: LATENCIES, 20_000: (0, 20)}
"""The sizes, in clients, and latencies that are measured unless others are asked for. The bare client makes a thousand
requests for 20,000 clients, one after the other: at 200 ms it would wait 200 s in each of four runs."""
AIMS = {(2_000, 0): (2.0, 2.0), (2_000, 200): (1.3, None)}
"""Clients and latency -> how many times the bare client's seconds an import may take, and its processor time."""
MEMORY_AIM, SMALL, LARGE = 1.5, 2_000, 20_000
"""How many times the memory of the small academy the large one may take."""
YEAR = MonthWindow(date(2024, 1, 1), date(2025, 1, 1))
_SPAWNED = multiprocessing.get_context("spawn")
_KIB = 1024


@dataclass(frozen=True)
class Measured:
    """One import, or what the bare client did."""

    seconds: float
    processor: float
    """Seconds."""
    requests: int
    rows: int
    """Of the ledger, or raw records."""
    peak_mib: float


@dataclass(frozen=True)
class Compared:
    """A row of the table."""

    what: str
    aims: tuple[float | None, float | None]
    """Of the ratios of seconds and of processor time."""
    floor: int
    """Requests, by the vendor sheets, without those for single records."""
    bare: Measured
    ours: Measured
    small_mib: float | None
    """Of the large academy: what the small one took."""

    def __str__(self) -> str:
        """As Markdown."""
        bare, ours = self.bare, self.ours
        aim, processor_aim = (f" (aim {each})" if each else "" for each in self.aims)
        grown = f", {ours.peak_mib / self.small_mib:.1f} (aim {MEMORY_AIM})" if self.small_mib else ""
        return (
            f"| {self.what} | {bare.seconds:.2f} | {ours.seconds:.2f} | {ours.seconds / bare.seconds:.1f}{aim} "
            f"| {bare.processor:.2f} | {ours.processor:.2f} | {ours.processor / bare.processor:.1f}{processor_aim} "
            f"| {self.floor} | {ours.requests} | {ours.rows / ours.seconds:,.0f} "
            f"| {bare.peak_mib:.0f} MiB | {ours.peak_mib:.0f} MiB{grown} |"
        )


HEAD = (
    "| database, clients, latency, run | bare client, s | import, s | ratio | bare client, processor s | import "
    "| ratio | fewest requests | requests | upserts/s | bare memory | memory |\n"
    f"| --- |{' ---: |' * 11}"
)
LEDGER = (Service, Client, ClientExternalId, ServiceContract, Invoice, ServicePeriod)


def import_year() -> Measured:
    """Do the five steps with the vendors and the database of the environment."""
    asked: list[str] = []
    get_engine()  # the first connection and the check of the schema are no part of an import
    began, worked = perf_counter(), process_time()
    with StepContext(YEAR, throttle=asked.append) as context:
        context.reads.read_ahead(IMPORT_ORDER)
        sync_services.fn(context)
        for step in (sync_invoices, sync_crm_clients, sync_service_periods):
            for window in YEAR.months():
                step.fn(context, window)
        sync_notion_external_ids.fn(context)
    seconds, worked, peak = perf_counter() - began, process_time() - worked, _peak_mib()
    with read_session() as session:
        rows = sum(session.scalar(select(func.count()).select_from(table)) or 0 for table in LEDGER)
    return Measured(seconds, worked, len(asked), rows, peak)


def fetch_year() -> Measured:
    """What a client does that only fetches and keeps."""
    engine, variables = get_engine(), os.environ
    began, worked = perf_counter(), process_time()
    with httpx.Client(headers={"Accept": "application/json"}) as client:
        asked = _Asked(client)
        rows = [*_of_holded(asked, variables), *_of_crm(asked, variables), *_of_notion(asked, variables)]
    connection = engine.raw_connection()
    cursor, mark = connection.cursor(), "?" if engine.dialect.name == "sqlite" else "%s"
    cursor.execute("BEGIN")
    cursor.execute("DROP TABLE IF EXISTS raw_record")
    cursor.execute("CREATE TABLE raw_record (list TEXT, id TEXT, record TEXT)")
    cursor.executemany(f"INSERT INTO raw_record VALUES ({mark}, {mark}, {mark})", rows)
    cursor.execute("COMMIT")
    connection.close()
    return Measured(perf_counter() - began, process_time() - worked, asked.count, len(rows), _peak_mib())


@dataclass
class _Asked:
    client: httpx.Client
    count: int = 0

    def __call__(self, method: str, address: str, **arguments: Any) -> Any:
        self.count += 1
        return self.client.request(method, address, **arguments).raise_for_status().json()


def _rows(name: str, records: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    return [(name, str(record["id"]), json.dumps(record)) for record in records]


def _of_holded(ask: _Asked, variables: Any) -> Iterator[tuple[str, str, str]]:
    headers, base = {"key": variables["HOLDED_API_KEY"]}, variables["HOLDED_BASE_URL"]
    span = {"starttmp": 1704063600, "endtmp": 1735685999, "sort": "created-asc", "limit": 500}
    lists: dict[str, dict[str, Any]] = {
        "saleschannels": {},
        "contacts": {},
        "documents/invoice": span,
        "documents/creditnote": span,
    }
    for name, query in lists.items():
        page, seen = 1, set[str]()
        while new := ask("GET", f"{base}/{name}", params={**query, "page": page}, headers=headers):
            yield from _rows(name, new)
            ids = {record["id"] for record in new}
            if ids <= seen:
                break
            seen |= ids
            page += 1


def _of_crm(ask: _Asked, variables: Any) -> Iterator[tuple[str, str, str]]:
    base = variables["FOURGEEKS_BASE_URL"]
    body = {"email": variables["FOURGEEKS_USERNAME"], "password": variables["FOURGEEKS_PASSWORD"]}
    token = ask("POST", f"{base}/auth/login/", json=body)["token"]
    headers = {"Authorization": f"Token {token}", "Academy": variables["FOURGEEKS_ACADEMY_ID"]}
    enrollments = {"roles": "STUDENT", "cache": "false"}
    lists: dict[str, dict[str, str]] = {"auth/academy/student": {}, "admissions/academy/cohort/user": enrollments}
    for name, query in lists.items():
        offset, count = 0, 1
        while offset < count:
            window = {**query, "sort": "id", "limit": 200, "offset": offset}
            answer = ask("GET", f"{base}/{name}", params=window, headers=headers)
            yield from _rows(name, answer["results"])
            count, offset = answer["count"], offset + 200


def _of_notion(ask: _Asked, variables: Any) -> Iterator[tuple[str, str, str]]:
    address = f"{variables['NOTION_BASE_URL']}/databases/{variables['NOTION_DATABASE_ID']}/query"
    headers = {"Authorization": f"Bearer {variables['NOTION_TOKEN']}", "Notion-Version": "2022-06-28"}
    body: dict[str, Any] = {"page_size": 100}
    while True:
        answer = ask("POST", address, json=body, headers=headers)
        yield from _rows("pages", answer["results"])
        if not answer["has_more"]:
            return
        body["start_cursor"] = answer["next_cursor"]


def _peak_mib() -> float:
    """Of this process since it began; `resource` would count that of its parent too."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) / _KIB for line in lines if line.startswith("VmHWM"))


def _serve(clients: int, line: Connection) -> None:
    """Serve the sandbox as long as the parent sends latencies."""
    world = build_world(clients=clients)
    with serve_sandbox(world) as server:
        line.send((server.environment, sum(request_floors(world).values())))
        while (latency := line.recv()) is not None:
            server.faults.clear()
            if latency:
                for vendor in get_args(Vendor):
                    server.faults.add(Fault(vendor, "slow", times=None, seconds=latency / 1000))
            line.send(None)


@dataclass(frozen=True)
class SandboxProcess:
    """A sandbox in a process of its own."""

    variables: Mapping[str, str]
    """What points a program at it, without a rate."""
    floor: int
    """The fewest requests of a year."""
    pid: int
    _line: Connection

    def set_latency(self, milliseconds: int) -> None:
        """Let each answer take so much longer."""
        self._line.send(milliseconds)
        self._line.recv()


@contextmanager
def sandbox_process(clients: int) -> Iterator[SandboxProcess]:
    """The vendors of an academy of this size, in the block."""
    line, its_end = _SPAWNED.Pipe()
    process = _SPAWNED.Process(target=_serve, args=(clients, its_end))
    process.start()
    variables, floor = line.recv()
    try:
        yield SandboxProcess(variables | FAST, floor, process.pid or 0, line)
    finally:
        line.send(None)
        process.join()


def _in_a_process(measure: Callable[[], Measured]) -> Measured:
    with ProcessPoolExecutor(1, mp_context=_SPAWNED) as process:
        return process.submit(measure).result()


def measure_all(sizes: Mapping[int, Iterable[int]], databases: dict[str, Any]) -> Iterator[Compared]:
    """Each size, its latencies, each database: a first import, and one that finds everything as it is."""
    small: dict[str, float] = {}
    for clients, latencies in sizes.items():
        with sandbox_process(clients) as vendors:
            os.environ.update(vendors.variables)
            for latency in latencies:
                aims = AIMS.get((clients, latency), (None, None))
                vendors.set_latency(latency)
                for database, fresh in databases.items():
                    with fresh():
                        for run in ("first", "second"):
                            case = f"{latency} ms, {run}"
                            bare, ours = _in_a_process(fetch_year), _in_a_process(import_year)
                            if clients == SMALL:
                                small[database + case] = ours.peak_mib
                            small_mib = small.get(database + case) if clients == LARGE else None
                            what = f"{database}, {clients:,}, {case}"
                            yield Compared(what, aims, vendors.floor, bare, ours, small_mib)


def main() -> None:
    """Measure, print, and with `--write` keep the table in docs/measurements.md."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--write", action="store_true", help="replace the table in docs/measurements.md")
    options.add_argument("--sizes", type=int, nargs="+", default=tuple(USUAL), help="clients of the academy")
    options.add_argument("--latencies", type=int, nargs="+", help="of the vendors, in milliseconds")
    asked = options.parse_args()
    sizes = {size: asked.latencies or USUAL.get(size, LATENCIES) for size in asked.sizes}
    rows = [HEAD]
    with postgresql_server() as postgresql:
        databases = {"SQLite": sqlite_file, "PostgreSQL": postgresql}
        for each in measure_all(sizes, databases):
            rows.append(str(each))
            sys.stderr.write(f"{each}\n")
    table = "\n".join(rows)
    sys.stdout.write(f"{table}\n")
    if asked.write:
        replace_block(MEASUREMENTS, "bench:imports", table)


if __name__ == "__main__":
    main()
