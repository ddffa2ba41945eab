"""Seals what a database already holds with the present key: after the first key is set, and after it was changed.

Emails are looked up by their sealed form, so a database must be sealed with one key throughout. Which one is kept in
the table `sealing_key`; a program with another first key refuses to work until this has run.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Column, Connection, Engine, Row, Table, bindparam, delete, select, text, update
from sqlmodel import Field, SQLModel

from tracking.encryption import keyring
from tracking.errors import DatabaseUnusableError
from tracking.sealed import SealedJson, SealedText

PERSONAL_TABLES = {"client", "invoice", "integration_error"}
"""By name, because who only looks at the tracking has not loaded the ledger's models."""
_CHUNK = 1000
_SEALED_WITH = text("SELECT key_id FROM sealing_key")


class SealingKey(SQLModel, table=True):
    """The id of the key that the database is sealed with; no row: with none."""

    __tablename__ = "sealing_key"

    key_id: str = Field(primary_key=True)


def require_present_key(engine: Engine) -> None:
    """Refuse to work on a database that is sealed with another key than the present one.

    A database without personal data is simply marked with the present key.

    Raises:
        DatabaseUnusableError: one line says what to do.
    """
    present = _present_key_id()
    with engine.connect().execution_options(writer=True) as connection, connection.begin():
        sealed_with = connection.scalar(_SEALED_WITH)
        if sealed_with == present:
            return
        if not any(connection.scalar(text(f"SELECT 1 FROM {name} LIMIT 1")) for name in PERSONAL_TABLES):
            _mark(connection, present)
            return
    if present is None:
        raise DatabaseUnusableError(f"The database is sealed with key {sealed_with}: set SYNC_ENCRYPTION_KEY")
    how = f"sealed with key {sealed_with}" if sealed_with else "not sealed"
    raise DatabaseUnusableError(
        f"The database is {how} and SYNC_ENCRYPTION_KEY begins with key {present}: run `sync-actions db encrypt` once "
        "(with the old key behind the new one and a comma between them, if there was one)"
    )


def reseal(engine: Engine) -> int:
    """Seal every personal text with the present key, in one transaction. Returns how many rows were written.

    Raises:
        DatabaseUnusableError: there is no key, or something is sealed with a key that is not at hand.
    """
    present = _present_key_id()
    if present is None:
        raise DatabaseUnusableError("SYNC_ENCRYPTION_KEY is not set: `sync-actions db key` prints a new one")
    tables = dict(sealed_tables())
    if {table.name for table in tables} != PERSONAL_TABLES:
        raise RuntimeError("the models of the personal tables are not all loaded")
    with engine.connect().execution_options(writer=True) as connection, connection.begin():
        count = sum(_reseal_table(connection, table, columns) for table, columns in tables.items())
        _mark(connection, present)
    _forget_what_was_overwritten(engine)
    return count


def sealed_tables() -> Iterator[tuple[Table, list[Column[object]]]]:
    """Each table that holds personal data, and the columns that do."""
    for _, table in sorted(SQLModel.metadata.tables.items()):
        if columns := [column for column in table.columns if isinstance(column.type, SealedText | SealedJson)]:
            yield table, columns


def _reseal_table(connection: Connection, table: Table, columns: Sequence[Column[object]]) -> int:
    new = {column.name: bindparam(f"new_{column.name}", type_=column.type) for column in columns}
    change = update(table).where(table.c.id == bindparam("row_id")).values(new)
    some = select(table.c.id, *columns).order_by(table.c.id).limit(_CHUNK)
    last, count = 0, 0
    while rows := connection.execute(some.where(table.c.id > last)).all():
        connection.execute(change, [_values(row, columns) for row in rows])
        last, count = rows[-1][0], count + len(rows)
    return count


def _values(row: Row[Any], columns: Sequence[Column[object]]) -> dict[str, object]:
    texts: dict[str, object] = dict(zip((f"new_{column.name}" for column in columns), row[1:], strict=True))
    return {"row_id": row[0], **texts}


def _forget_what_was_overwritten(engine: Engine) -> None:
    """Rewrite the files: the old rows would otherwise stay readable in them until their place is used again."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if engine.dialect.name == "postgresql":
            for table, _ in sealed_tables():
                connection.execute(text(f'VACUUM FULL "{table.name}"'))
            return
    raw = engine.raw_connection()
    try:
        raw.execute("VACUUM")
        raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        raw.close()


def _mark(connection: Connection, key_id: str | None) -> None:
    connection.execute(delete(SealingKey))
    if key_id is not None:
        connection.execute(text("INSERT INTO sealing_key (key_id) VALUES (:id) ON CONFLICT DO NOTHING"), {"id": key_id})


def _present_key_id() -> str | None:
    keys = keyring().keys
    return keys[0].id if keys else None
