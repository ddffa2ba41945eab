"""What our tracking costs an execution: `python -m tests.benchmarks.tracking [--write]`, or `make bench`.

A bare Prefect task beside a step, in turns (`tracked_tasks.py`). A ledger transaction is in both: a step has it anyway.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass

from flows.prefect_server import temporary_server
from tests.benchmarks.accruals import postgresql_server, sqlite_file
from tests.benchmarks.measurements import MEASUREMENTS, ROOT, replace_block

TURNS = 60
AIMS = {"SQLite": 2, "PostgreSQL": 5}
"""Milliseconds that tracking may add."""


@dataclass(frozen=True)
class Cost:
    """Medians of one database, in milliseconds."""

    database: str
    bare: float
    tracked: float

    @property
    def added(self) -> float:
        """By our tracking, for each execution."""
        return self.tracked - self.bare


def measure_case(database: str, api_url: str, turns: int) -> Cost:
    """Measure the database of `SYNC_DATABASE_URL`, in a process of its own."""
    command = [sys.executable, "-m", "tests.benchmarks.tracked_tasks", str(turns)]
    quiet = {"PREFECT_LOGGING_LEVEL": "CRITICAL", "PREFECT_API_URL": api_url}
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT, env={**os.environ, **quiet})
    return Cost(database, **json.loads(done.stdout))


def as_markdown(costs: list[Cost]) -> str:
    """The table."""
    lines = [
        "| database | bare task | tracked task | ratio | added by tracking | aim |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    lines += [
        f"| {c.database} | {c.bare:.2f} ms | {c.tracked:.2f} ms | {c.tracked / c.bare:.1f} | {c.added:.2f} ms "
        f"| {AIMS[c.database]} ms |"
        for c in costs
    ]
    return "\n".join(lines)


def main() -> None:
    """Measure, print, and with `--write` keep the table in docs/measurements.md."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--write", action="store_true", help="replace the table in docs/measurements.md")
    options.add_argument("--turns", type=int, default=TURNS, help="of ten tasks of each kind")
    asked = options.parse_args()
    costs = []
    with tempfile.TemporaryDirectory(prefix="bench-prefect-") as home:
        os.environ["PREFECT_HOME"] = home
        with temporary_server() as url, postgresql_server() as fresh_postgresql:
            for name, fresh in (("SQLite", sqlite_file), ("PostgreSQL", fresh_postgresql)):
                with fresh():
                    costs.append(measure_case(name, url, asked.turns))
    table = as_markdown(costs)
    sys.stdout.write(f"{table}\n")
    if asked.write:
        replace_block(MEASUREMENTS, "bench:tracking", table)


if __name__ == "__main__":
    main()
