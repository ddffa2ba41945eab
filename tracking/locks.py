"""The lock of a run: it is held while the process that works on the run lives, and dies with that process.

PostgreSQL: a session advisory lock on a connection of its own, which the server ends when the process, its machine or
the network is gone. SQLite: an operating system file lock in `<database file>.locks/`, which the kernel frees. No
clock, no heartbeat, no lease: a run whose lock is free is dead, and whoever sees that ends its open executions
(`tracking/reconcile.py`). A stopped process still holds its lock, and counts as alive.

The lock alone does not keep a run that lost it (its connection was cut) from committing: the update of the execution in
each ledger transaction does (`tracking/recorder.py`, `record_result`).
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from time import monotonic, sleep
from typing import TYPE_CHECKING, Protocol

from filelock import FileLock, Timeout
from sqlalchemy import URL, func, select
from sqlalchemy.exc import OperationalError
from sqlmodel import Session

from tracking.database import connect_lock, get_engine, tracking_session
from tracking.settings import DatabaseUnusableError

if TYPE_CHECKING:
    import psycopg

LOCK_WAIT_SECONDS = 5.0
"""A reader that ends what a dead run left open holds its lock for a moment."""
DATABASE_OUTAGE_SECONDS = 300.0
"""How long a run waits for a database that went away."""
_RETRY_SECONDS = 2.0
_log = logging.getLogger(__name__)


class RunLockedError(Exception):
    """Another process holds the lock of this run."""


class RunLock(Protocol):
    """The lock of one run, while it is held."""

    def require(self, log: Callable[[str], None]) -> bool:
        """Make sure that the lock is still held; take it again if its connection was lost.

        Args:
            log: Hears that the database is waited for.

        Returns:
            False if it had been lost: what the run had open may have been ended meanwhile.

        Raises:
            DatabaseUnusableError: the database was away for longer than `DATABASE_OUTAGE_SECONDS`.
        """
        ...


@contextmanager
def run_lock(run_id: str) -> Iterator[RunLock]:
    """Hold the lock of a run inside the block. To be taken before the run's first execution is written.

    Args:
        run_id: The flow run's id; for a task outside of any flow, the task run's.

    Raises:
        RunLockedError: another process holds it, for longer than `LOCK_WAIT_SECONDS`.
        DatabaseUnusableError: PostgreSQL is behind a pooler that hands out connections by transaction.
    """
    url = get_engine().url
    lock = _FileRunLock(url, run_id) if url.get_backend_name() == "sqlite" else _AdvisoryRunLock(url, run_id)
    lock.acquire()
    try:
        yield lock
    finally:
        lock.release()


def wait_for_database(log: Callable[[str], None]) -> None:
    """Wait until the database answers: a run that the clock starts is not to fail because it is restarted just then.

    Args:
        log: Hears that it is waited for.

    Raises:
        DatabaseUnusableError: the database was away for longer than `DATABASE_OUTAGE_SECONDS`.
    """
    deadline = monotonic() + DATABASE_OUTAGE_SECONDS
    for number in count():
        try:
            with get_engine().connect() as connection:
                connection.execute(select(1))
        except OperationalError as error:
            if monotonic() > deadline:
                raise _away(error.orig or error) from None
            if number == 0:
                log("the database does not answer; waiting for it")
            sleep(_RETRY_SECONDS)
        else:
            return


def _away(error: BaseException) -> DatabaseUnusableError:
    return DatabaseUnusableError(
        f"the database has been away for {DATABASE_OUTAGE_SECONDS:.0f} s: {_first_line(error)}"
    )


@contextmanager
def dead_run(run_id: str) -> Iterator[Session | None]:
    """A tracking transaction in which nobody works on the run; None if its lock is held, so that it is alive.

    The lock is held until the transaction has ended: the run cannot begin anew in between.
    """
    url = get_engine().url
    if url.get_backend_name() == "postgresql":
        with tracking_session() as session:
            key = func.hashtextextended(run_id, 0)
            yield session if session.scalar(select(func.pg_try_advisory_xact_lock(key))) else None
        return
    lock = _file_lock(url, run_id)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        yield None
        return
    try:
        with tracking_session() as session:
            yield session
    finally:
        _remove(lock)


class _FileRunLock:
    """SQLite: a file lock beside the database. It cannot be lost while the process lives."""

    def __init__(self, url: URL, run_id: str) -> None:
        self._lock = _file_lock(url, run_id)

    def acquire(self) -> None:
        try:
            self._lock.acquire(timeout=LOCK_WAIT_SECONDS)
        except Timeout:
            raise RunLockedError(_ELSEWHERE) from None

    def require(self, log: Callable[[str], None]) -> bool:  # noqa: ARG002
        return True

    def release(self) -> None:
        _remove(self._lock)


class _AdvisoryRunLock:
    """PostgreSQL: a session lock on a connection of its own."""

    def __init__(self, url: URL, run_id: str) -> None:
        import psycopg  # SQLite has no need of it, and it takes a tenth of a second

        self._url, self._run_id, self._driver = url, run_id, psycopg
        self._connection: psycopg.Connection[tuple[int]] | None = None

    def acquire(self) -> None:
        try:
            self._take()
        except self._driver.OperationalError as error:
            raise DatabaseUnusableError(f"the database does not answer: {_first_line(error)}") from None

    def _take(self) -> None:
        connection = connect_lock(self._url)
        try:
            _refuse_pooler(connection)
            connection.execute("select pg_advisory_lock(hashtextextended(%s, 0))", [self._run_id])
        except BaseException as error:
            connection.close()
            if isinstance(error, self._driver.errors.LockNotAvailable):
                raise RunLockedError(_ELSEWHERE) from None
            raise
        self._connection = connection

    def require(self, log: Callable[[str], None]) -> bool:
        if self._is_alive():
            return True
        self.release()
        log("the connection to the database was lost; waiting for the database")
        deadline = monotonic() + DATABASE_OUTAGE_SECONDS
        while True:
            try:
                self._take()
            except (self._driver.OperationalError, RunLockedError) as error:
                if monotonic() > deadline:
                    raise _away(error) from None
                sleep(_RETRY_SECONDS)
            else:
                return False

    def _is_alive(self) -> bool:
        try:
            return self._connection is not None and bool(self._connection.execute("select 1").fetchone())
        except self._driver.Error:
            return False

    def release(self) -> None:
        if self._connection is not None:
            with suppress(self._driver.Error):
                self._connection.close()
        self._connection = None


_ELSEWHERE = "another process works on this run: it was started twice, or its first process has not ended yet"


def _refuse_pooler(connection: "psycopg.Connection[tuple[int]]") -> None:
    """A pooler that gives each transaction another connection gave two clients the same session lock (tried)."""
    row = connection.execute("select pg_backend_pid()").fetchone()
    if row is None or row[0] != connection.info.backend_pid:
        raise DatabaseUnusableError(
            "SYNC_DATABASE_URL leads to a connection pooler in transaction mode, with which no lock is safe: "
            "connect to PostgreSQL itself, or through a pooler in session mode"
        )


def _file_lock(url: URL, run_id: str) -> FileLock:
    folder = Path(f"{url.database}.locks")
    folder.mkdir(exist_ok=True)
    return FileLock(folder / f"{run_id}.lock", thread_local=False, fallback_to_soft=False)


def _remove(lock: FileLock) -> None:
    """Unlink before releasing: who opened the file before notices that it is gone, and opens a new one."""
    Path(lock.lock_file).unlink(missing_ok=True)
    lock.release()


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
