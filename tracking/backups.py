"""Backups of a SQLite database, and the way back: a copy counts only when it was opened and checked.

PostgreSQL has tools of its own for both, of the server's version (`flows/cli/admin.py` says the commands).
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkstemp

from sqlalchemy import URL

from tracking.database import LOCK_WAIT_SECONDS, make_engine, make_own_file, schema_revisions, upgrade_database
from tracking.encryption import require_readable
from tracking.locks import require_no_run
from tracking.models import utc_now
from tracking.settings import DatabaseUnusableError

_OURS = {"alembic_version", "sync_execution", "client", "invoice", "integration_error"}
"""Tables of every version."""
_NO_CONTENT = {"alembic_version", "sealing_key"}
_FEW_PAGES = 16
"""Of a database: each of this program's has more."""


@dataclass(frozen=True)
class Backup:
    """What a backup holds."""

    file: Path
    revision: str
    tables: int
    rows: int


def back_up_sqlite(source: Path, file: Path) -> Backup:
    """Copy a SQLite database that may be in use, as it is at one moment, to a file that is not there yet.

    The copy is held against the original before it gets its name: pages, foreign keys, schema, rows of each table.

    Raises:
        DatabaseUnusableError: there is no database, the file is there already or cannot be made, or the copy is broken.
    """
    if not source.is_file():
        raise DatabaseUnusableError(f"there is no database {source} to back up")
    if file.exists():
        raise DatabaseUnusableError(f"{file} is there already, and a backup overwrites nothing: name another file")
    with _in_words(f"no backup was made to {file}"), _checked_copy(source, file) as (part, rows):
        revision = _revision(part)
        os.link(part, file)  # unlike a renaming it overwrites nothing
    return Backup(file, revision, len(rows), sum(rows.values()))


@dataclass(frozen=True)
class Restored:
    """What a database holds after it was restored."""

    rows: dict[str, int]
    """By table."""
    revision: str
    """Of the backup; the database's is the present one."""
    kept: Path | None
    """What was there, as a backup of its last moment; None: there was nothing in it."""


def restore_sqlite(file: Path, target: Path, *, replace: bool) -> Restored:
    """Put a backup in the place of a SQLite database, in one transaction: whoever has it open reads on.

    The backup is copied beside the database first, checked, and brought up to the present schema. Killed at any moment,
    the database is as it was, or restored.

    Args:
        file: A backup, which is only read.
        target: The database, which may be missing.
        replace: Whether rows that are there may go; a checked copy of them then stays beside the database.

    Raises:
        DatabaseUnusableError: the backup is broken, of a newer version, or of a key that is not at hand; the database
            holds something or is broken; a run works on it. Nothing was changed.
    """
    if not file.is_file():
        raise DatabaseUnusableError(f"there is no backup {file}")
    if target.exists() and file.samefile(target):
        raise DatabaseUnusableError(f"{file} is the database itself: name a backup")
    kept: list[Path | None] = []

    def keep_what_is_there(status: int, *_: int) -> None:
        """Called when the first pages are written: from then on nobody else can write, until all are."""
        if status in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
            raise DatabaseUnusableError(f"{target} is being written: try again when that has ended")
        if not kept:
            require_no_run(target)
            kept.append(_keep(target, replace=replace))

    with _in_words(f"nothing was restored from {file}"), _checked_copy(file, target) as (part, _):
        revision = _revision(part)
        _bring_up_to_date(part)
        make_own_file(target)
        with _opened(part) as copy, _opened(target) as database:
            copy.execute("PRAGMA journal_mode=DELETE")
            database.execute("PRAGMA journal_mode=WAL")  # so that what is there can be read while it is replaced
            copy.backup(database, pages=_FEW_PAGES, progress=keep_what_is_there)
            rows = _rows_by_table(database)
            if rows != _rows_by_table(copy):
                raise sqlite3.DatabaseError(f"{target} is not what was written to it")
    return Restored(rows, revision, kept[0])


@contextmanager
def _in_words(refusal: str) -> Iterator[None]:
    """What the file system or SQLite says, in one line."""
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        raise DatabaseUnusableError(f"{refusal}: {getattr(error, 'strerror', None) or error}") from None


@contextmanager
def _opened(file: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(file, timeout=LOCK_WAIT_SECONDS, isolation_level=None)) as connection:
        yield connection


@contextmanager
def _checked_copy(source: Path, beside: Path) -> Iterator[tuple[Path, dict[str, int]]]:
    """A copy of one moment of a database, held against it, and the rows of each table; it is gone after the block."""
    descriptor, name = mkstemp(prefix=f"{beside.name}.", suffix=".part", dir=beside.parent)  # its owner's alone
    os.close(descriptor)
    part = Path(name)
    try:
        with _opened(source) as original:
            original.execute("BEGIN")  # what is counted is what is copied, whoever writes meanwhile
            there = _rows_by_table(original)
            with _opened(part) as copy:
                original.backup(copy)
                copy.execute("PRAGMA journal_mode=DELETE")  # one file, until it is used
        with _opened(part) as copy:  # as a restore would open it
            faults = [*copy.execute("PRAGMA integrity_check(1)"), *copy.execute("PRAGMA foreign_key_check")]
            if faults != [("ok",)] or _rows_by_table(copy) != there:
                raise sqlite3.DatabaseError("the copy is broken")
        yield part, there
    finally:
        for each in beside.parent.glob(f"{part.name}*"):
            each.unlink(missing_ok=True)


def _revision(file: Path) -> str:
    """The schema of a database of this program.

    Raises:
        sqlite3.DatabaseError: it is another program's, or a newer version's.
    """
    with _opened(file) as connection:
        if not _rows_by_table(connection).keys() >= _OURS:
            raise sqlite3.DatabaseError("it is no database of this program")
        (revision,) = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    if revision not in schema_revisions():
        raise sqlite3.DatabaseError(f"a newer version of this program made its schema {revision!r}")
    return str(revision)


def _bring_up_to_date(file: Path) -> None:
    engine = make_engine(URL.create("sqlite", database=str(file)))
    try:
        upgrade_database(engine)
        require_readable(engine)
    finally:
        engine.dispose()


def _keep(target: Path, *, replace: bool) -> Path | None:
    """Keep what is in the database beside it; None: there is nothing in it.

    Raises:
        DatabaseUnusableError: it is not to be replaced.
    """
    with _checked_copy(target, target) as (part, there):
        rows = sum(count for table, count in there.items() if table not in _NO_CONTENT)
        if not rows:
            return None
        if not replace:
            raise DatabaseUnusableError(f"{target} holds {rows} rows: say --replace, and they are kept beside it")
        kept = target.with_name(f"{target.name}.replaced-{utc_now():%Y%m%dT%H%M%SZ}")
        os.link(part, kept)
    return kept


def _rows_by_table(connection: sqlite3.Connection) -> dict[str, int]:
    names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").fetchall()
    return {name: connection.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for (name,) in names}  # noqa: S608 - of the schema
