"""Who does the runs of deployments: workers, one of which `sync-actions api` brings along.

That one is Prefect's own worker (`prefect worker start`) as a child process. It ends with its parent, however that
ends: the parent holds a pipe to its standard input. Before it ends it has its runs cancelled: a worker that just
ends kills them, and Prefect would call them running for ever.
"""

import logging
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from time import monotonic, sleep
from typing import TYPE_CHECKING

from tracking.database import configured_database_url

if TYPE_CHECKING:  # Prefect takes seconds to import
    from prefect.client.orchestration import SyncPrefectClient

WORK_POOL = "sync"
MOST_RUNS = 4
"""At once, of the worker that is brought along: each is a process."""
_MISSED_HEARTBEATS = 3
"""As in Prefect's UI: a worker that has missed so many is offline."""
_HEARTBEAT_SECONDS = 30
"""Of a worker that does not say how often it sends them."""
_CANCEL_SECONDS = 20.0
"""A run looks every 5 seconds whether it is to be cancelled."""
_END_SECONDS = 40.0
_RESTART_SECONDS = 5.0
_log = logging.getLogger("flows.api")


def worker_is_online(client: "SyncPrefectClient", work_pool: str = WORK_POOL) -> bool:
    """Whether somebody takes the runs of a work pool.

    A worker that was killed is missed when its heartbeats are. Prefect looks for that itself, but late, and not in
    every server.
    """
    from prefect.client.schemas.objects import WorkerStatus
    from prefect.exceptions import ObjectNotFound

    try:
        if client.read_work_pool(work_pool).is_paused:
            return False
        workers = client.read_workers_for_work_pool(work_pool)
    except ObjectNotFound:
        return False
    now = datetime.now(UTC)
    return any(
        worker.status == WorkerStatus.ONLINE
        and worker.last_heartbeat_time is not None
        and now - worker.last_heartbeat_time
        < timedelta(seconds=(worker.heartbeat_interval_seconds or _HEARTBEAT_SECONDS) * _MISSED_HEARTBEATS)
        for worker in workers
    )


class BroughtWorker:
    """A worker that ends with this process."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._environment = _environment()
        self._process = self._start()
        self._started = monotonic()

    def restart_if_ended(self) -> None:
        """Start it again if it has ended, which it never does by itself; not more often than every few seconds."""
        if (status := self._process.poll()) is None or monotonic() - self._started < _RESTART_SECONDS:
            return
        _log.warning("the worker ended with status %s: it is started again", status)
        self._process, self._started = self._start(), monotonic()

    def end(self) -> None:
        """Have its runs cancelled, and end it."""
        assert self._process.stdin is not None  # noqa: S101 - it was started so
        self._process.stdin.close()
        try:
            self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _start(self) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(  # noqa: S603 - our own module on our own interpreter
            [sys.executable, "-m", __name__, self._name],
            env=self._environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            start_new_session=True,  # a Ctrl-C is for the parent, which ends the worker politely
        )


@contextmanager
def brought_worker(client: "SyncPrefectClient", name: str) -> Iterator[BroughtWorker]:
    """A worker of the work pool `sync` inside the block, on the Prefect server in use."""
    worker = BroughtWorker(name)
    try:
        yield worker
    finally:
        worker.end()
        with suppress(Exception):  # the server may be gone; else it would call the worker online for a while
            path = {"work_pool_name": WORK_POOL, "name": name}
            client.request("DELETE", "/work_pools/{work_pool_name}/workers/{name}", path_params=path)


def worker_name(port: int) -> str:
    """What the worker of the server on this port is called in Prefect: no two servers have the same."""
    return f"api-{socket.gethostname()}-{port}"


def _environment() -> dict[str, str]:
    from prefect.settings import get_current_settings

    ours = {
        "PREFECT_WORKER_QUERY_SECONDS": "0.5",  # so that a run begins within seconds
        "PREFECT_WORKER_HEARTBEAT_SECONDS": "5",
    }
    if os.environ.get("SYNC_DATABASE_URL") and (url := configured_database_url()).get_backend_name() == "sqlite":
        ours["SYNC_DATABASE_URL"] = url.render_as_string(hide_password=False)  # runs begin in temporary folders
    prefect = get_current_settings().to_environment_variables(exclude_unset=True, include_secrets=True)
    return {**os.environ, **prefect, **ours}


def _run(name: str) -> None:
    """The child's side."""
    # Prefect's worker ends by an interrupt, which a shell has all ignore that it starts in the background.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Thread(target=_end_with_parent, args=(name,), daemon=True).start()
    sys.argv = ["prefect", "worker", "start", "--type", "process", "--pool", WORK_POOL, "--name", name]
    sys.argv += ["--limit", str(MOST_RUNS)]
    from prefect.cli import app

    app()


def _end_with_parent(name: str) -> None:
    os.read(sys.stdin.fileno(), 1)  # returns when the parent closes the pipe, or is gone
    with suppress(Exception):  # the server may be gone too: it was the parent's
        _cancel_runs(name)
    os.kill(os.getpid(), signal.SIGTERM)


def _cancel_runs(name: str) -> None:
    """Cancel what this worker does, and wait until it has ended."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import FlowRunFilter
    from prefect.client.schemas.objects import StateType
    from prefect.settings import PREFECT_CLIENT_MAX_RETRIES, temporary_settings
    from prefect.states import Cancelling

    active = FlowRunFilter(state={"type": {"any_": [StateType.PENDING, StateType.RUNNING]}})
    with temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 0}), get_client(sync_client=True) as client:
        runs = [
            each.id
            for each in client.read_flow_runs(flow_run_filter=active)
            if each.labels.get("prefect.worker.name") == name
        ]
        for run in runs:
            client.set_flow_run_state(run, Cancelling(message="the API server that brought its worker was stopped"))
        deadline = monotonic() + _CANCEL_SECONDS
        while runs and monotonic() < deadline:
            sleep(0.25)
            runs = [run for run in runs if (state := client.read_flow_run(run).state) and not state.is_final()]


if __name__ == "__main__":
    _run(sys.argv[1])
