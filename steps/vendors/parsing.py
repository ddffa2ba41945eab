"""From a vendor's bytes to fields that can be trusted: JSON, answers, rows and lists, single values."""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, tzinfo
from decimal import Decimal, InvalidOperation
from email.utils import parsedate_to_datetime
from functools import partial
from math import isfinite
from typing import Any, Generic, TypeVar
from zoneinfo import ZoneInfo

from pydantic_core import to_jsonable_python

from steps.errors import (
    RecordRejectedError,
    RecordRepairedError,
    VendorPayloadError,
)
from steps.ledger.money import ZERO, parse_amount
from tracking.redaction import redact_message

Json = Any
"""Any JSON value, as it came: nobody has vouched for its shape yet."""

DEEPEST = 100
"""Levels of nesting; the vendors' records have less than ten."""
REPLACEMENT = "\ufffd"
"""Stands where characters were lost: what has it is worth asking for again."""
UNSTORABLE = "characters that cannot be stored (bytes that are no UTF-8, NUL, or half of a surrogate pair)"
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_UNSTORABLE_ESCAPE = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")
_PLAIN = frozenset({str, int, bool, type(None)})
"""Types that stay as they are: most values are of these, and a call for each takes the longest of all."""
_LONGEST_INTEGER = 16
"""Digits up to which a whole number such as `5850.00` is shown as an integer."""


class UnusableJsonError(ValueError):
    """It is JSON to some, and holds what nobody can use; the message says what."""


class RepairedRecord(dict[str, Any]):
    """An object in which characters that no database stores were replaced by U+FFFD, at whatever depth."""


def parse_json(body: bytes, parse_float: Callable[[str], Json] = Decimal) -> Json:
    """The value of a body. Whatever is wrong with one text or number in it stays with the record that holds it.

    Bytes that are no UTF-8, NUL and lone surrogates are replaced, and the objects that hold them are `RepairedRecord`.
    A number that is too large to be one stays the text it was written as, and so do NaN and Infinity, which are none: a
    field that needs a number refuses that.

    Raises:
        UnusableJsonError: it nests too deep.
        ValueError: it is no JSON.
    """
    encoding, damaged = json.detect_encoding(body), False
    try:
        text = body.decode(encoding)
    except UnicodeDecodeError:  # the bytes that are none are lone surrogates in the text
        text = body.decode(encoding, "surrogateescape" if encoding.startswith("utf-8") else "replace")
        damaged = True
    try:
        value = _loads(text, parse_float)
    except RecursionError:
        raise UnusableJsonError(f"it nests deeper than {DEEPEST} levels") from None
    if _is_too_deep(value):
        raise UnusableJsonError(f"it nests deeper than {DEEPEST} levels")
    suspect = damaged or b"\x00" in body or _UNSTORABLE_ESCAPE.search(body)
    return _repair(value)[0] if suspect else value


def storable(text: str) -> str:
    """The text with U+FFFD for NUL and lone surrogates, which no database takes."""
    return _UNSTORABLE.sub(REPLACEMENT, text)


def plain(value: Json) -> Json:
    """A vendor's record as JSON columns hold it: an exact number becomes an integer, or a float of the same digits.

    A number that no float holds, such as 1e400, becomes its text.
    """
    if isinstance(value, Decimal):
        if value == value.to_integral_value() and value.adjusted() < _LONGEST_INTEGER:
            return int(value)
        return float(value) if isfinite(float(value)) else str(value)
    if isinstance(value, dict):
        return {key: item if type(item) in _PLAIN else plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list) else value


def pack(row: dict[str, Any]) -> str:
    """A vendor's record as one line of JSON, in a fifth of its memory; `json.loads` gives what `plain` would."""
    return json.dumps(row, default=plain)


def finite_float(text: str) -> Json:
    """The number as a float; as it was written when no float holds it."""
    value = float(text)
    return value if isfinite(value) else text


def _loads(text: str, parse_float: Callable[[str], Json]) -> Json:
    """A line break inside a text harms nobody. Numbers are looked at one by one only where one is too large."""
    read = partial(json.loads, text, strict=False, parse_constant=str)
    try:
        return read(parse_float=parse_float)
    except json.JSONDecodeError:
        raise
    except (ValueError, InvalidOperation):
        return read(parse_float=partial(_or_text, parse_float), parse_int=partial(_or_text, int))


