"""The lock of a run: freed by whatever ends its process or its connection, and by nothing else."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import text

from tests.database_server import administer, named
from tracking.database import dispose_engines, get_engine
from tracking.history import executions_of_run
from tracking.locks import RunLockedError, run_lock
from tracking.recorder import PlannedExecution, end_dead_executions, plan_executions, run_is_alive
from tracking.settings import DatabaseUnusableError

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent.parent
MARCH = PlannedExecution("invoices", date(2024, 3, 1), date(2024, 4, 1))
_LONGEST_SECONDS = 60
_HOLD = """
import sys, time
from datetime import date
from tracking.locks import run_lock
from tracking.recorder import PlannedExecution, plan_executions
with run_lock("run"):
    plan_executions("run", [PlannedExecution("invoices", date(2024, 3, 1), date(2024, 4, 1))])
    print("held", flush=True)
    time.sleep(600)
"""


@contextmanager
def _process_with_a_run(command: str = _HOLD) -> Iterator["subprocess.Popen[str]"]:
    process = subprocess.Popen([sys.executable, "-c", command], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def _await_dead() -> None:
    deadline = time.monotonic() + _LONGEST_SECONDS
    while not end_dead_executions():
        assert time.monotonic() < deadline, "the lock was never freed"
        time.sleep(0.05)


def test_a_killed_process_frees_its_lock_and_what_it_left_open_is_ended(database: str) -> None:
    with _process_with_a_run() as process:
        assert end_dead_executions() == []
        assert run_is_alive("run")
        process.send_signal(signal.SIGKILL)
        process.wait()

        _await_dead()

    (row,) = executions_of_run("run")
    assert (row.status, row.error_message) == ("failed", "never started: the run was killed or lost before its turn")


def test_a_stopped_process_is_alive(database: str) -> None:
    with _process_with_a_run() as process:
        os.kill(process.pid, signal.SIGSTOP)

        assert end_dead_executions() == []
        assert run_is_alive("run")


def test_a_child_process_does_not_keep_the_lock_of_its_dead_parent(database: str) -> None:
    with_child = _HOLD.replace("    print", '    import subprocess; subprocess.Popen(["sleep", "20"])\n    print')
    with _process_with_a_run(with_child) as process:
        process.kill()
        process.wait()

        _await_dead()


def test_a_second_process_is_refused_the_lock_of_a_run(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tracking.locks.LOCK_WAIT_SECONDS", 0.2)
    with _process_with_a_run(), pytest.raises(RunLockedError, match="started twice"), run_lock("run"):
        pass


def test_readers_leave_no_lock_files(database: str) -> None:
    plan_executions("run", [MARCH])

    end_dead_executions()

    url = get_engine().url
    if url.get_backend_name() == "sqlite":
        assert list(Path(f"{url.database}.locks").iterdir()) == []


def _cut_lock_connections(url: str) -> None:
    """End the connections that hold locks, as a network that is cut does."""
    kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'sync-management run lock'"
    administer(url, kill)


def test_a_run_takes_a_lost_lock_again_and_knows_that_it_was_lost(postgres_database: str) -> None:
    logged: list[str] = []
    with run_lock("run") as lock:
        assert lock.require(logged.append)
        _cut_lock_connections(postgres_database)

        assert not lock.require(logged.append)

        assert logged == ["the connection to the database was lost; waiting for the database"]
        assert run_is_alive("run")
        assert lock.require(logged.append)
    assert not run_is_alive("run")


@pytest.fixture
def postgres_database(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A fresh PostgreSQL database as SYNC_DATABASE_URL."""
    administer(postgres_url, "CREATE DATABASE locks TEMPLATE template_sync STRATEGY FILE_COPY")
    monkeypatch.setenv("SYNC_DATABASE_URL", named(postgres_url, "locks"))
    dispose_engines()
    yield named(postgres_url, "locks")
    dispose_engines()
    administer(postgres_url, "DROP DATABASE locks WITH (FORCE)")


def test_a_database_that_stays_away_ends_the_run_in_words(
    postgres_url: str, postgres_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tracking.locks.DATABASE_OUTAGE_SECONDS", 0.0)
    with run_lock("run") as lock:
        administer(postgres_url, "ALTER DATABASE locks ALLOW_CONNECTIONS false")
        _cut_lock_connections(postgres_url)
        try:
            with pytest.raises(DatabaseUnusableError, match="the database has been away for"):
                lock.require(lambda _: None)
        finally:
            administer(postgres_url, "ALTER DATABASE locks ALLOW_CONNECTIONS true")


def test_a_pooler_that_changes_connections_is_refused(postgres_database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a pooler in transaction mode the process that answers is not the one that was connected to."""
    with get_engine().connect() as connection:
        assert connection.scalar(text("select pg_backend_pid()"))
    monkeypatch.setattr(psycopg.ConnectionInfo, "backend_pid", 1)

    with pytest.raises(DatabaseUnusableError, match="pooler in transaction mode"), run_lock("run"):
        pass
