"""What Notion sends, as the steps read it (vendors/notion.md, Property value shapes)."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from steps.connectors.fields import FieldError, child, identifier, iso_day, moment, record, text
from steps.connectors.json_value import Json, plain
from steps.domain.client import normalize_email
from steps.settings import NotionSettings

_TEXT_LISTS = ("rich_text", "title")
_OPTIONS = ("select", "status")


@dataclass(frozen=True)
class StudentPage:
    """One person's page in the students' database."""

    id: str
    """With dashes, lower case, whatever form it came in."""
    email: str | None
    educational_status: str | None
    """As written, such as `Not Completing`."""
    drop_date: date | None
    certified_at: date | None
    last_edited_time: datetime
    """Rounded down to the minute by Notion."""
    raw: dict[str, Any]


def parse_student_page(names: NotionSettings, zone: ZoneInfo, row: dict[str, Any]) -> StudentPage:
    """One page of a query.

    Raises:
        FieldError: a property is of a type that cannot hold what it should.
    """
    properties = child(row, "properties")
    edited = moment(row, "last_edited_time")
    if edited is None:
        raise FieldError("last_edited_time is missing")
    return StudentPage(
        id=page_id(identifier(row)),
        email=normalize_email(_text(properties, names.email_property)),
        educational_status=_option(properties, names.status_property),
        drop_date=_day(properties, names.drop_date_property, zone),
        certified_at=_day(properties, names.certified_property, zone),
        last_edited_time=edited,
        raw=plain(row),
    )


def page_id(value: str) -> str:
    """A UUID with dashes, lower case: both forms occur.

    Raises:
        FieldError: it is none.
    """
    try:
        return str(UUID(value))
    except ValueError:
        raise FieldError(f"id {value!r} is no UUID") from None


def has_property(row: Json, name: str) -> bool:
    """Whether a page has a property of this name, filled or not."""
    return isinstance(row, dict) and isinstance(row.get("properties"), dict) and name in row["properties"]


def _text(properties: dict[str, Any], name: str) -> str:
    value = child(properties, name)
    kind = value.get("type")
    if not value:
        return ""
    if kind == "email":
        return text(value, "email")
    if kind not in _TEXT_LISTS:
        raise FieldError(f"property {name!r} is of type {kind!r}; email, rich_text or title is expected")
    pieces = value.get(kind) or []
    if not isinstance(pieces, list):
        raise FieldError(f"property {name!r} holds no list of texts")
    return "".join(str(record(piece).get("plain_text") or "") for piece in pieces)


def _option(properties: dict[str, Any], name: str) -> str | None:
    value = child(properties, name)
    kind = value.get("type")
    if not value:
        return None
    if kind not in _OPTIONS:
        raise FieldError(f"property {name!r} is of type {kind!r}; select or status is expected")
    return text(child(value, kind), "name") or None


def _day(properties: dict[str, Any], name: str, zone: ZoneInfo) -> date | None:
    """A range counts by its start; a time by its local day."""
    value = child(properties, name)
    if not value:
        return None
    if value.get("type") != "date":
        raise FieldError(f"property {name!r} is of type {value.get('type')!r}; date is expected")
    start = child(value, "date").get("start")
    return None if start is None else iso_day(name, start, zone)
