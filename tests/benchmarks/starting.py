"""How soon commands answer and runs begin: `python -m tests.benchmarks.starting [--write]`, or `make bench`.

Commands that run nothing are told in processor time, beside an interpreter that imports what they cannot do without. A
run is told from the start of its process to its first task, beside the import of Prefect, or the boot of the same
Prefect server alone. All of it in turns in one run, as medians: what else the machine does is in both.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Mapping
from functools import partial
from statistics import median
from time import perf_counter, time

from sqlmodel import col, func, select

from flows.prefect_server import temporary_server
from tests.benchmarks.accruals import sqlite_file
from tests.benchmarks.measurements import MEASUREMENTS, replace_block
from tracking.database import dispose_engines, read_session
from tracking.models import SyncExecution

TURNS = 9
_SYNC_ACTIONS = [sys.executable, "-c", "from flows.cli.app import main; main()"]
_LIGHT, _DATABASE, _PREFECT = "import typer, rich", "import sqlmodel", "from prefect import flow, task"
_SHORTEST_RUN = ["--sandbox", "--from-step", "notion-external-id"]
COMMANDS = {
    ("--help",): _LIGHT,
    ("steps",): _LIGHT,
    ("--from-step", "nonsense"): _LIGHT,
    ("history",): _DATABASE,
    ("errors",): _DATABASE,
    ("report",): _DATABASE,
}
"""Arguments -> what an interpreter imports beside them."""
AIMS = {_LIGHT: 2.0, _DATABASE: 1.5}
AIM_OVER_IMPORT_SECONDS = 1.0
AIM_OVER_BOOT = 1.3

Seconds = Mapping[str, float]


def measure_commands(turns: int) -> Seconds:
    """Median seconds of processor time of each command and each import."""
    asked = {" ".join(arguments): [*_SYNC_ACTIONS, *arguments] for arguments in COMMANDS}
    asked |= {imported: [sys.executable, "-c", imported] for imported in AIMS}
    return _in_turns(turns, {name: partial(_processor_seconds, command) for name, command in asked.items()})


def _processor_seconds(command: list[str]) -> float:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in {0, 2}:  # wrong usage is one of the commands
        raise RuntimeError(f"{command} ended with status {process.returncode}")
    return used.ru_utime + used.ru_stime


def measure_runs(turns: int) -> Seconds:
    """Median seconds to the first task, and of what no run is quicker than."""
    with tempfile.TemporaryDirectory(prefix="bench-starting-") as folder:
        os.environ["PREFECT_HOME"] = f"{folder}/warm"
        with temporary_server():
            """The home is warm from now on: its database has its tables."""
        new_homes = (f"{folder}/new-{number}" for number in range(2 * turns))

        def with_server() -> float:
            with temporary_server() as url:
                return _seconds_to_first_task(PREFECT_API_URL=url)

        return _in_turns(
            turns,
            {
                _PREFECT: lambda: _seconds_of([sys.executable, "-c", _PREFECT]),
                "with a server": with_server,
                "boot": _seconds_to_boot,
                "without a server": _seconds_to_first_task,
                "boot, new home": lambda: _seconds_to_boot(next(new_homes)),
                "without a server, new home": lambda: _seconds_to_first_task(PREFECT_HOME=next(new_homes)),
            },
        )


def _seconds_to_boot(home: str | None = None) -> float:
    warm, began = os.environ["PREFECT_HOME"], perf_counter()
    os.environ["PREFECT_HOME"] = home or warm
    with temporary_server():
        seconds = perf_counter() - began
    os.environ["PREFECT_HOME"] = warm
    return seconds


def _seconds_to_first_task(**variables: str) -> float:
    """From the start of the process until its first step was at work, by the clock."""
    began = time()
    _seconds_of([*_SYNC_ACTIONS, *_SHORTEST_RUN], **variables)
    with read_session() as session:
        newest = select(SyncExecution.flow_run_id).order_by(col(SyncExecution.id).desc()).limit(1).scalar_subquery()
        starts = select(func.min(SyncExecution.started_at)).where(SyncExecution.flow_run_id == newest)
        first = session.exec(starts).one()
    assert first is not None
    return first.timestamp() - began


def _seconds_of(command: list[str], **variables: str) -> float:
    began = perf_counter()
    subprocess.run(command, check=True, capture_output=True, env={**os.environ, **variables})
    return perf_counter() - began


def _in_turns(turns: int, asked: Mapping[str, Callable[[], float]]) -> Seconds:
    taken: dict[str, list[float]] = defaultdict(list)
    for _ in range(turns):
        for name, measure in asked.items():
            taken[name].append(measure())
    return {name: median(seconds) for name, seconds in taken.items()}


def as_markdown(commands: Seconds, runs: Seconds) -> str:
    """Two tables: commands that run nothing, and runs."""
    lines = [
        "| command | processor time | beside | processor time | ratio | aim |",
        "| --- | ---: | --- | ---: | ---: | ---: |",
    ]
    for arguments, beside in COMMANDS.items():
        name, least = " ".join(arguments), commands[beside]
        lines.append(
            f"| `{name}` | {commands[name]:.2f} s | `{beside}` | {least:.2f} s | {commands[name] / least:.2f} "
            f"| {AIMS[beside]:.1f} |"
        )
    lines += [
        "",
        "| run | first task after | beside | seconds | more | aim |",
        "| --- | ---: | --- | ---: | ---: | ---: |",
    ]
    over = runs["with a server"] - runs[_PREFECT]
    lines.append(
        f"| with a server | {runs['with a server']:.1f} s | `{_PREFECT}` | {runs[_PREFECT]:.1f} s | {over:+.1f} s "
        f"| {AIM_OVER_IMPORT_SECONDS:+.1f} s |"
    )
    for home in ("", ", new home"):
        first, boot = runs[f"without a server{home}"], runs[f"boot{home}"]
        lines.append(
            f"| without a server{home} | {first:.1f} s | that server alone{home} | {boot:.1f} s | x {first / boot:.2f} "
            f"| x {AIM_OVER_BOOT} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Measure, print, and with `--write` keep the tables in docs/measurements.md."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--write", action="store_true", help="replace the tables in docs/measurements.md")
    options.add_argument("--turns", type=int, default=TURNS, help="of everything")
    asked = options.parse_args()
    with sqlite_file(), tempfile.TemporaryDirectory(prefix="bench-starting-") as home:
        os.environ |= {"PREFECT_SERVER_ANALYTICS_ENABLED": "false", "PREFECT_HOME": home}
        subprocess.run([*_SYNC_ACTIONS, "demo"], check=True, capture_output=True)  # a year to be read
        dispose_engines()
        table = as_markdown(measure_commands(asked.turns), measure_runs(asked.turns))
    sys.stdout.write(f"{table}\n")
    if asked.write:
        replace_block(MEASUREMENTS, "bench:starting", table)


if __name__ == "__main__":
    main()
