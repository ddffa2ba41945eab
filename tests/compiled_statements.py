"""Statements that SQLAlchemy compiled for one test's database serve the databases of all tests of the process.

Each test has a database, and with it an engine, of its own; to compile all its statements anew took a tenth of the time
of the tests. SQLAlchemy keeps them by engine and by dialect, so all engines get one memory, and dialects of a kind are
equal.
"""

from typing import Any

from sqlalchemy import Engine
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.util import LRUCache

_COMPILED: LRUCache[Any, Any] = LRUCache(2_000)


def share_compiled_statements() -> None:
    """From now on, in this process."""
    for dialect in (SQLiteDialect_pysqlite, PGDialect_psycopg):
        dialect.__hash__ = lambda self: hash(type(self))  # type: ignore[method-assign]
        dialect.__eq__ = lambda self, other: type(self) is type(other)  # type: ignore[method-assign]
    Engine._compiled_cache = property(lambda _: _COMPILED, lambda *_: None)  # type: ignore[assignment]
