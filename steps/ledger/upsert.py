"""Set-based writes: rows are compared with what is stored, new ones inserted, different ones updated."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from sqlalchemy import (
    ARRAY,
    JSON,
    Dialect,
    Table,
    bindparam,
    case,
    column,
    func,
    inspect,
    literal,
    select,
    tuple_,
    update,
)
from sqlalchemy import cast as sql_cast
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session, SQLModel

from tracking.encryption import EncryptedJson
from tracking.models import WrittenJson

CHUNK = 500
"""Values of one `IN` list; both databases take several thousand parameters a statement."""

Row = dict[str, Any]
Key = tuple[Any, ...]


@dataclass(frozen=True)
class Merge:
    """What a merge did, by key. Created and updated rows were written, unchanged ones were not."""

    created: list[Key] = field(default_factory=list)
    updated: list[Key] = field(default_factory=list)
    unchanged: list[Key] = field(default_factory=list)
    ids: dict[Key, int] = field(default_factory=dict)
    """Of every row, written or not."""
    before: Mapping[Key, Row] = field(default_factory=dict)
    """Rows as they were stored, with their ids."""


def table_of(model: type[SQLModel]) -> Table:
    """The table behind a model."""
    return cast(Table, inspect(model).local_table)


def chunks(values: Iterable[Any]) -> Iterator[list[Any]]:
    """The values without repeats, at most `CHUNK` at a time."""
    distinct = list(dict.fromkeys(values))
    for start in range(0, len(distinct), CHUNK):
        yield distinct[start : start + CHUNK]


def select_in(session: Session, columns: Sequence[Any], key: Any, values: Iterable[Any], *where: Any) -> list[Row]:
    """Columns of the rows whose `key` is one of `values` and for which `where` holds, however many they are.

    The key may be several columns, and then each value is a tuple. Values may repeat.
    """
    distinct = list(dict.fromkeys(values))
    if not distinct:
        return []
    parts, given = (key, zip(*distinct, strict=True)) if isinstance(key, tuple) else ((key,), [distinct])
    query = select(*columns).where(tuple_(*parts).in_(_given(session, parts, given)), *where)
    names = [each.key for each in columns]
    rows = session.connection().execute(query).all()  # not what the ORM makes of them
    return [dict(zip(names, row, strict=False)) for row in rows]


def _given(session: Session, parts: Sequence[Any], values: Iterable[Sequence[Any]]) -> Any:
    """The values of columns, as a query of one parameter, or one a column: one a value takes longer than the rows."""
    dialect = session.get_bind().dialect
    if dialect.name == "postgresql":
        return select(_columns_as_arrays(dialect, [part.type for part in parts], values))
    binds = [part.type.dialect_impl(dialect).bind_processor(dialect) for part in parts]
    stored = [list(map(bind, each)) if bind else each for bind, each in zip(binds, values, strict=True)]
    if len(stored) == 1:
        return select(func.json_each(json.dumps(stored[0])).table_valued("value"))
    rows = func.json_each(json.dumps(list(zip(*stored, strict=True)))).table_valued("value")
    return select(*(func.json_extract(rows.c.value, f"$[{at}]") for at in range(len(stored))))


def merge_rows(
    session: Session,
    model: type[SQLModel],
    rows: Sequence[Row],
    key: tuple[str, ...],
    stored: Mapping[Key, Row] | None = None,
) -> Merge:
    """Make the table say what `rows` say, and write nothing that it says already.

    Args:
        session: an open write session; nothing is committed.
        model: the table.
        rows: all with the same columns. Columns that are not given keep what they have; a new row gets their default.
            Of two rows with one key the last counts.
        key: the columns of a unique constraint, or `("id",)` for rows that are known to exist (they still need a value
            for each column that cannot be null).
        stored: what the table has of them, by key, if this transaction read it: at least `id` and their columns.
    """
    table = table_of(model)
    wanted = {tuple(row[name] for name in key): row for row in rows}
    if not wanted:
        return Merge()
    if stored is None:
        stored = _stored(session, table, dict.fromkeys(("id", *next(iter(wanted.values())))), key, wanted)
    merge = Merge(ids={each: stored[each]["id"] for each in wanted if each in stored}, before=stored)
    for each, row in wanted.items():
        known = stored.get(each)
        if known is None:
            merge.created.append(each)
        else:
            (merge.unchanged if row.items() <= known.items() else merge.updated).append(each)
    write_many(session, model, [wanted[each] for each in (*merge.created, *merge.updated)], key)
    if merge.created:
        new = _stored(session, table, ("id", *key), key, merge.created)
        merge.ids.update({each: row["id"] for each, row in new.items()})
    return merge


def set_by_id(session: Session, model: type[SQLModel], column: str, values: Mapping[int, Any]) -> None:
    """Set one column of many rows, each to a value of its own; for rows too heavy to be written whole."""
    table = table_of(model)
    target = table.c[column]
    for ids in chunks(values):
        # As literals of the column's type: a plain value would be stored as its Python type's default would have it.
        new = {row_id: literal(values[row_id], target.type) for row_id in ids}
        changed = case(new, value=table.c.id, else_=target)
        session.execute(update(table).where(table.c.id.in_(ids)).values({column: changed}))


def _stored(
    session: Session, table: Table, names: Iterable[str], key: tuple[str, ...], wanted: Iterable[Key]
) -> dict[Key, Row]:
    found = select_in(session, [table.c[name] for name in names], tuple(table.c[name] for name in key), wanted)
    return {tuple(row[name] for name in key): row for row in found}


def write_many(session: Session, model: type[SQLModel], rows: Sequence[Row], key: tuple[str, ...] = ()) -> None:
    """Insert the rows; one whose `key` (the columns of a unique constraint) is there already is updated instead.

    All have the same columns, and no two have one key.
    """
    if not rows:
        return
    table, names = table_of(model), list(rows[0])
    dialect = session.get_bind().dialect
    if dialect.name == "postgresql":
        types, values = [table.c[name].type for name in names], ([row[name] for row in rows] for name in names)
        insert: Any = postgresql.insert(table).from_select(names, select(_columns_as_arrays(dialect, types, values)))
        session.execute(_update_on(key, insert, names))
    else:
        _write_on_sqlite(session, _update_on(key, sqlite.insert(table), names), table, names, rows)


def _write_on_sqlite(session: Session, insert: Any, table: Table, names: list[str], rows: Sequence[Row]) -> None:
    """As the driver takes them: what SQLAlchemy does for each row of many takes longer than SQLite itself."""
    dialect = session.get_bind().dialect
    compiled = insert.compile(dialect=dialect, column_keys=names)
    columns = []
    for name in compiled.positiontup:  # those of `names`, and those with a default
        column = table.c[name]
        bind = column.type.dialect_impl(dialect).bind_processor(dialect)
        values = [row[name] for row in rows] if name in names else [column.default.arg] * len(rows)
        columns.append(values if bind is None else list(map(bind, values)))
    session.connection().exec_driver_sql(str(compiled), list(zip(*columns, strict=True)))


def _columns_as_arrays(dialect: Dialect, types: Sequence[Any], columns: Iterable[Sequence[Any]]) -> Any:
    """A table of columns of these types: one parameter a column, for PostgreSQL."""
    names = [f"c{at}" for at in range(len(types))]
    arrays = (_array(dialect, kind, list(values)) for kind, values in zip(types, columns, strict=True))
    return func.unnest(*arrays).table_valued(*map(column, names, types)).render_derived()


def _array(dialect: Dialect, kind: Any, values: list[Any]) -> Any:
    """One parameter; texts of JSON are lines of one text: of an array's items the driver escapes each quote."""
    if isinstance(kind, EncryptedJson):
        values = [json.dumps(kind.process_bind_param(value, dialect)) for value in values]
    if isinstance(kind, EncryptedJson | WrittenJson):
        return sql_cast(func.string_to_array("\n".join(value or "" for value in values), "\n", ""), ARRAY(JSON))
    return bindparam(None, values, ARRAY(kind))


def _update_on(key: tuple[str, ...], insert: Any, names: list[str]) -> Any:
    if not key:
        return insert
    changed = {name: insert.excluded[name] for name in names if name not in key}
    return insert.on_conflict_do_update(index_elements=list(key), set_=changed)
