"""The database: engine, sessions, turns of writers, migrations. SQLite for one machine, PostgreSQL for many.

Readers open `read_session()`, writers `write_session()`: one transaction that commits at the end of its block and rolls
back on any exception. Writers of the ledger take turns on both databases, so that what a writer has read is still true
when it writes; their transactions are short, because vendors are read before they open.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect, make_url, text
from sqlalchemy.exc import ArgumentError
from sqlmodel import Session

from tracking.encryption import forget_keys, require_present_key
from tracking.settings import ENV_FILE, DatabaseSettings, DatabaseUnusableError, absolute_sqlite_file

if TYPE_CHECKING:
    import psycopg

_MIGRATION_LOCK = 0x53594D49
"""Key of the PostgreSQL advisory lock under which the schema changes ("SYMI")."""


_VERSIONS = Path(__file__).parent / "migrations" / "versions"


@lru_cache
def schema_revisions() -> tuple[str, ...]:
    """The revisions that this version of the program knows, oldest first: the numbers of the migrations' files."""
    return tuple(sorted(file.name[1:].partition("_")[0] for file in _VERSIONS.glob("v*.py")))


def schema_revision(connection: Connection) -> str | None:
    """The revision that a database is at; None when it is empty."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    revision: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return revision


def upgrade_database(engine: Engine) -> str:
    """Bring the schema up to date, without loss; two processes at once do it once. Returns the revision.

    Raises:
        DatabaseUnusableError: a newer version of the program made it.
    """
    head = schema_revisions()[-1]
    with engine.connect() as connection:
        revision = schema_revision(connection)
    if revision == head:
        return head
    if revision not in {None, *schema_revisions()}:
        raise DatabaseUnusableError(
            f"The database is at schema {revision!r}, which a newer version of this program made; this version "  # noqa: S608 - a sentence
            f"knows up to {head!r}. Update the program, or set SYNC_DATABASE_URL to another database."
        )
    from alembic import command  # a sixth of the time of a command that reads, and few have anything to migrate
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "tracking:migrations")
    config.set_main_option("path_separator", "os")
    with engine.connect().execution_options(writer=True) as connection, connection.begin():
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
        config.attributes["connection"] = connection
        command.upgrade(config, "head")  # nothing, if another process was first
    return head


LOCK_WAIT_SECONDS = 60
_POOL = {"pool_size": 5, "max_overflow": 35}
"""A server's threads each want one, also while 16 of its runs wait for their turn to write: so many that nobody waits
for a connection, and few enough that one process does not use up PostgreSQL's usual hundred."""
_KEEPALIVE = {"keepalives_idle": 5, "keepalives_interval": 3, "keepalives_count": 3, "tcp_user_timeout": 14_000}
"""How fast a connection whose other end is gone is noticed: within 14 s here, and by these options on the server too
(measured: without them not within 40 s). PostgreSQL 14 or later."""
_SERVER_KEEPALIVE = (
    "-c timezone=UTC -c tcp_keepalives_idle=5 -c tcp_keepalives_interval=3 -c tcp_keepalives_count=3 "
    "-c tcp_user_timeout=14000 -c client_connection_check_interval=2000"
)
_OTHER_SCHEMES = frozenset({"mysql", "mariadb", "oracle", "mssql", "mongodb", "redis", "http", "https", "file"})
"""What is named when it is given; anything else before :// may be a part of a password."""
_EXPECTED_URL = "sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME is expected"
_UNREADABLE = (
    f"cannot be read: {_EXPECTED_URL}, the port a number, and in user and password each @ : / ? # % and blank written "
    "as %40 %3A %2F %3F %23 %25 %20"
)
_LEDGER_LOCK = 0x53594E43
"""Key of the PostgreSQL advisory lock that ledger writers take turns with ("SYNC")."""


