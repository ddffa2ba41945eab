"""How each kind of disturbance is brought about, from inside the victim."""

import os
import signal
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
from sqlalchemy import event, text
from sqlmodel import Session

from tests.database_server import administer
from tests.kill_matrix.disturbance import Disturbance, Kind
from tracking import database

_SIGNALS = {
    Kind.SIGKILL: signal.SIGKILL,
    Kind.SIGTERM: signal.SIGTERM,
    Kind.SIGINT: signal.SIGINT,
    Kind.FREEZE: signal.SIGSTOP,
}
FLAG_TABLE = "kill_matrix_disk_is_full"
"""On PostgreSQL, while this table has a row, each commit that wrote something ends with `disk_full`."""
_holding: list[sqlite3.Connection] = []


def strike(disturbance: Disturbance, session: Session | None) -> None:
    """Let it happen, once.

    Args:
        disturbance: What, and with which lever.
        session: The ledger transaction that is open, if one is.
    """
    mark = Path(disturbance.mark)
    if mark.exists():
        return
    mark.touch()
    if disturbance.kind in _SIGNALS:
        os.kill(os.getpid(), _SIGNALS[disturbance.kind])
        return
    _OTHERS[disturbance.kind](disturbance, session)


def _end_the_server(_disturbance: Disturbance, _session: Session | None) -> None:
    for child in psutil.Process().children():
        if "flows.prefect_server" in child.cmdline():
            child.kill()
            child.wait()


def _cut_the_database_off(disturbance: Disturbance, _session: Session | None) -> None:
    for engine in database._engines.values():
        if engine.dialect.name == "sqlite":
            event.listen(engine, "do_execute", _no_file)
            event.listen(engine, "do_execute_no_params", _no_file)
            continue
        name = engine.url.database
        administer(
            disturbance.lever,
            f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false',
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'",
        )


def _no_file(*_: Any) -> None:
    raise sqlite3.OperationalError("disk I/O error")


def _lock_the_database(_disturbance: Disturbance, _session: Session | None) -> None:
    """Somebody else takes SQLite's only write lock, and keeps it for longer than anybody waits."""
    for engine in database._engines.values():
        connection = sqlite3.connect(str(engine.url.database), isolation_level=None)
        connection.execute("BEGIN EXCLUSIVE")
        _holding.append(connection)


def _fill_the_disk(_disturbance: Disturbance, session: Session | None) -> None:
    for engine in database._engines.values():
        if engine.dialect.name == "sqlite":
            event.listen(engine, "begin", _no_page_more)
            if session is not None:
                _no_page_more(session.connection())
            continue
        with engine.connect() as connection:
            connection.execute(text(f"INSERT INTO {FLAG_TABLE} VALUES (1)"))
            connection.commit()


def _no_page_more(connection: Any) -> None:
    pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
    connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")


def _kill_the_worker_too(_disturbance: Disturbance, _session: Session | None) -> None:
    for above in psutil.Process().parents():
        if "prefect" in above.cmdline():
            above.kill()
    os.kill(os.getpid(), signal.SIGKILL)


_OTHERS: dict[Kind, Callable[[Disturbance, Session | None], None]] = {
    Kind.ALL_KILLED: _kill_the_worker_too,
    Kind.SERVER_GONE: _end_the_server,
    Kind.DATABASE_GONE: _cut_the_database_off,
    Kind.DATABASE_LOCKED: _lock_the_database,
    Kind.DISK_FULL: _fill_the_disk,
}
