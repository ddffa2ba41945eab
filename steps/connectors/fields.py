"""Fields of a vendor's record: what each may hold, PHP-like empties included; anything else is refused by name."""

from datetime import UTC, date, datetime, tzinfo
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from steps.connectors.json_value import Json, is_repaired
from steps.domain.money import ZERO, parse_amount

EARLIEST_YEAR, LATEST_YEAR = 2000, 2100
"""Outside, a date is a fault of the record: 0, milliseconds read as seconds."""
LONGEST_IDENTIFIER = 200
"""Characters; the vendors' own have 36 at most, and a database's index takes some 2,000."""


def is_empty(value: Json) -> bool:
    """Null, "", 0, [] and {}: all of them mean "nothing" in Holded's answers (vendors/holded.md, contacts)."""
    return value is None or (not isinstance(value, bool) and value in (0, "", [], {}))


class FieldError(ValueError):
    """A field of a record holds what it cannot mean; the message names the field."""


def record(row: Json) -> dict[str, Any]:
    """A row as the object it should be.

    Raises:
        FieldError: it is something else.
    """
    if not isinstance(row, dict):
        raise FieldError("an object was expected")
    return row


def text(row: dict[str, Any], name: str) -> str:
    """A text, trimmed; empty when there is none.

    Raises:
        FieldError: it holds something else, a number included: an email of `12345` is a fault.
    """
    value = row.get(name)
    if is_empty(value):
        return ""
    if not isinstance(value, str):
        raise FieldError(f"{name} {value!r} is no text")
    return value.strip()


def code(row: dict[str, Any], name: str) -> str:
    """A text that may come as a whole number: ids, account numbers, numbered states.

    Raises:
        FieldError: it holds something else.
    """
    value = row.get(name)
    return str(value) if isinstance(value, int) and value and not isinstance(value, bool) else text(row, name)


def identifier(row: dict[str, Any], name: str = "id") -> str:
    """The id of a record.

    Raises:
        FieldError: there is none, or none that can be one.
    """
    value = reference(row, name)
    if not value:
        raise FieldError(f"{name} is missing")
    return value


def reference(row: dict[str, Any], name: str = "id") -> str:
    """The id of another record; empty when there is none.

    Raises:
        FieldError: it is too long to be one, or characters of it are lost: it would be another one's.
    """
    value = code(row, name)
    if len(value) > LONGEST_IDENTIFIER or is_repaired(value):
        raise FieldError(f"{name} {value[:20]!r}... is no id")
    return value


def child(row: dict[str, Any], name: str) -> dict[str, Any]:
    """An object inside the record; an empty one when there is none.

    Raises:
        FieldError: it holds something else.
    """
    value = row.get(name)
    if is_empty(value):
        return {}
    if not isinstance(value, dict):
        raise FieldError(f"{name} {value!r} is no object")
    return value


def children(row: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """A list of objects inside the record.

    Raises:
        FieldError: it holds something else.
    """
    value = row.get(name)
    if is_empty(value):
        return []
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise FieldError(f"{name} is no list of objects")
    return value


def amount(row: dict[str, Any], name: str, *, optional: bool = False) -> Decimal:
    """An amount in cents; a missing optional one is zero.

    Raises:
        FieldError: it is missing or no amount.
    """
    value = row.get(name)
    if value is None or value == "":
        if optional:
            return ZERO
        raise FieldError(f"{name} is missing")
    try:
        return parse_amount(value)
    except ValueError as error:
        raise FieldError(f"{name}: {error}") from error


def unix_day(row: dict[str, Any], name: str, zone: ZoneInfo) -> date:
    """The day of a local midnight given in Unix seconds (vendors/holded.md, Time).

    Raises:
        FieldError: no whole number of seconds, or a year that cannot be.
    """
    value = row.get(name)
    try:
        day = datetime.fromtimestamp(int(parse_amount(value)), zone).date()
    except (ValueError, ArithmeticError, OSError):
        raise FieldError(f"{name} {value!r} is no time in Unix seconds") from None
    return _credible(name, day)


def moment(row: dict[str, Any], name: str) -> datetime | None:
    """An ISO-8601 time with or without microseconds, in UTC; none when empty.

    Raises:
        FieldError: it is no such time.
    """
    value = row.get(name)
    if is_empty(value):
        return None
    return _iso(name, value, UTC).astimezone(UTC)


def iso_day(name: str, value: Json, zone: ZoneInfo) -> date:
    """The local day of a date, or of a time with its offset.

    Raises:
        FieldError: it is neither.
    """
    if isinstance(value, str) and len(value) == len("2025-03-01"):
        return _credible(name, _iso(name, value, zone).date())
    return _credible(name, _iso(name, value, zone).astimezone(zone).date())


def _iso(name: str, value: Json, default_zone: tzinfo) -> datetime:
    try:
        parsed = datetime.fromisoformat(value)
        _credible(name, parsed.date())
    except (TypeError, ValueError):
        raise FieldError(f"{name} {value!r} is no date or time") from None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=default_zone)


def _credible(name: str, day: date) -> date:
    if not EARLIEST_YEAR <= day.year <= LATEST_YEAR:
        raise FieldError(f"{name} {day} is not between {EARLIEST_YEAR} and {LATEST_YEAR}")
    return day
