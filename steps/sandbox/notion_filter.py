"""The fake Notion's schema and filters."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from operator import attrgetter
from typing import Any

from steps.sandbox.exchange import Json, Modes
from steps.sandbox.records import MADRID, Page, PageDate, notion_time

STATUS_COLORS = {
    "Active": "green", "Graduated": "blue", "Dropped": "red", "Early Dropped": "pink", "Suspended": "orange",
    "Early Postponed": "yellow", "Not Completing": "brown",
}  # fmt: skip


@dataclass(frozen=True)
class Property:
    """One column of the database."""

    name: str
    id: str
    """As the schema gives it, URL-encoded."""
    type: str
    usual_name: str
    plain: Callable[[Page], Any]
    """What filters and sorts see: text, a status name, an ISO date."""

    def value(self, page: Page) -> Json:
        """The property as a page object carries it."""
        if self.usual_name in page.raw:
            spoiled: Json = page.raw[self.usual_name]
            return spoiled
        plain = self.plain(page)
        shown = _SHAPES[self.type](plain) if self.type in _SHAPES else plain
        return {"id": self.id, "type": self.type, self.type: shown}

    def schema(self) -> Json:
        """The property as the database's schema lists it."""
        options = [{"id": name.lower(), "name": name, "color": color} for name, color in STATUS_COLORS.items()]
        detail: Json = {"options": options} if self.type in {"select", "status"} else {}
        return {"id": self.id, "name": self.name, "type": self.type, self.type: detail}


def properties(modes: Modes) -> list[Property]:
    """The columns, as somebody may have renamed or retyped them."""
    columns: list[tuple[str, str, str, Callable[[Page], Any]]] = [
        ("Name", "title", "title", lambda page: page.name),
        ("Email", "aB%3Ac", modes.notion_email_type, lambda page: page.email),
        ("Educational Status", "q%7Dx1", modes.notion_status_type, lambda page: page.status),
        ("Progress", "st01", "status", lambda _: "Active"),
        ("Drop Date", "dr01", "date", lambda page: page.drop_date),
        ("Certificated At", "ce01", "date", lambda page: page.certified_at),
        ("Notes", "rt01", "rich_text", lambda _: None),
        ("Tags", "ms01", "multi_select", lambda _: []),
        ("Mentor", "pe01", "people", lambda _: []),
        ("Score", "nu01", "number", lambda page: round(len(page.name) * 5.25, 2)),
        ("Paid", "cb01", "checkbox", lambda _: False),
    ]
    renamed = modes.notion_property_names
    return [Property(renamed.get(name, name), key, kind, name, plain) for name, key, kind, plain in columns]


def rich_text(text: str | None) -> list[Json]:
    """Text as Notion's pieces, in two when it is long enough, since clients must join them."""
    if not text:
        return []
    cut = text.find(" ") + 1
    return [_piece(part) for part in (text[:cut], text[cut:]) if part]


def _piece(text: str) -> Json:
    flags = dict.fromkeys(("bold", "italic", "strikethrough", "underline", "code"), False)
    annotations: Json = {**flags, "color": "default"}
    content = {"content": text, "link": None}
    return {"type": "text", "text": content, "annotations": annotations, "plain_text": text, "href": None}


def _option(name: str | None) -> Json | None:
    return {"id": name.lower()[:4], "name": name, "color": STATUS_COLORS.get(name, "default")} if name else None


def _date(value: PageDate | None) -> Json | None:
    if value is None:
        return None
    local = value.at.astimezone(MADRID).isoformat(timespec="milliseconds") if value.at else None
    end = value.end.isoformat() if value.end else None
    return {"start": local or value.start.isoformat(), "end": end, "time_zone": None}


def date_text(value: PageDate | None) -> str | None:
    """What a date filter compares: the ISO text, moments in UTC."""
    if value is None:
        return None
    return value.at.astimezone(UTC).isoformat() if value.at else value.start.isoformat()


_SHAPES: dict[str, Callable[[Any], Any]] = {
    "title": rich_text,
    "rich_text": rich_text,
    "select": _option,
    "status": _option,
    "date": _date,
}
"""Of the types whose value is not just the plain one."""


LARGEST_GROUP = 100
DEEPEST = 2
Test = Callable[[Page], bool]
Operator = Callable[[Any, Any], bool]

