"""How long a run waits between the request and its first task: `python -m tests.benchmarks.dispatch [--write]`.

A server (`sync-actions api`) is asked for a step, the shortest there is, again and again; each time is that from the
request to the step's start in the history. Once with a Prefect server of its own, and once beside one that lasts, whose
worker has to look for the run's folder and environment first. Before both, the same imports that a run needs are timed
in an interpreter of their own: no run begins sooner.
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from time import perf_counter, sleep
from typing import Any

import httpx
import pytest

from flows.prefect_server import temporary_server
from steps.sandbox.server import serve_sandbox
from steps.sandbox.world import build_world
from tests.benchmarks.measurements import MEASUREMENTS, replace_block
from tests.fast_vendors import FAST
from tests.flows.page.server import TOKEN, serve_page

AIM_SECONDS = 6.0
ROUNDS = 5
_POLL_SECONDS = 0.05
_PAUSE_SECONDS = 5.0
"""Between two requests, so that the run before has ended."""
_LONGEST_SECONDS = 120


def measure_imports() -> float:
    """Seconds that an interpreter takes to import what a run imports; the median."""
    taken = []
    for _ in range(ROUNDS):
        began = perf_counter()
        subprocess.run([sys.executable, "-c", "import prefect.engine, flows.execute_step"], check=True)
        taken.append(perf_counter() - began)
    return median(taken)


def measure_dispatch(*, lasting: bool) -> list[float]:
    """Seconds from each request to its step being at work.

    Args:
        lasting: Whether the server finds a Prefect server, or has to start one of its own.
    """
    with ExitStack() as stack:
        home = stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-dispatch-"))
        academy = stack.enter_context(serve_sandbox(build_world(clients=8)))
        prefect = {"PREFECT_HOME": home}
        if lasting:
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("PREFECT_HOME", home)
                prefect["PREFECT_API_URL"] = stack.enter_context(temporary_server())
        server = stack.enter_context(serve_page(Path(home), {**academy.environment, **FAST, **prefect}))
        client = stack.enter_context(
            httpx.Client(base_url=server.url, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=_LONGEST_SECONDS)
        )
        _seconds_to_first_task(client)  # until the worker is there
        return [_seconds_to_first_task(client) for _ in range(ROUNDS)]


def _seconds_to_first_task(client: httpx.Client) -> float:
    """Ask, look until the step is at work, and wait until it has ended and its process is gone."""
    began = perf_counter()
    asked = client.post(
        "/api/sync/execute-step", json={"step_name": "services"}, headers={"Prefer": "respond-async"}
    ).raise_for_status()
    run_id = asked.json()["flow_run_id"]
    while not _started(client, run_id):
        if perf_counter() - began > _LONGEST_SECONDS:
            raise TimeoutError(f"no step of run {run_id} began within {_LONGEST_SECONDS} s")
        sleep(_POLL_SECONDS)
    seconds = perf_counter() - began
    sleep(_PAUSE_SECONDS)
    return seconds


def _started(client: httpx.Client, run_id: str) -> bool:
    found: list[dict[str, Any]] = client.get("/api/sync/executions").raise_for_status().json()["executions"]
    return any(each["flow_run_id"] == run_id and each["started_at"] is not None for each in found)


def as_markdown(imports: float, measured: Mapping[str, list[float]]) -> str:
    """The table."""
    lines = ["| Prefect server | median | longest | aim | imports alone |", "| --- | ---: | ---: | ---: | ---: |"]
    lines += [
        f"| {name} | {median(taken):.1f} s | {max(taken):.1f} s | {AIM_SECONDS:.0f} s | {imports:.1f} s |"
        for name, taken in measured.items()
    ]
    return "\n".join(lines)


def main() -> None:
    """Measure, print, and with `--write` keep the table in docs/measurements.md."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--write", action="store_true", help="replace the table in docs/measurements.md")
    asked = options.parse_args()
    imports = measure_imports()
    table = as_markdown(
        imports, {"its own": measure_dispatch(lasting=False), "one that lasts": measure_dispatch(lasting=True)}
    )
    sys.stdout.write(f"{table}\n")
    if asked.write:
        replace_block(MEASUREMENTS, "bench:dispatch", table)


if __name__ == "__main__":
    main()