def _or_text(parse: Callable[[str], Json], text: str) -> Json:
    try:
        return parse(text)
    except (ValueError, InvalidOperation):
        return text


def _is_too_deep(value: Json) -> bool:
    """Level by level: a recursion would be what it is to prevent."""
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(DEEPEST + 1):
        level = [
            item
            for each in level
            for item in (each.values() if type(each) is dict else each)
            if type(item) is dict or type(item) is list
        ]
        if not level:
            return False
    return True


def _repair(value: Json) -> tuple[Json, bool]:
    """The value as it can be stored, and whether something was replaced in it."""
    if isinstance(value, str):
        text = storable(value)
        return text, text != value
    if isinstance(value, dict):
        items = {storable(key): _repair(item) for key, item in value.items()}
        changed = any(each for _, each in items.values()) or items.keys() != value.keys()
        return (RepairedRecord if changed else dict)({key: item for key, (item, _) in items.items()}), changed
    if isinstance(value, list):
        parts = [_repair(item) for item in value]
        return [item for item, _ in parts], any(changed for _, changed in parts)
    return value, False


TRANSIENT = frozenset({408, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524, 529})
"""Statuses that a later try may change, whatever the vendor."""
_LONGEST_SNIPPET = 200
_REASONS = ("info", "detail", "message", "error", "title", "non_field_errors", "error_details")
"""Keys under which one backend or another says why, best first (docs/vendors.md; RFC 9457)."""


class CutShortError(VendorPayloadError):
    """A body that begins as JSON and does not end: a dropped connection, so it is asked for again."""


@dataclass(frozen=True)
class Answer:
    """One answer, read to its end."""

    vendor: str
    request: str
    """Method and path without query."""
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The body for people; what is no UTF-8 is marked, never an error."""
        return self.body.decode("utf-8", "replace")

    def json(self, parse_float: Callable[[str], Json] = Decimal) -> Json:
        """The body as JSON, whatever `Content-Type` says (docs/vendors.md, Holded errors: JSON labelled text/html).

        Raises:
            CutShortError: it begins as JSON, or is empty.
            VendorPayloadError: it holds what nobody can use, or is something else, such as the web app's page.
        """
        try:
            return parse_json(self.body, parse_float)
        except UnusableJsonError as error:
            verdict = f"the answer cannot be used: {error}"
            raise VendorPayloadError(self.vendor, self.request, verdict, status=self.status) from error
        except ValueError as error:
            raise self._not_json(error) from error

    def _not_json(self, error: Exception) -> VendorPayloadError:
        start = self.body.lstrip()[:1]
        if start in (b"", b"[", b"{"):
            verdict = f"the JSON of the answer is cut short or damaged ({error})"
            return CutShortError(self.vendor, self.request, verdict, status=self.status)
        what = "an HTML page" if start == b"<" else "no JSON"
        return VendorPayloadError(
            self.vendor,
            self.request,
            f"{self.status} with {what} where JSON was expected: the path of the base URL is wrong, or the credential "
            f"lacks permission for this module ({snippet(self.text)})",
            status=self.status,
        )

    def is_page(self) -> bool:
        """Whether the body is HTML, as of a path that no API has."""
        return self.body.lstrip()[:1] == b"<"

    def reason(self) -> str:
        """What the vendor says went wrong, short and without secrets."""
        try:
            body = parse_json(self.body, float)
        except ValueError:
            return snippet("an HTML page" if self.is_page() else self.text)
        return snippet(reason_of(body))

    def retry_after(self) -> float | None:
        """Seconds to wait, from `Retry-After` as seconds or as a date; None when there is none that can be read."""
        value = self.headers.get("retry-after", "").strip()
        if re.fullmatch(r"\d{1,9}(\.\d+)?", value):
            return float(value)
        try:
            moment = parsedate_to_datetime(value)
        except ValueError:
            return None
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return max(0.0, (moment - datetime.now(UTC)).total_seconds())


def reason_of(body: Json) -> str:
    """The reason in an error body of any of the vendors; the whole body when no known key has one."""
    if isinstance(body, dict):
        for key in _REASONS:
            value = body.get(key)
            if value and isinstance(value, str | list):
                return value if isinstance(value, str) else "; ".join(map(str, value))
        return json.dumps({key: item for key, item in body.items() if key != "status_code"}, ensure_ascii=False)
    return str(body)


def snippet(text: str) -> str:
    """One short line. Redacted before it is cut: half a secret would be shown otherwise."""
    line = " ".join(redact_message(storable(text), emails=True).split())
    return line if len(line) <= _LONGEST_SNIPPET else f"{line[:_LONGEST_SNIPPET]}..."


Record = TypeVar("Record")


@dataclass(frozen=True)
class Listing(Generic[Record]):
    """A whole list. A record with a fault of its own is in `rejected`, so that nothing is lost silently."""

    records: list[Record] = field(default_factory=list)
    rejected: list[RecordRejectedError] = field(default_factory=list)

    @property
    def count(self) -> int:
        """How many records the vendor sent: a repaired one is in both lists."""
        return len(self.records) + sum(not isinstance(each, RecordRepairedError) for each in self.rejected)


EARLIEST_YEAR, LATEST_YEAR = 2000, 2100
"""Outside, a date is a fault of the record: 0, milliseconds read as seconds."""
LONGEST_IDENTIFIER = 200
"""Characters; the vendors' own have 36 at most, and a database's index takes some 2,000."""
LONGEST_NAME = 1000
"""Characters."""


def is_empty(value: Json) -> bool:
    """Null, "", 0, [] and {}: all of them mean "nothing" in Holded's answers (docs/vendors.md, Holded documents)."""
    return not value and value is not False


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