_EQUALITY: dict[str, Operator] = {
    "equals": lambda value, given: value == given,
    "does_not_equal": lambda value, given: value != given,
}
_TEXT: dict[str, Operator] = {
    "contains": lambda value, given: given in (value or ""),
    "does_not_contain": lambda value, given: given not in (value or ""),
    "starts_with": lambda value, given: (value or "").startswith(given),
    "ends_with": lambda value, given: (value or "").endswith(given),
}
_ORDER: dict[str, Operator] = {
    "equals": lambda value, given: value == given,
    "before": lambda value, given: value < given,
    "after": lambda value, given: value > given,
    "on_or_before": lambda value, given: value <= given,
    "on_or_after": lambda value, given: value >= given,
}
_PRESENCE: dict[str, Operator] = {
    "is_empty": lambda value, _: value in (None, "", []),
    "is_not_empty": lambda value, _: value not in (None, "", []),
}
_OPERATORS: dict[str, dict[str, Operator]] = {
    **dict.fromkeys(("title", "rich_text", "email"), _EQUALITY | _TEXT | _PRESENCE),
    **dict.fromkeys(("select", "status", "checkbox", "number"), _EQUALITY | _PRESENCE),
    "date": _ORDER | _PRESENCE,
}


TIMESTAMPS = {"created_time": attrgetter("created_at"), "last_edited_time": attrgetter("last_edited_at")}


class BadFilterError(Exception):
    """What the API answers 400 `validation_error` to; the text is the message."""


@dataclass(frozen=True)
class _Equals:
    """The condition that a property is a text."""

    column: Property
    text: str

    def __call__(self, page: Page) -> bool:
        return bool(self.column.plain(page) == self.text)


def compile_filter(given: Any, columns: Mapping[str, Property], depth: int = 0) -> Test:
    """The filter as a test.

    Raises:
        BadFilterError: an unknown property or operator, another type than the property's, too many conditions
            in a group, or groups nested too deep.
    """
    if not isinstance(given, dict):
        raise BadFilterError("body failed validation: body.filter should be an object.")
    for word, combine in (("or", any), ("and", all)):
        if word in given:
            return _group(word, combine, given[word], columns, depth)
    if "timestamp" in given:
        return _timestamp(given)
    return _condition(given, columns)


def _group(word: str, combine: Callable[[Any], bool], parts: Any, columns: Mapping[str, Property], depth: int) -> Test:
    if not isinstance(parts, list):
        raise BadFilterError(f"body failed validation: body.filter.{word} should be an array.")
    if len(parts) > LARGEST_GROUP:
        raise BadFilterError(
            f"body failed validation: body.filter.{word}.length should be ≤ {LARGEST_GROUP}, instead was {len(parts)}."
        )
    if depth >= DEEPEST:
        raise BadFilterError(f"body failed validation: filters may be nested {DEEPEST} levels deep.")
    tests = [compile_filter(part, columns, depth + 1) for part in parts]
    equal = [test for test in tests if isinstance(test, _Equals)]
    if word == "or" and len(equal) == len(tests) and len({test.column.id for test in equal}) == 1:
        # The lookup of many addresses at once, without trying each condition on each page.
        plain, texts = equal[0].column.plain, {test.text for test in equal}
        return lambda page: plain(page) in texts
    return lambda page: combine(test(page) for test in tests)


def _condition(given: dict[str, Any], columns: Mapping[str, Property]) -> Test:
    name = given.get("property")
    column = columns.get(name) if isinstance(name, str) else None
    if column is None:
        raise BadFilterError(f"Could not find property with name or id: {name}")
    kinds = [key for key in given if key not in {"property", "type"}]
    if kinds != [column.type]:
        raise BadFilterError(f"database property {column.type} does not match filter {''.join(kinds)}")
    compare, value = _operator(given[column.type], _OPERATORS.get(column.type, _PRESENCE))
    if column.type == "date" and compare not in _PRESENCE.values():
        return lambda page: _compare_dates(compare, date_text(column.plain(page)), value)
    if compare is _EQUALITY["equals"] and isinstance(value, str):
        return _Equals(column, value)
    return lambda page: compare(column.plain(page), value)


def _operator(given: Any, operators: dict[str, Operator]) -> tuple[Operator, Any]:
    if not isinstance(given, dict) or len(given) != 1 or next(iter(given)) not in operators:
        raise BadFilterError(f"body failed validation: body.filter should have one of {', '.join(operators)}.")
    name, value = next(iter(given.items()))
    return operators[name], value


def _timestamp(given: dict[str, Any]) -> Test:
    """`created_time` and `last_edited_time` are compared as they are shown: rounded down to the minute."""
    kind = given["timestamp"]
    if kind not in TIMESTAMPS:
        raise BadFilterError("body failed validation: body.filter.timestamp is not a timestamp.")
    compare, value = _operator(given.get(kind), _ORDER)
    return lambda page: _compare_dates(compare, notion_time(TIMESTAMPS[kind](page)), value)


def _compare_dates(compare: Operator, text: str | None, given: Any) -> bool:
    """A date without a time compares whole days; without an offset it is UTC."""
    if text is None:
        return False
    if "T" not in str(given):
        return compare(_moment(text).date(), _moment(given).date())
    return compare(_moment(text), _moment(given))


def _moment(given: Any) -> datetime:
    try:
        at = datetime.fromisoformat(str(given))
    except ValueError:
        raise BadFilterError(
            "body failed validation: a filter's date should be a valid ISO 8601 date string."
        ) from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)
