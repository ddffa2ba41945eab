"""Thousands of plain rows in one statement, as quickly as each database takes them; for rows without JSON."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ARRAY, Table, bindparam, column, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session, SQLModel

from steps.domain.rows import Row, table_of


def write_many(session: Session, model: type[SQLModel], rows: Sequence[Row], key: tuple[str, ...] = ()) -> None:
    """Insert the rows; one whose `key` (the columns of a unique constraint) is there already is updated instead.

    Args:
        session: an open write session; nothing is committed.
        model: the table.
        rows: all with the same columns; no two with one key.
        key: none: every row is new.
    """
    if not rows:
        return
    table, names = table_of(model), list(rows[0])
    if session.get_bind().dialect.name == "postgresql":
        insert: Any = postgresql.insert(table).from_select(names, select(_columns_as_arrays(table, names, rows)))
        session.execute(_update_on(key, insert, names))
    else:
        session.execute(_update_on(key, sqlite.insert(table), names), rows)


def _columns_as_arrays(table: Table, names: list[str], rows: Sequence[Row]) -> Any:
    """One parameter a column: a parameter a value would take the driver longer than the database."""
    types = [table.c[name].type for name in names]
    arrays = (
        bindparam(None, [row[name] for row in rows], type_=ARRAY(kind)) for name, kind in zip(names, types, strict=True)
    )
    columns = (column(name, kind) for name, kind in zip(names, types, strict=True))
    return func.unnest(*arrays).table_valued(*columns).render_derived()


def _update_on(key: tuple[str, ...], insert: Any, names: list[str]) -> Any:
    if not key:
        return insert
    changed = {name: insert.excluded[name] for name in names if name not in key}
    return insert.on_conflict_do_update(index_elements=list(key), set_=changed)
