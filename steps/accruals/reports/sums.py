"""Exact sums made by the database: SQLite would add binary floats, so both databases add whole cents."""

from decimal import Decimal
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Float, case, cast, func, literal_column, type_coerce

_TOO_LARGE: ColumnElement[float] = literal_column("1e13")


def cents(column: Any) -> ColumnElement[int]:
    """A money column in whole cents; exact, since either database keeps amounts of up to 15 digits apart.

    What is no amount that the column may hold (a text, a not-a-number) counts 0: its contract is reported elsewhere.
    """
    # Coerced, because the column's own type would bind numbers as texts with two decimals.
    number = type_coerce(column, Float)
    whole = cast(func.round(number * literal_column("100")), BigInteger)
    return case((func.abs(number) < _TOO_LARGE, whole), else_=literal_column("0", BigInteger))


def sum_of_cents(column: Any) -> ColumnElement[int]:
    """The sum of a money column, in cents; 0 of no rows."""
    return cast(func.coalesce(func.sum(cents(column)), 0), BigInteger)


def from_cents(amount: int | None) -> Decimal:
    """Cents as an amount with two decimals; none of them are 0.00."""
    return Decimal(amount or 0).scaleb(-2)