def name_of(row: dict[str, Any], name: str, read: Callable[[dict[str, Any], str], str] = code) -> str:
    """What a person, a company or an account is called, as `read` reads it.

    Raises:
        FieldError: it cannot be read, or is too long to be a name.
    """
    value = read(row, name)
    if len(value) > LONGEST_NAME:
        raise FieldError(f"{name} {value[:20]!r}... has {len(value):,} characters: it is no name")
    return value


def identifier(row: dict[str, Any]) -> str:
    """The id of a record.

    Raises:
        FieldError: there is none, or none that can be one.
    """
    value = reference(row)
    if not value:
        raise FieldError("id is missing")
    return value


def reference(row: dict[str, Any], name: str = "id") -> str:
    """The id of another record; empty when there is none.

    Raises:
        FieldError: it is too long to be one, or characters of it are lost: it would be another one's.
    """
    value = code(row, name)
    if len(value) > LONGEST_IDENTIFIER or REPLACEMENT in value:
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


_SECONDS = re.compile(r"(-?[0-9]{1,10})(?:\.0+)?")
"""Up to the year 2286, and whole ones: rounded, the last one of a day may be the next day's."""


def unix_day(row: dict[str, Any], name: str, zone: ZoneInfo) -> date:
    """The day of a local midnight given in Unix seconds (docs/vendors.md, Holded time).

    Raises:
        FieldError: no whole number of seconds, or a year that cannot be.
    """
    value = row.get(name)
    seconds = _SECONDS.fullmatch(str(value).strip())
    if seconds is None:
        raise FieldError(f"{name} {value!r} is no time in Unix seconds")
    day = datetime.fromtimestamp(int(seconds[1]), zone).date()
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


def day(row: dict[str, Any], name: str, zone: ZoneInfo) -> date | None:
    """The local day of such a time; none when empty.

    Raises:
        FieldError: it is no such time.
    """
    found = moment(row, name)
    return found.astimezone(zone).date() if found else None


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


Parsed = TypeVar("Parsed")


