"""The database: engine, sessions, and how writers take turns. SQLite for one machine, PostgreSQL for many.

Readers open `read_session()`, writers `write_session()`: one transaction that commits at the end of its block and rolls
back on any exception. Writers of the ledger take turns on both databases, so that what a writer has read is still true
when it writes; their transactions are short, because vendors are read before they open.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from pathlib import Path
from threading import Lock
from time import monotonic
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, DisconnectionError
from sqlmodel import Session

from tracking.encryption import forget_keys
from tracking.errors import DatabaseUnusableError
from tracking.migrate import upgrade_database
from tracking.reseal import require_present_key
from tracking.settings import DatabaseSettings

LOCK_WAIT_SECONDS = 60
_WRITER = {"writer": True}
_ONE_STATEMENT = {"one_statement": True}
_TRUSTED_IDLE_SECONDS = 5
_POOL = {"pool_size": 5, "max_overflow": 35}
"""A server's threads each want one, also while 16 of its runs wait for their turn to write: so many that nobody waits
for a connection, and few enough that one process does not use up PostgreSQL's usual hundred."""
_LEDGER_LOCK = 0x53594E43
"""Key of the PostgreSQL advisory lock that ledger writers take turns with ("SYNC")."""


def parse_database_url(text_url: str) -> URL:
    """The URL with the driver this project uses.

    Raises:
        DatabaseUnusableError: it is neither SQLite nor PostgreSQL.
    """
    try:
        url = make_url(text_url)
    except ArgumentError:
        url = None
    backend = url.get_backend_name() if url is not None else ""
    if url is None or backend not in {"sqlite", "postgresql", "postgres"}:
        raise DatabaseUnusableError(
            f"SYNC_DATABASE_URL is {text_url!r}; sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME is expected"
        )
    return url.set(drivername="sqlite" if backend == "sqlite" else "postgresql+psycopg")


def make_engine(url: URL, options: str = "") -> Engine:
    """An engine whose connections follow this project's rules; nothing is connected or created yet.

    Args:
        url: As `parse_database_url` gives it.
        options: More settings of PostgreSQL sessions, as `-c name=value`.
    """
    if url.get_backend_name() == "sqlite":
        return _make_sqlite_engine(url)
    engine = create_engine(
        url,
        **_POOL,
        hide_parameters=True,  # rows hold personal data, and an error message must not
        connect_args={
            "connect_timeout": 10,
            "options": f"-c timezone=UTC -c lock_timeout={LOCK_WAIT_SECONDS}s {options}",
            "application_name": "sync-management",
        },
    )
    _prove_idle_connections(engine)
    return engine


def _prove_idle_connections(engine: Engine) -> None:
    """Ask a pooled connection that was idle for a while whether it still stands; asking each time is a round trip."""

    @event.listens_for(engine, "checkin")
    def _note(_: Any, record: Any) -> None:
        record.info["idle_since"] = monotonic()

    @event.listens_for(engine, "checkout")
    def _prove(connection: Any, record: Any, _: Any) -> None:
        if monotonic() - record.info.get("idle_since", monotonic()) > _TRUSTED_IDLE_SECONDS and not (
            engine.dialect.do_ping(connection)
        ):
            raise DisconnectionError


def _make_sqlite_engine(url: URL) -> Engine:
    pool = {}
    if url.database not in {None, "", ":memory:"}:
        Path(str(url.database)).parent.mkdir(parents=True, exist_ok=True)
        pool = _POOL
    engine = create_engine(url, **pool, hide_parameters=True, connect_args={"timeout": LOCK_WAIT_SECONDS})

    @event.listens_for(engine, "connect")
    def _set_up(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # transactions begin below, not in the driver
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")  # with WAL: never corrupt; a power cut may undo the last commit
        connection.execute("PRAGMA foreign_keys=ON")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # A writer that starts as a reader could find its snapshot stale and fail at its first write.
        options = connection.get_execution_options()
        if not options.get("one_statement"):  # that is a transaction by itself
            connection.exec_driver_sql("BEGIN IMMEDIATE" if options.get("writer") else "BEGIN")

    return engine


_guards: ContextVar[tuple[Callable[[Session], None], ...]] = ContextVar("commit_guards", default=())
_engines: dict[URL, Engine] = {}
_tracking_engines: dict[URL, Engine] = {}
"""PostgreSQL only, see `tracking_statement`."""
_opening = Lock()


def _engine_of(url: URL) -> Engine:
    """One engine per database and process, its schema brought up to date at the first use."""
    with _opening:
        if url not in _engines:
            engine = make_engine(url)
            try:
                upgrade_database(engine)
                require_present_key(engine)
            except BaseException:
                engine.dispose()
                raise
            _engines[url] = engine
        return _engines[url]


def get_engine() -> Engine:
    """The engine of `SYNC_DATABASE_URL`.

    Raises:
        DatabaseUnusableError: a wrong URL, or a database made by a newer version.
    """
    return _engine_of(_database_url(os.environ.get("SYNC_DATABASE_URL")))


@lru_cache(maxsize=8)
def _database_url(_variable: str | None) -> URL:
    """The parsed URL, read again when the variable is another: each transaction asks, a look at a file costs more."""
    return parse_database_url(DatabaseSettings().database_url)


def dispose_engines() -> None:
    """Close every pooled connection; the next use reads the settings again and opens new ones."""
    _database_url.cache_clear()
    forget_keys()
    with _opening:
        for engines in (_engines, _tracking_engines):
            while engines:
                engines.popitem()[1].dispose()


@contextmanager
def read_session() -> Iterator[Session]:
    """A session for reading; it never commits."""
    with Session(get_engine()) as session:
        yield session


@contextmanager
def write_session() -> Iterator[Session]:
    """One ledger transaction: it commits at the end of the block, and rolls back on any exception."""
    with _transaction() as session:
        if session.get_bind().dialect.name == "postgresql":
            session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LEDGER_LOCK})
        yield session
        session.flush()
        for guard in _guards.get():
            guard(session)


@contextmanager
def before_commit(guard: Callable[[Session], None]) -> Iterator[None]:
    """Let `guard` look at every ledger transaction inside the block before it commits; what it raises rolls it back."""
    token = _guards.set((*_guards.get(), guard))
    try:
        yield
    finally:
        _guards.reset(token)


@contextmanager
def tracking_session() -> Iterator[Session]:
    """One transaction on the tracking tables alone; it never waits for a ledger writer on PostgreSQL."""
    with _transaction() as session:
        yield session


@contextmanager
def tracking_statement() -> Iterator[Connection]:
    """For one statement on the tracking tables, committed by itself: a single call of SQLite, or PostgreSQL round trip.

    PostgreSQL does not wait for its disk here. If the server itself crashes, the last moments of tracking may be lost,
    but never the truth: a result is in its ledger transaction, which does wait, and a lost claim fails its fence.
    """
    engine = get_engine()
    if engine.dialect.name == "sqlite":
        with engine.connect().execution_options(**_ONE_STATEMENT) as connection:
            yield connection
        return
    with _opening:
        if engine.url not in _tracking_engines:
            _tracking_engines[engine.url] = make_engine(engine.url, "-c synchronous_commit=off").execution_options(
                isolation_level="AUTOCOMMIT"
            )
    with _tracking_engines[engine.url].connect() as connection:
        yield connection


@contextmanager
def _transaction() -> Iterator[Session]:
    with (
        get_engine().connect().execution_options(**_WRITER) as connection,
        Session(connection) as session,
        session.begin(),
    ):
        yield session
