"""One request and one answer, as the three invented vendors see them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal

Vendor = Literal["holded", "fourgeeks", "notion", "backend"]
"""The backend is none, and is asked, and fails, as they do."""
Json = dict[str, Any]

JSON_TYPE = "application/json"
HTML_TYPE = "text/html; charset=utf-8"
WEB_APP_PAGE = "<!doctype html><html><head><title>Holded</title></head><body><div id='app'></div></body></html>"


@dataclass(frozen=True)
class Call:
    """One request, after the vendor's prefix was taken off the path."""

    vendor: Vendor
    method: str
    path: str
    query: Mapping[str, str]
    """The last value of each parameter."""
    headers: Mapping[str, str]
    """Names in lower case."""
    content: bytes = b""
    base_url: str = ""
    """What the vendor's own links begin with."""

    @property
    def body(self) -> Any:
        """The JSON body; `None` when there is none or it is no JSON."""
        try:
            return json.loads(self.content) if self.content else None
        except ValueError:
            return None


@dataclass(frozen=True)
class Answer:
    """One answer, ready to be sent."""

    status: int
    content: bytes
    content_type: str = JSON_TYPE
    headers: Mapping[str, str] = field(default_factory=dict)


def json_answer(
    value: Any, status: int = 200, *, content_type: str = JSON_TYPE, headers: Mapping[str, str] | None = None
) -> Answer:
    """The value as JSON."""
    text = json.dumps(value, ensure_ascii=False, default=_number, separators=(",", ":"))
    return Answer(status, text.encode(), content_type, headers or {})


def html_answer(status: int, text: str) -> Answer:
    """A page for people, where a program expected JSON."""
    return Answer(status, text.encode(), HTML_TYPE)


def _number(value: Any) -> int | float:
    """A Decimal as a JSON number: the shortest text of a float gives amounts of up to 15 digits back exactly."""
    if not isinstance(value, Decimal):
        raise TypeError(f"{value!r} has no JSON form")
    return int(value) if value == value.to_integral_value() else float(value)


def whole_number(text: str | None, default: int) -> int:
    """The parameter as a number; the default where it is missing or is none."""
    try:
        return int(text) if text else default
    except ValueError:
        return default


@dataclass
class Modes:
    """Set between requests; the defaults are the usual behaviour."""

    holded_page_size: int | Literal["page ignored"] = 500
    """Of contacts, accounts and services: 500, 50, or every page is the whole list (docs/vendors.md, Holded pages)."""
    holded_documents_per_page: int = 500
    """Fewer: a server that caps the pages of documents at another size."""
    holded_unknown_status: int = 404
    """400 is reported too."""
    fourgeeks_slow_above: int | None = None
    """Slow mode: a larger `limit` runs into the router's 30 seconds, which is a 503 in HTML."""
    notion_several_sources: bool = False
    """Somebody added a data source: the old version answers 400."""
    notion_page_rows: int | None = None
    """Short pages: at most so many rows though `has_more` is true."""
    notion_query_limit: int = 10_000
    """Rows of a query before it ends `incomplete`."""
    notion_forbidden: bool = False
    """The integration may not read content: 403."""
    notion_property_names: dict[str, str] = field(default_factory=dict)
    """Renamed properties: the usual name -> the new one."""
    notion_email_type: Literal["email", "rich_text"] = "email"
    notion_status_type: Literal["select", "status"] = "select"
    rates: dict[Vendor, float] = field(default_factory=dict)
    """Requests a second; the next one answers 429 with `Retry-After`. A vendor that is not named has no limit."""
