"""A second reading of the vendors' records, which imports nothing of the program."""

import json
import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

from tests.fuzz.proxy import Kind

_ZONE = ZoneInfo("Europe/Madrid")
_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,3})?")
_LONGEST = 1000
_LARGEST = Fraction("999999999999.99")
_LOST = re.compile("[\x00\ud800-\udfff]")


class Number(str):
    """A JSON number as it was written."""

    __slots__ = ()


def read(row: bytes) -> Any:
    """A row, its numbers as they were written, characters that nobody can keep as U+FFFD."""
    text = row.decode("utf-8", "surrogateescape")
    return _kept(json.loads(text, strict=False, parse_float=Number, parse_int=Number, parse_constant=str))


def _kept(value: Any) -> Any:
    if isinstance(value, dict):
        return {_kept(name): _kept(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_kept(each) for each in value]
    return value if isinstance(value, Number) or not isinstance(value, str) else _LOST.sub("\ufffd", value)


def identifier(row: Any) -> str:
    """What a row is known by; empty if that cannot be."""
    value = row.get("id") if isinstance(row, dict) else None
    if isinstance(value, Number):
        return value if re.fullmatch("-?[0-9]{1,200}", value) else ""
    text = value.strip() if isinstance(value, str) else ""
    return text if len(text) <= 200 else ""


def different(kind: Kind, rows: Iterable[bytes]) -> int:
    """How many of them are records of their own.

    Copies that are alike in everything are one; of a page that was edited while the list was read the newer one counts.
    Pages in the trash are none.
    """
    by_id: dict[str, list[Any]] = defaultdict(list)
    for row in map(read, rows):
        if kind == "page" and isinstance(row, dict) and True in (row.get("in_trash"), row.get("archived")):
            continue
        by_id[identifier(row) or json.dumps(_plain(row), sort_keys=True)].append(row)
    return sum(1 + sum(_is_other(kind, copies[0], each) for each in copies[1:]) for copies in by_id.values())


def _is_other(kind: Kind, first: Any, copy: Any) -> bool:
    if kind in ("page", "enrollment"):
        stamp = "last_edited_time" if kind == "page" else "updated_at"
        return bool(first.get(stamp) == copy.get(stamp) and _plain(first) != _plain(copy))
    return bool(_plain(first) != _plain(copy))


def _plain(value: Any) -> Any:
    """Equal for rows that mean the same: 1 and 1.0."""
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list):
        return list(map(_plain, value))
    exact = cents(value, in_cents=False) if isinstance(value, Number) else None
    return value if exact is None else str(exact)


def cents(value: Any, *, in_cents: bool = True) -> Fraction | None:
    """An amount, rounded half up to the cent; None if it is none."""
    if not isinstance(value, str) or len(value) > _LONGEST or not _NUMBER.fullmatch(value.strip()):
        return None
    exact = Fraction(Decimal(value.strip()))
    if not in_cents:
        return exact
    if not -_LARGEST <= exact <= _LARGEST:
        return None
    whole = Fraction(int(abs(exact) * 100 + Fraction(1, 2)), 100)
    return whole if exact >= 0 else -whole


@dataclass(frozen=True)
class Reading:
    """What a document counts."""

    day: date
    total: Fraction
    net: Fraction
    currency: str


def read_document(kind: Kind, row: Any) -> Reading | None:
    """A document as it has to be stored; None if it has to be refused."""
    if not isinstance(row, dict) or not identifier(row) or "\ufffd" in identifier(row):
        return None
    total, day = cents(row.get("total")), local_day(row.get("date"))
    tax = Fraction(0) if row.get("tax") in (None, "") else cents(row.get("tax"))
    given = row.get("currency")
    currency = (given if isinstance(given, str) and given and not isinstance(given, Number) else "EUR").strip().upper()
    currency = currency or "EUR"
    if total is None or tax is None or day is None or not re.fullmatch("[A-Z]{3}", currency):
        return None
    if kind == "credit_note":
        return Reading(day, -abs(total), abs(tax) - abs(total), currency)
    return Reading(day, total, total - tax, currency)


def local_day(value: Any) -> date | None:
    """The day in Madrid of a time in Unix seconds."""
    if not isinstance(value, str) or not re.fullmatch(r"-?[0-9]{1,10}(\.0+)?", value.strip()):
        return None
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=int(value.strip().partition(".")[0]))
    day = moment.astimezone(_ZONE).date()
    return day if 2000 <= day.year <= 2100 else None
