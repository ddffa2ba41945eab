"""The ledger by content: every row of every table, with surrogate ids replaced by what they stand for.

A PostgreSQL sequence does not roll back, so an interrupted run leaves gaps in the ids; nothing else may differ.
"""

import re
from collections.abc import Container, Mapping
from typing import Any

from sqlalchemy import Engine, Row, Table, inspect, select
from sqlmodel import SQLModel

import flows.run_steps  # noqa: F401 - every model of the program is known to the metadata once this is imported
import tracking.history  # noqa: F401 - and that one
from tracking.history import SyncPlan
from tracking.models import SyncExecution

_NOT_THE_LEDGER = {
    SyncExecution.__tablename__,
    SyncPlan.__tablename__,
    "audit_event",
    "sealing_key",
    "alembic_version",
}
_MOMENTS = {"integration_error": {"created_at", "updated_at"}}
"""When something was written: never the same in two runs."""
_DETAILS, _NAMED = "error_details", {"client_id": "client", "contract_id": "service_contract"}
"""What the details of an integration error name by its surrogate id."""
_MESSAGE, _NAMED_IN_WORDS = "error_message", re.compile(r"\b(client|contract) (\d+)")

Content = dict[str, list[str]]
"""Table -> its rows as text, sorted."""


def ledger_content(engine: Engine, besides: Mapping[str, Container[str]] | None = None) -> Content:
    """What the ledger says.

    Args:
        engine: Of the database.
        besides: Table -> columns that are not looked at, besides the moments at which a row was written.

    Raises:
        AssertionError: the database has a table that no model describes.
    """
    present = set(inspect(engine).get_table_names())
    tables = {name: table for name, table in SQLModel.metadata.tables.items() if name not in _NOT_THE_LEDGER}
    unknown = {name for name in present - set(tables) - _NOT_THE_LEDGER if not name.startswith("kill_matrix")}
    assert unknown == set(), unknown
    with engine.connect() as connection:
        rows = {name: list(connection.execute(select(table))) for name, table in SQLModel.metadata.tables.items()}
    reader = _Reader(rows, besides or {})
    return {name: sorted(reader.text(table, row) for row in rows[name]) for name, table in tables.items()}


def ledger_rows(engine: Engine) -> dict[str, list[tuple[Any, ...]]]:
    """Every row as the database keeps it, ids included, but for the moments and the execution that wrote an error."""
    written = _MOMENTS["integration_error"] | {"sync_execution_id"}
    with engine.connect() as connection:
        return {
            name: [
                tuple(value for column, value in row._mapping.items() if str(column) not in written)
                for row in connection.exec_driver_sql(f'SELECT * FROM "{name}" ORDER BY id')
            ]
            for name in SQLModel.metadata.tables
            if name not in _NOT_THE_LEDGER
        }


class _Reader:
    """Follows foreign keys."""

    def __init__(self, rows: dict[str, list[Row[Any]]], besides: Mapping[str, Container[str]]) -> None:
        self._besides = besides
        self._by_id = {name: {row._mapping["id"]: row for row in found} for name, found in rows.items()}

    def text(self, table: Table, row: Row[Any]) -> str:
        """A row as text."""
        if table.name == SyncExecution.__tablename__:
            return f"{row._mapping['step_name']} {row._mapping['window_start']}"
        values = []
        for column in table.columns:
            if column.name == "id" or column.name in _MOMENTS.get(table.name, ()):
                continue
            if column.name in self._besides.get(table.name, ()):
                continue
            value = row._mapping[column.name]
            for key in column.foreign_keys:
                value = value and self._text_of(key.column.table.name, value)
            if column.name == _DETAILS and value is not None:
                value = {
                    name: self._text_of(_NAMED[name], each) if name in _NAMED and each is not None else each
                    for name, each in value.items()
                }
            if column.name == _MESSAGE:
                value = _NAMED_IN_WORDS.sub(lambda found: self._text_of(_NAMED[f"{found[1]}_id"], int(found[2])), value)
            values.append(f"{column.name}={value!r}")
        return f"({', '.join(values)})"

    def _text_of(self, table: str, number: int) -> str:
        return self.text(SQLModel.metadata.tables[table], self._by_id[table][number])
