"""How the invented vendors behave where the real ones are known to differ, or can be changed by somebody."""

from dataclasses import dataclass, field
from typing import Literal

from steps.sandbox.exchange import Vendor


@dataclass
class Modes:
    """Set between requests; the defaults are the usual behaviour."""

    holded_page_size: int | Literal["page ignored"] = 500
    """Of contacts, accounts and services: 500, 50, or every page is the whole list (vendors/holded.md, Pagination)."""
    holded_documents_per_page: int = 500
    """Fewer: a server that caps the pages of documents at another size."""
    holded_unknown_status: int = 404
    """400 is reported too."""
    fourgeeks_default_page: int = 20
    """1000 with `ENABLE_DEFAULT_PAGINATION`."""
    fourgeeks_slow_above: int | None = None
    """Slow mode: a larger `limit` runs into the router's 30 seconds, which is a 503 in HTML."""
    fourgeeks_forbidden: bool = False
    """The role lacks the capability: 403 on everything but the login."""
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