def parse_database_url(text_url: str) -> URL:
    """The URL with the driver this project uses.

    Raises:
        DatabaseUnusableError: it is neither SQLite nor PostgreSQL, or cannot be read. The message holds nothing of it
            but its scheme: what is wrong may be the password.
    """
    text_url = text_url.strip()
    scheme = text_url.partition("://")[0]
    backend = scheme.partition("+")[0]
    if backend not in {"sqlite", "postgresql", "postgres"}:
        given = f"begins with {scheme}://" if backend in _OTHER_SCHEMES else "is no URL of a database"
        raise DatabaseUnusableError(f"SYNC_DATABASE_URL {given}; {_EXPECTED_URL}")
    if backend == "sqlite":
        if not text_url.removeprefix(f"{scheme}://").startswith(("/", "?")) and text_url != f"{scheme}://":
            raise DatabaseUnusableError(f"SYNC_DATABASE_URL names a host, and SQLite has none; {_EXPECTED_URL}")
        return _make_url(text_url).set(drivername="sqlite")
    url = _make_url(text_url)
    # An @ that is not written %40 makes a part of a password the host or the database, which drivers name.
    is_cut_wrong = text_url.count("@") > (url.username is not None) or {"?", "="} <= set(url.password or "")
    if is_cut_wrong:
        raise DatabaseUnusableError(f"SYNC_DATABASE_URL {_UNREADABLE}")
    from psycopg import pq  # SQLite has no need of it, and it takes a tenth of a second

    known_options = {option.keyword.decode() for option in pq.Conninfo.get_defaults()}
    if not set(url.query) <= known_options:  # another name may be a part of a password too
        raise DatabaseUnusableError("SYNC_DATABASE_URL has an option behind its ? that PostgreSQL does not know")
    return url.set(drivername="postgresql+psycopg")


def _make_url(text_url: str) -> URL:
    try:
        url = make_url(text_url)
        (url.host or "").encode("idna")  # as it will be looked up
    except (ArgumentError, ValueError):
        url = None
    if url is None or "\0" in unquote(text_url):
        raise DatabaseUnusableError(f"SYNC_DATABASE_URL {_UNREADABLE}")
    return url


def configured_database_url() -> URL:
    """The URL of `SYNC_DATABASE_URL`, a SQLite file by its absolute path.

    Raises:
        DatabaseUnusableError: a wrong URL, or a relative path in the environment of a worker's run.
    """
    url = parse_database_url(DatabaseSettings().database_url)
    return url.set(database=absolute_sqlite_file(url.database)) if url.get_backend_name() == "sqlite" else url


def describe_database() -> str:
    """The database in use, for a log: without password, and without options, which may hold one."""
    url = configured_database_url()
    if url.get_backend_name() == "sqlite":
        return f"the database sqlite:///{url.database or ''}"
    return f"the database {url.set(query={}).render_as_string(hide_password=True)}"


def make_engine(url: URL) -> Engine:
    """An engine whose connections follow this project's rules; nothing is connected or created yet."""
    if url.get_backend_name() == "sqlite":
        return _make_sqlite_engine(url)
    return create_engine(
        url,
        **_POOL,
        pool_pre_ping=True,  # the database may have been away since a connection was used
        hide_parameters=True,  # rows hold personal data, and an error message must not
        connect_args={
            "connect_timeout": 10,
            **_KEEPALIVE,
            "options": f"{_SERVER_KEEPALIVE} -c lock_timeout={LOCK_WAIT_SECONDS}s",
            "application_name": "sync-management",
        },
    )


def _make_sqlite_engine(url: URL) -> Engine:
    pool = {}
    if url.database not in {None, "", ":memory:"}:
        _make_folder(Path(str(url.database)).parent)
        pool = _POOL
    engine = create_engine(url, **pool, hide_parameters=True, connect_args={"timeout": LOCK_WAIT_SECONDS})

    @event.listens_for(engine, "do_connect")
    def _make_own(*_: Any) -> None:
        if pool and not str(url.database).startswith("file:"):
            make_own_file(Path(str(url.database)))  # SQLite gives its WAL the same permissions

    @event.listens_for(engine, "connect")
    def _set_up(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # transactions begin below, not in the driver
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")  # with WAL: never corrupt; a power cut may undo the last commit
        connection.execute("PRAGMA foreign_keys=ON")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # A writer that starts as a reader could find its snapshot stale and fail at its first write.
        writer = connection.get_execution_options().get("writer")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writer else "BEGIN")

    return engine


