"""Column types that behave the same on SQLite and PostgreSQL: exact money, aware UTC times."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import DateTime, Dialect, Numeric
from sqlalchemy.dialects.sqlite import DATETIME as SQLITE_DATETIME
from sqlalchemy.types import TypeDecorator, TypeEngine, UserDefinedType


class _SqliteNumeric(UserDefinedType[str]):
    """NUMERIC with text bound to it: SQLite keeps up to 15 digits exactly and no binary float is made on the way."""

    cache_ok = True

    def __init__(self, precision: int, scale: int) -> None:
        self.precision, self.scale = precision, scale

    def get_col_spec(self, **_: object) -> str:
        return f"NUMERIC({self.precision}, {self.scale})"


class ExactNumeric(TypeDecorator[Decimal]):
    """`NUMERIC(precision, scale)` that is a `Decimal` on both sides of either database."""

    impl = Numeric
    cache_ok = True

    def __init__(self, precision: int, scale: int) -> None:
        super().__init__(precision, scale)
        self.precision, self.scale = precision, scale
        self._quantum = Decimal(1).scaleb(-scale)

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """SQLite gets text: its driver would make a float of a Decimal."""
        if dialect.name == "sqlite":
            return dialect.type_descriptor(_SqliteNumeric(self.precision, self.scale))
        return dialect.type_descriptor(Numeric(self.precision, self.scale))

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> Any:
        """A Decimal with more digits than the column holds is a programming error, never a silent rounding."""
        if value is None:
            return None
        exact = value.quantize(self._quantum)
        if exact != value:
            raise ValueError(f"{value} has more than {self.scale} decimals")
        return str(exact) if dialect.name == "sqlite" else exact

    def process_result_value(self, value: Any, dialect: Dialect) -> Decimal | None:  # noqa: ARG002
        """The shortest text of SQLite's number is the number that was stored."""
        return None if value is None else Decimal(str(value)).quantize(self._quantum)


def money() -> ExactNumeric:
    """Cents, up to 999,999,999,999.99 (interfaces.md, Tables)."""
    return ExactNumeric(14, 2)


class UtcDateTime(TypeDecorator[datetime]):
    """An aware UTC time. SQLite stores it with its `+00:00`, so that nobody who reads the file has to guess."""

    impl = DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """PostgreSQL has the type; SQLite stores text that sorts by time."""
        if dialect.name == "sqlite":
            return dialect.type_descriptor(
                SQLITE_DATETIME(  # type: ignore[no-untyped-call]
                    storage_format=(
                        "%(year)04d-%(month)02d-%(day)02d %(hour)02d:%(minute)02d:%(second)02d.%(microsecond)06d+00:00"
                    ),
                    regexp=r"(\d+)-(\d+)-(\d+) (\d+):(\d+):(\d+)\.(\d+)",
                )
            )
        return dialect.type_descriptor(DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Naive times are refused: nobody knows which hour they mean."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value} has no time zone")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Whatever session zone the database speaks, what comes out is UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def utc_now() -> datetime:
    """The present moment, aware."""
    return datetime.now(UTC)
