"""The properties of the students' database: names, ids, types, and what a page holds in each."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC
from typing import Any

from steps.sandbox.campus import Page, PageDate
from steps.sandbox.clock import MADRID
from steps.sandbox.exchange import Json
from steps.sandbox.modes import Modes

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
        return {"id": self.id, "type": self.type, self.type: _SHAPES[self.type](self.plain(page))}

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


def _same(value: Any) -> Any:
    return value


_SHAPES: dict[str, Callable[[Any], Any]] = {
    "title": rich_text,
    "rich_text": rich_text,
    "select": _option,
    "status": _option,
    "date": _date,
    "email": _same,
    "multi_select": _same,
    "people": _same,
    "number": _same,
    "checkbox": _same,
}