class Rows(Generic[Parsed]):
    """What the pages of one list brought so far. Each row is read as it comes: the rows themselves are not kept."""

    def __init__(
        self,
        entity_type: str,
        parse: Callable[[dict[str, Any]], Parsed],
        *,
        stamp: str | None = None,
        show: Callable[[Parsed], Json] = to_jsonable_python,
    ) -> None:
        """Args: `stamp` names the field that moves when a row is edited: a newer copy then replaces the older one.

        `show` gives a record that was read, for people to look at.
        """
        self.entity_type = entity_type
        self._parse, self._stamp, self._show = parse, stamp, show
        self._conflicts: list[RecordRejectedError] = []
        self._by_key: dict[str, _Copy[Parsed]] = {}

    def __len__(self) -> int:
        return len(self._by_key)

    def ids(self) -> frozenset[str]:
        """Every id seen, of good and of faulty rows alike."""
        return frozenset(key for key in self._by_key if not key.startswith(_WITHOUT_ID))

    def add(self, page: Iterable[Any]) -> int:
        """Take a page in. Returns how many of its rows were not known yet: 0 means the page repeats."""
        before = len(self._by_key)
        for row in page:
            key = id_of(row) or f"{_WITHOUT_ID}{json.dumps(plain(row), sort_keys=True)}"
            stamp = str(row.get(self._stamp)) if self._stamp and isinstance(row, dict) else ""
            try:
                parsed = parse_row(self.entity_type, row, self._parse)
            except RecordRejectedError as error:
                copy: _Copy[Parsed] = _Copy(None, error, stamp)
            else:
                repaired = _repaired(self.entity_type, row) if isinstance(row, RepairedRecord) else None
                copy = _Copy(parsed, repaired, stamp)
            self._put(key, copy, row)
        return len(self._by_key) - before

    def take(self, other: "Rows[Parsed]") -> None:
        """Take in what another list brought, its conflicts too."""
        self._conflicts.extend(other._conflicts)
        for key, copy in other._by_key.items():
            self._put(key, copy)

    def emptied(self) -> "Rows[Parsed]":
        """The same kind of list, to be read anew."""
        return Rows(self.entity_type, self._parse, stamp=self._stamp, show=self._show)

    def listing(self) -> Listing[Parsed]:
        """Each row by itself: a fault in one does not touch the others.

        A row with characters that cannot be stored is taken without them, and is among the rejected ones besides.
        """
        copies = self._by_key.values()
        records = [each.record for each in copies if each.record is not None]
        return Listing(records, [*self._conflicts, *(each.error for each in copies if each.error is not None)])

    def _put(self, key: str, copy: "_Copy[Parsed]", row: Json = None) -> None:
        """Keep one of two copies of an id: it was edited while the list was read, or is used twice."""
        known = self._by_key.setdefault(key, copy)
        if known is copy or known.content == copy.content:
            return
        if known.stamp != copy.stamp:
            self._by_key[key] = max(known, copy, key=lambda each: each.stamp)
            return
        kept, dropped = (self._show(each.record) if each.record else each.content[1] for each in (known, copy))
        message = f"{self.entity_type} {key}: this id is used twice with different content; the first is kept"
        both = {"kept": kept, "dropped": dropped if row is None else plain(row)}
        self._conflicts.append(RecordRejectedError(self.entity_type, key, message, both))


_WITHOUT_ID = "without id: "
"""How the key of a row without an id begins; its content follows."""


@dataclass(frozen=True, slots=True)
class _Copy(Generic[Parsed]):
    """One row as it was read."""

    record: Parsed | None
    """None: it cannot be read, and `error` says why; a repaired row has both."""
    error: RecordRejectedError | None
    stamp: str

    @property
    def content(self) -> tuple[Parsed | None, Json]:
        """What tells two copies apart: the record, and the vendor's of one with an error."""
        return self.record, self.error and self.error.record


def parse_row(entity_type: str, row: Json, parse: Callable[[dict[str, Any]], Parsed]) -> Parsed:
    """One record.

    Raises:
        RecordRejectedError: with the field that is wrong, and the vendor's record.
    """
    external_id = id_of(row)
    try:
        return parse(record(row))
    except ValueError as error:
        message = f"{entity_type} {external_id or 'without id'}: {error}"
        raise RecordRejectedError(entity_type, external_id, message, plain(row) or {"record": plain(row)}) from error


def _repaired(entity_type: str, row: Json) -> RecordRepairedError:
    return RecordRepairedError(
        entity_type,
        id_of(row),
        f"{entity_type} {id_of(row)} holds {UNSTORABLE}: taken with U+FFFD instead",
        plain(row),
    )


def id_of(row: Json) -> str:
    """The id of a raw row as text; empty when it has none that can be one."""
    value = row.get("id") if isinstance(row, dict) else None
    text = str(value).strip() if isinstance(value, int | str) and not isinstance(value, bool) else ""
    return text if len(text) <= LONGEST_IDENTIFIER else ""
