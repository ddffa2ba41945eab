"""Prefect's own command and a worker of it, each in a process, as a person starts them."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx

ROOT = Path(__file__).parent.parent.parent
LONGEST_SECONDS = 240
WORKER = "test"
DEPLOYMENTS = [
    "sync-import/on-demand",
    "sync-import/monthly",
    "process-accruals/on-demand",
    "process-accruals/monthly",
    "execute-step/on-demand",
    "retry-errors/on-demand",
    "redo/on-demand",
    "reconcile-executions/every-5-minutes",
]
"""Those that others rely on (docs/interfaces.md, Prefect), in the order of the file."""
ASKS_OFTEN = {"PREFECT_WORKER_QUERY_SECONDS": "1"}
QUICK = {**ASKS_OFTEN, "PREFECT_WORKER_HEARTBEAT_SECONDS": "1"}
"""For tests of what a missing worker brings about: silent for three seconds it is offline, also on a busy machine."""


def run_prefect(variables: Mapping[str, str], *arguments: str) -> "subprocess.CompletedProcess[str]":
    """`prefect ...` to its end, where prefect.yaml is."""
    command = [sys.executable, "-m", "prefect", "--no-prompt", *arguments]
    variables = {**os.environ, "COLUMNS": "200", **variables}
    return subprocess.run(
        command, env=variables, cwd=ROOT, capture_output=True, text=True, timeout=LONGEST_SECONDS, check=False
    )


@contextmanager
def working(variables: Mapping[str, str], folder: Path) -> Iterator[Path]:
    """A worker in the block, and where it writes its log; after it Prefect has forgotten it.

    It would be called online for a while, and the runs of other tests would be left to it.
    """
    command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", "sync", "--name", WORKER]
    path = folder / "worker.log"
    with path.open("w") as log:
        environment = {**os.environ, **QUICK, **variables}
        worker = subprocess.Popen(
            command,
            env=environment,
            cwd=folder,
            stdout=log,
            stderr=log,
            start_new_session=True,  # Prefect interrupts whole process groups
        )
        try:
            yield path
        finally:
            worker.terminate()
            worker.wait(LONGEST_SECONDS)
            forget_worker(variables["PREFECT_API_URL"], WORKER)


def await_worker(api: str) -> None:
    """Until Prefect has heard of the worker."""
    deadline = time.monotonic() + LONGEST_SECONDS
    while not httpx.post(f"{api}/work_pools/sync/workers/filter", json={}).raise_for_status().json():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def forget_worker(api: str, name: str) -> None:
    """What Prefect knows of a worker of the pool `sync` goes away."""
    httpx.delete(f"{api}/work_pools/sync/workers/{name}").raise_for_status()
