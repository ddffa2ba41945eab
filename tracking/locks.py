"""The lock of a run: it is held while the process that works on the run lives, and dies with that process.

PostgreSQL: a session advisory lock on a connection of its own, which the server ends when the process, its machine or
the network is gone. SQLite: an operating system file lock in `<database file>.locks/`, which the kernel frees. No
clock, no heartbeat, no lease: a run whose lock is free is dead, and the next process that looks ends its open
executions (`tracking/recorder.py`). A stopped process still holds its lock, and counts as alive.

The lock alone does not keep a run that lost it (its connection was cut) from committing: the update of the execution in
each ledger transaction does (`tracking/recorder.py`, `record_result`).
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from time import monotonic, sleep

from filelock import FileLock, Timeout
from sqlalchemy import URL, func, select
from sqlalchemy.exc import OperationalError
from sqlmodel import Session

from tracking.database import connect_lock, get_engine, tracking_session
from tracking.settings import DatabaseUnusableError

LOCK_WAIT_SECONDS = 5.0
"""A reader that ends what a dead run left open holds its lock for a moment."""
DATABASE_OUTAGE_SECONDS = 300.0
"""How long a run waits for a database that went away."""
_RETRY_SECONDS = 2.0


class RunLockedError(Exception):
    """Another process holds the lock of this run."""


class RunLock:
    """The lock of one run, while it is held; on SQLite a file lock, which only the end of its process can take away."""

    def require(self, log: Callable[[str], None]) -> bool:  # noqa: ARG002
        """Make sure that the lock is still held; take it again if its connection was lost.

        Returns:
            False if it had been lost: what the run had open may have been ended meanwhile.

        Raises:
            DatabaseUnusableError: the database was away for longer than `DATABASE_OUTAGE_SECONDS`.
        """
        return True


@contextmanager
def run_lock(run_id: str) -> Iterator[RunLock]:
    """Hold the lock of a run, or of a task outside of any flow, inside the block; its first execution is written after.

    Raises:
        RunLockedError: another process holds it, for longer than `LOCK_WAIT_SECONDS`.
        DatabaseUnusableError: PostgreSQL is behind a pooler that hands out connections by transaction.
    """
    url = get_engine().url
    if url.get_backend_name() == "sqlite":
        with _file_lock(str(url.database), run_id, LOCK_WAIT_SECONDS):
            yield RunLock()
        return
    lock = _AdvisoryRunLock(url, run_id)
    lock.acquire()
    try:
        yield lock
    finally:
        lock.release()


def wait_for_database(log: Callable[[str], None]) -> None:
    """Wait until the database answers: a run that the clock starts is not to fail because it is restarted just then.

    Raises:
        DatabaseUnusableError: the database was away for longer than `DATABASE_OUTAGE_SECONDS`.
    """
    try:
        _connect()
    except OperationalError:
        log("the database does not answer; waiting for it")
        _keep_trying(_connect, OperationalError)


def _connect() -> None:
    with get_engine().connect() as connection:
        connection.execute(select(1))


def _keep_trying(act: Callable[[], None], *failures: type[Exception]) -> None:
    deadline = monotonic() + DATABASE_OUTAGE_SECONDS
    while True:
        try:
            act()
        except failures as error:
            if monotonic() > deadline:
                why = _first_line(getattr(error, "orig", None) or error)
                raise DatabaseUnusableError(
                    f"the database has been away for {DATABASE_OUTAGE_SECONDS:.0f} s: {why}"
                ) from None
            sleep(_RETRY_SECONDS)
        else:
            return


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
    with ExitStack() as stack:
        try:
            stack.enter_context(_file_lock(str(url.database), run_id, wait_seconds=0))
        except RunLockedError:
            yield None
        else:
            yield stack.enter_context(tracking_session())


def require_no_run(database: Path) -> None:
    """Refuse while a run works on a SQLite database.

    Raises:
        DatabaseUnusableError: with the run.
    """
    for file in sorted(Path(f"{database}.locks").glob("*.lock")):
        try:
            with _file_lock(str(database), file.stem, wait_seconds=0):
                pass
        except RunLockedError:
            raise DatabaseUnusableError(f"run {file.stem} works on {database}: let it end first") from None


class _AdvisoryRunLock(RunLock):
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
        _keep_trying(self._take, self._driver.OperationalError, RunLockedError)
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


@contextmanager
def _file_lock(database: str, run_id: str, wait_seconds: float) -> Iterator[None]:
    folder = Path(f"{database}.locks")
    folder.mkdir(mode=0o700, exist_ok=True)
    lock = FileLock(folder / f"{run_id}.lock", mode=0o600, thread_local=False, fallback_to_soft=False)
    try:
        lock.acquire(timeout=wait_seconds)
    except Timeout:
        raise RunLockedError(_ELSEWHERE) from None
    try:
        yield
    finally:
        # Unlink before releasing: who opened the file before notices that it is gone, and opens a new one.
        Path(lock.lock_file).unlink(missing_ok=True)
        lock.release()


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
