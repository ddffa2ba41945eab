"""The words a client's story is told in: what is billed, which seats are taken, what Notion says, what was mistyped."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal

EmailQuirk = Literal["plain", "upper", "padded", "empty", "null", "of the client before"]
ContactQuirk = Literal["listed", "deleted", "gone"]


@dataclass(frozen=True)
class Bill:
    """One document of the story, `months` after the first."""

    months: int = 0
    share: Decimal = Decimal(1)
    """Part of the price."""
    credits: int | None = None
    """A credit note: the index of the bill it takes back, -1 none, -2 an invoice that does not exist."""
    offer: str | None = None
    """Another account than the story's: the key of an offer, "" an empty account, "absent" no key."""
    shape: Literal["plain", "two lines", "negative units", "discount"] = "plain"
    tax_percent: int = 0
    negative: bool = False
    """A credit note whose amounts are negative."""
    number: str | None = "numbered"
    """Otherwise: `None` no key, or the number itself, which may be one that another document has."""
    fields: Mapping[str, Any] = field(default_factory=dict)
    """Other fields of the `Document`."""


@dataclass(frozen=True)
class Seat:
    """One enrollment of the story."""

    status: str | None = "ACTIVE"
    at: float | None = None
    """When the status came, as a part of the course: 0 on the day of the first document, 1 on the last day."""
    after: int | None = None
    """Takes the first kickoff after the end of that seat, instead of after the first document."""
    wait: int = 0
    """Days after the first document before a kickoff is looked for."""
    kind: str | None = None
    """Another kind of cohort than the one paid for."""
    slug: str | None = None
    """This very cohort."""
    role: str = "STUDENT"


@dataclass(frozen=True)
class Sheet:
    """A Notion page with a life of its own, when it does not just repeat the CRM."""

    status: str | None = None
    after: int = 0
    """Days from the first document to the status."""
    dated: Literal["drop", "certified", "moment", "range", "no"] = "no"


@dataclass(frozen=True)
class Story:
    """What becomes of one client."""

    name: str
    offer: str = "FS"
    bills: tuple[Bill, ...] = (Bill(),)
    seats: tuple[Seat, ...] = (Seat("GRADUATED", 1.0),)
    page: Sheet | Literal["follows", "none"] = "follows"
    pages: int = 1
    starts: tuple[int, int, int] | None = None
    """Year (0 the world's, -1 the one before), month and day of the first document; none: any day of the year."""
    billing_email: EmailQuirk = "plain"
    crm_email: EmailQuirk = "plain"
    page_email: EmailQuirk = "plain"
    contact: ContactQuirk = "listed"
    invited: bool = False
    """In the CRM without a login, so without a seat."""
    second: "Story | None" = None
    """A second contract of the same client: its offer, bills, seats and start."""
