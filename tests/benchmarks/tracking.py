"""What our tracking costs an execution: `python -m tests.benchmarks.tracking [--write]`, or `make bench`.

The same empty task in one flow run, ten times bare, then ten times as a step (its planned row, hooks, claim, a ledger
transaction with the fence, the result), and so on: medians of those turns. The ledger transaction itself is in both, a
step has it anyway. Ten at a time, because Prefect goes on working for a task in other threads after it has ended.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from time import perf_counter
from typing import Any

from tests.benchmarks.accruals import README, postgresql_server, sqlite_file
from tests.benchmarks.readme_block import replace_block

ROUNDS = 60
_WARM_UP = 4
_AT_ONCE = 10
_MILLISECONDS = 1000


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


def measure_here(rounds: int) -> dict[str, float]:
    """Medians of a bare and of a tracked task on the database of `SYNC_DATABASE_URL`, in milliseconds."""
    from prefect import Task, flow
    from prefect.cache_policies import NO_CACHE

    from steps.catalog import SERVICES
    from steps.settings import SyncSettings
    from steps.task import once_task
    from tracking.claims import Overlap
    from tracking.database import write_session
    from tracking.recorder import PlannedExecution, plan_executions, record_result

    def work(execution_id: int | None = None) -> dict[str, Any]:
        with write_session() as session:
            result = {"services_processed": 0}
            record_result(session, execution_id, result)
        return result

    def bare_step() -> dict[str, Any]:
        SyncSettings.load()  # a step reads its settings, tracked or not
        return work()

    bare = Task(bare_step, name="bare", cache_policy=NO_CACHE, persist_result=False)
    tracked = once_task(SERVICES, work)
    times: dict[str, list[float]] = {"bare": [], "tracked": []}

    def in_turn(ids: Sequence[int]) -> None:
        began = perf_counter()
        for _ in ids:
            bare()
        between = perf_counter()
        for execution_id in ids:
            tracked(execution_id=execution_id, overlap=Overlap.wait)
        times["bare"].append((between - began) / len(ids))
        times["tracked"].append((perf_counter() - between) / len(ids))

    @flow(name="bench-tracking")
    def alternate() -> None:
        for _ in range(rounds + _WARM_UP):
            began = perf_counter()
            ids = plan_executions("bench", [PlannedExecution(SERVICES.id)] * _AT_ONCE)
            planning = (perf_counter() - began) / len(ids)
            in_turn(ids)
            times["tracked"][-1] += planning

    alternate()
    return {name: median(taken[_WARM_UP:]) * _MILLISECONDS for name, taken in times.items()}


def measure_case(database: str, api_url: str, rounds: int) -> Cost:
    """Measure in a process of its own."""
    command = [sys.executable, "-m", "tests.benchmarks.tracking", "--here", "--rounds", str(rounds)]
    quiet = {"PREFECT_LOGGING_LEVEL": "CRITICAL", "PREFECT_API_URL": api_url}
    done = subprocess.run(
        command, check=True, capture_output=True, text=True, cwd=README.parent, env={**os.environ, **quiet}
    )
    return Cost(database, **json.loads(done.stdout))


def as_markdown(costs: list[Cost]) -> str:
    """The table."""
    lines = ["| database | bare task | tracked task | added by tracking |", "| --- | ---: | ---: | ---: |"]
    lines += [f"| {c.database} | {c.bare:.2f} ms | {c.tracked:.2f} ms | {c.added:.2f} ms |" for c in costs]
    return "\n".join(lines)


def main() -> None:
    """Measure, print, and with `--write` keep the table in the README."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--write", action="store_true", help="replace the table in README.md")
    options.add_argument("--here", action="store_true", help="measure the database of SYNC_DATABASE_URL, answer JSON")
    options.add_argument("--rounds", type=int, default=ROUNDS)
    asked = options.parse_args()
    if asked.here:
        sys.stdout.write(json.dumps(measure_here(asked.rounds)) + "\n")
        return
    from flows.cli.prefect_api import temporary_server

    with tempfile.TemporaryDirectory(prefix="bench-prefect-") as home:
        os.environ["PREFECT_HOME"] = home
        with temporary_server() as url, postgresql_server() as fresh_postgresql:
            costs = []
            for name, fresh in (("SQLite", sqlite_file), ("PostgreSQL", fresh_postgresql)):
                with fresh():
                    costs.append(measure_case(name, url, asked.rounds))
    table = as_markdown(costs)
    sys.stdout.write(f"{table}\n")
    if asked.write:
        replace_block(README, "bench:tracking", table)


if __name__ == "__main__":
    main()