def make_own_file(file: Path) -> None:
    """Make an empty file that only its owner can read; one that is there already, or cannot be made, stays as it is.

    It is never opened when it is there: closing it would free the locks that SQLite has on it in this process.
    """
    with suppress(OSError):
        os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        # A path that looks like user:password(@host) is a PostgreSQL URL with the wrong scheme: not to be shown.
        named = "its folder" if set("@:") & set(str(folder)) else f"its folder {folder}"
        raise DatabaseUnusableError(
            f"SYNC_DATABASE_URL: {named} cannot be made ({error.strerror}); name a file in a folder that can be written"
        ) from None


_engines: dict[URL, Engine] = {}
_opening = Lock()


def get_engine() -> Engine:
    """The engine of `SYNC_DATABASE_URL`: one a process, its schema brought up to date at the first use.

    Raises:
        DatabaseUnusableError: a wrong URL, or a database made by a newer version.
    """
    url = _database_url(os.environ.get("SYNC_DATABASE_URL"), os.environ.get(ENV_FILE))
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


@lru_cache(maxsize=8)
def _database_url(_variable: str | None, _file: str | None) -> URL:
    """The parsed URL, read again when a variable is another: each transaction asks, a look at a file costs more."""
    return configured_database_url()


def dispose_engines() -> None:
    """Close every pooled connection; the next use reads the settings again and opens new ones."""
    _database_url.cache_clear()
    forget_keys()
    with _opening:
        while _engines:
            _engines.popitem()[1].dispose()


def connect_lock(url: URL) -> "psycopg.Connection[tuple[int]]":
    """A connection to PostgreSQL of its own, for the lock of a run (`tracking/locks.py`); it is in no pool.

    A pool would keep the lock after the connection was given back, and reconnect without a word.

    Raises:
        DatabaseUnusableError: a pooler answers that hands out connections by transaction.
    """
    import psycopg  # as above

    options = f"{_SERVER_KEEPALIVE} -c idle_session_timeout=0 -c lock_timeout=5s"
    _, arguments = get_engine().dialect.create_connect_args(url)
    given = {**arguments, "connect_timeout": 10, **_KEEPALIVE, "application_name": "sync-management run lock"}
    try:
        connection = psycopg.connect(**given, options=options, autocommit=True)
    except psycopg.OperationalError as error:
        if "unsupported startup parameter" in str(error):
            raise DatabaseUnusableError(
                "SYNC_DATABASE_URL leads to a connection pooler that takes no session settings, with which no lock is "
                "safe: connect to PostgreSQL itself, or through a pooler in session mode"
            ) from None
        raise
    # A pooler that gives each transaction another connection gave two clients the same session lock (tried).
    row = connection.execute("select pg_backend_pid()").fetchone()
    if row is None or row[0] != connection.info.backend_pid:
        connection.close()
        raise DatabaseUnusableError(
            "SYNC_DATABASE_URL leads to a connection pooler in transaction mode, with which no lock is safe: "
            "connect to PostgreSQL itself, or through a pooler in session mode"
        )
    return connection


@contextmanager
def read_session() -> Iterator[Session]:
    """A session for reading; it never commits."""
    with Session(get_engine()) as session:
        yield session


@contextmanager
def tracking_session() -> Iterator[Session]:
    """One transaction on the tracking tables alone; on PostgreSQL it never waits for a ledger writer."""
    with (
        get_engine().connect().execution_options(writer=True) as connection,
        Session(connection) as session,
        session.begin(),
    ):
        yield session


@contextmanager
def write_session() -> Iterator[Session]:
    """One ledger transaction; writers of the ledger take turns."""
    with tracking_session() as session:
        if session.get_bind().dialect.name == "postgresql":
            session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LEDGER_LOCK})
        yield session


@contextmanager
def scratch_session() -> Iterator[Session]:
    """A ledger transaction of which nothing is kept: for a preview that takes as long as what it shows.

    SQLite has one lock for all that is written: there it is on a copy in memory, and nobody waits for it. On PostgreSQL
    writers of the ledger do, and tracking does not.
    """
    if get_engine().dialect.name == "postgresql":
        with write_session() as session:
            yield session
            session.rollback()
        return
    engine = make_engine(URL.create("sqlite"))
    try:
        with engine.connect() as copied, get_engine().connect() as original:
            original.connection.driver_connection.backup(copied.connection.driver_connection)  # type: ignore[union-attr]
            original.close()
            with Session(copied) as session:
                yield session
    finally:
        engine.dispose()
