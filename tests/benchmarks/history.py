"""How a long history pages, and 200 readers beside an import: `python -m tests.benchmarks.history [--write]`.

A history of a million executions (`long_history.py`) is asked for pages (`questions.py`), through `tracking.history`
and through the HTTP API of a server process. Then a year is imported through that server, alone and while 200 clients
read the history (`readers.py`). The imports that are compared are the second and third: the first creates the records.
"""

import argparse
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any
from zoneinfo import ZoneInfo

import httpx

from flows.parameters import IMPORT_ORDER
from flows.plan import assess, step_runs_of
from flows.prefect_server import temporary_server
from steps.catalog import STEPS
from steps.ledger.months import MonthWindow
from steps.sandbox.server import serve_sandbox
from steps.sandbox.world import build_world
from steps.settings import SyncSettings
from tests.benchmarks.accruals import postgresql_server, sqlite_file
from tests.benchmarks.long_history import fill_history
from tests.benchmarks.measurements import MEASUREMENTS, replace_block
from tests.benchmarks.questions import PATH, as_query, questions
from tests.benchmarks.readers import Crowd, Heard, reading
from tests.fast_vendors import FAST
from tests.flows.page.server import TOKEN, PageServer, serve_page
from tracking.history import find_executions

EXECUTIONS = 1_000_000
ROUNDS = 20
STANDS = "where each step and month of a year stands (aim 20 ms)"
"""What the overview, `plan` and `--only` ask; the page asks it in its own process."""
CLIENTS = 200
_MILLISECONDS = 1000
_HEADERS = {"Authorization": f"Bearer {TOKEN}"}
_YEAR = {"start_date": "2024-01-01", "end_date": "2025-01-01"}


@dataclass(frozen=True)
class Measured:
    """One database: medians of each page in milliseconds, and the seconds of a year's import."""

    database: str
    pages: dict[str, float]
    """Through `tracking.history`."""
    answers: dict[str, float]
    """Through the HTTP API."""
    alone: float
    beside_readers: float
    heard: Heard


def measure_case(database: str, many: int) -> Measured:
    """Fill the database of `SYNC_DATABASE_URL`, which is empty, and measure it."""
    fill_history(many)
    wanted = questions(many)
    ask: dict[str, Callable[[], Any]] = {what: partial(find_executions, each) for what, each in wanted.items()}
    year = MonthWindow(date(2024, 1, 1), date(2025, 1, 1))
    ask[STANDS] = partial(
        assess, step_runs_of(list(STEPS.values()), year, SyncSettings.load()), ZoneInfo("Europe/Madrid")
    )
    pages = _medians(ask)
    addresses = {what: str(httpx.URL(PATH, params=as_query(each))) for what, each in wanted.items()}
    with temporary_server() as prefect, serve_sandbox(build_world()) as academy, tempfile.TemporaryDirectory() as home:
        variables = {**academy.environment, **FAST, "PREFECT_API_URL": prefect, "PREFECT_HOME": home}
        variables["SYNC_DATABASE_URL"] = os.environ["SYNC_DATABASE_URL"]
        with serve_page(Path(home), variables) as server:
            with httpx.Client(base_url=server.url, headers=_HEADERS, timeout=60) as client:
                answers = _medians({what: partial(_get, client, address) for what, address in addresses.items()})
            _import_a_year(server)
            alone = _import_a_year(server)
            with reading(Crowd(server.url, tuple(addresses.values()), _HEADERS, CLIENTS)) as heard:
                beside_readers = _import_a_year(server)
    return Measured(database, pages, answers, alone, beside_readers, heard)


def _get(client: httpx.Client, address: str) -> None:
    client.get(address).raise_for_status()


def _medians(ask: dict[str, Callable[[], Any]]) -> dict[str, float]:
    """By turns: nobody asks for the same page twice in a row."""
    taken: dict[str, list[float]] = {what: [] for what in ask}
    for _ in range(ROUNDS):
        for what, question in ask.items():
            began = perf_counter()
            question()
            taken[what].append(perf_counter() - began)
    return {what: median(seconds) * _MILLISECONDS for what, seconds in taken.items()}


def _import_a_year(server: PageServer) -> float:
    began = perf_counter()
    for step in IMPORT_ORDER:
        server.execute(step.id, **_YEAR)
    return perf_counter() - began


def as_markdown(measured: list[Measured]) -> str:
    """Two tables: the pages, and the import with its readers."""
    heads = " | ".join(f"{each.database} | over HTTP" for each in measured)
    lines = [f"| page of the history | {heads} |", f"| --- |{' ---: | ---: |' * len(measured)}"]
    for what in measured[0].pages:
        cells = " | ".join(f"{each.pages[what]:.1f} ms | {_answer(each, what)}" for each in measured)
        lines.append(f"| {what} | {cells} |")
    lines += [
        "",
        "| database | a year alone | beside readers | ratio | answers | errors | p50 | p99 |",
        f"| --- |{' ---: |' * 7}",
    ]
    return "\n".join([*lines, *map(_row_beside_readers, measured)])


def _answer(of: Measured, what: str) -> str:
    return f"{of.answers[what]:.1f} ms" if what in of.answers else ""


def _row_beside_readers(of: Measured) -> str:
    heard, ratio = of.heard, of.beside_readers / of.alone
    waits = f"{heard.percentile(50):.0f} ms | {heard.percentile(99):.0f} ms"
    import_ = f"{of.alone:.1f} s | {of.beside_readers:.1f} s | {ratio:.2f}"
    return f"| {of.database} | {import_} | {len(heard.seconds):,} | {heard.errors.total()} | {waits} |"


def main() -> None:
    """Measure, print, and with `--write` keep the tables in docs/measurements.md; status 1 if a reader got an error."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--write", action="store_true", help="replace the tables in docs/measurements.md")
    options.add_argument("--executions", type=int, default=EXECUTIONS, help="how long the history is")
    asked = options.parse_args()
    measured = []
    with postgresql_server() as fresh_postgresql:
        for name, fresh in (("SQLite", sqlite_file), ("PostgreSQL", fresh_postgresql)):
            with fresh():
                measured.append(measure_case(name, asked.executions))
    tables = as_markdown(measured)
    sys.stdout.write(f"{tables}\n")
    if asked.write:
        replace_block(MEASUREMENTS, "bench:history", tables)
    if errors := sum((each.heard.errors for each in measured), start=Counter[str]()):
        sys.stderr.write(f"readers got errors: {errors}\n")
        sys.exit(1)


if __name__ == "__main__":
    main()
