"""Every table as a file that any program reads: CSV in UTF-8, and `tables.json`, which describes them.

Made from the metadata of the tables, so that a new table or column is in it by itself.
"""

import json
import shutil
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import date
from decimal import Decimal
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from sqlalchemy import JSON, Column, ColumnElement, Connection, Engine, Table, func, inspect, select, type_coerce
from sqlalchemy.types import TypeDecorator, TypeEngine
from sqlmodel import SQLModel

from tracking.database import schema_revision
from tracking.encryption import EncryptedJson, EncryptedText, keyring
from tracking.models import ExactNumeric, utc_now
from tracking.settings import DatabaseUnusableError

DESCRIPTION = "tables.json"
_ROWS_AT_ONCE = 1000
_CENTS = 2
_FORMAT = (
    "RFC 4180, UTF-8, by primary key. Without quotes an empty field is NULL; texts have quotes. Amounts are decimal "
    "numbers, dates and times ISO 8601 (UTC), lists and objects JSON. Sums are by the currency that the rows name. "
    "Texts are exactly what the database holds: let no spreadsheet read them as formulas."
)


@dataclass
class TableFile:
    """What became of one table; amounts are text."""

    file: str
    rows: int = 0
    columns: list[dict[str, Any]] = field(default_factory=list)
    sums: dict[str, dict[str, str]] = field(default_factory=dict)
    """Amount column -> currency -> the sum of what is in the file."""


def export_tables(engine: Engine, directory: Path, *, decrypt: bool) -> dict[str, TableFile]:
    """Write all tables, as they are at one moment, to a new directory. Returns what is in it.

    The directory has its name only when it is whole, and only its owner can read it. What is encrypted stays as it is
    stored unless `decrypt` is said; the schema is the present one, and the models of all tables are loaded.

    Raises:
        DatabaseUnusableError: the directory is there already or cannot be made, or the key is not at hand.
    """
    if decrypt and not keyring().keys:
        raise DatabaseUnusableError("nothing was exported: there is no SYNC_ENCRYPTION_KEY to decrypt with")
    with _whole_or_not_at_all(directory) as part, _one_moment(engine) as connection:
        tables = {table.name: table for table in SQLModel.metadata.sorted_tables}
        if set(inspect(connection).get_table_names()) - {"alembic_version"} != set(tables):
            raise RuntimeError("the models of the tables are not all loaded")
        made = {name: _write(connection, table, part, decrypt=decrypt) for name, table in sorted(tables.items())}
        about = {
            "format": _FORMAT,
            "exported_at": utc_now().isoformat(),
            "schema": schema_revision(connection),
            "encrypted_texts": "decrypted" if decrypt else "as stored",
            "tables": {name: asdict(each) for name, each in made.items()},
        }
        (part / DESCRIPTION).write_text(json.dumps(about, indent=2, ensure_ascii=False), encoding="utf-8")
    return made


@contextmanager
def _whole_or_not_at_all(directory: Path) -> Iterator[Path]:
    """A directory beside it, which gets its name when the block is done, and is gone when it failed."""
    if directory.exists():
        raise DatabaseUnusableError(f"{directory} is there already, and an export overwrites nothing: name another")
    part = None
    try:
        part = Path(mkdtemp(prefix=f".{directory.name}.", dir=directory.parent))  # its owner's alone
        yield part
        part.rename(directory)
    except OSError as error:
        raise DatabaseUnusableError(f"nothing was exported to {directory}: {error.strerror or error}") from None
    finally:
        if part is not None:
            shutil.rmtree(part, ignore_errors=True)


@contextmanager
def _one_moment(engine: Engine) -> Iterator[Connection]:
    """One snapshot, whatever is written meanwhile: a transaction of SQLite has it anyway."""
    isolated = {"isolation_level": "REPEATABLE READ"} if engine.dialect.name == "postgresql" else {}
    with engine.connect().execution_options(**isolated) as connection, connection.begin():
        yield connection


def _write(connection: Connection, table: Table, folder: Path, *, decrypt: bool) -> TableFile:
    made = TableFile(f"{table.name}.csv", columns=[_described(column) for column in table.columns])
    amounts = [each.name for each in table.columns if isinstance(each.type, ExactNumeric) and each.type.scale == _CENTS]
    currency = next((each.name for each in table.columns if each.name.endswith("currency")), None)
    sums = {name: defaultdict[str, Decimal](Decimal) for name in amounts}
    with (folder / made.file).open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
        file.write(",".join(table.columns.keys()) + "\r\n")
        all_rows = select(*(_as_stored(each, decrypt=decrypt) for each in table.columns)).order_by(*table.primary_key)
        found = connection.execution_options(yield_per=_ROWS_AT_ONCE).execute(all_rows)
        for row in found.mappings():
            file.write(",".join(_field(row[column.name], column) for column in table.columns) + "\r\n")
            made.rows += 1
            for name in amounts:
                sums[name][row[currency] if currency else ""] += Decimal(row[name] or 0)
    if made.rows != connection.scalar(select(func.count()).select_from(table)):
        raise RuntimeError(f"{made.rows} rows of {table.name} were written, which is not what there is")
    made.sums = {name: {key: f"{total:.2f}" for key, total in sorted(each.items())} for name, each in sums.items()}
    return made


def _described(column: Column[Any]) -> dict[str, Any]:
    references = [key.target_fullname for key in column.foreign_keys]
    described = {"name": column.name, "type": str(_stored_as(column)), "key": column.primary_key}
    return {**described, "null": column.nullable, "references": references, "encrypted": _is_encrypted(column)}


def _is_encrypted(column: Column[Any]) -> bool:
    return isinstance(column.type, EncryptedText | EncryptedJson)


def _stored_as(column: Column[Any]) -> TypeEngine[Any]:
    return column.type.impl_instance if isinstance(column.type, TypeDecorator) else column.type


def _as_stored(column: Column[Any], *, decrypt: bool) -> ColumnElement[Any]:
    stays = _is_encrypted(column) and not decrypt
    return type_coerce(column, _stored_as(column)).label(column.name) if stays else column


def _field(value: Any, column: Column[Any]) -> str:
    if value is None:
        return ""
    if isinstance(_stored_as(column), JSON):
        text = json.dumps(value, ensure_ascii=False)
    elif isinstance(value, bool):
        return str(value).lower()
    elif isinstance(value, int | Decimal):
        return str(value)
    else:
        text = value.isoformat() if isinstance(value, date) else value
    return '"' + text.replace('"', '""') + '"'
