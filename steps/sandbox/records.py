"""What each of the three fake vendors keeps: invoices, enrollments, pages."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time
from decimal import Decimal
from functools import lru_cache
from typing import Any, Literal
from zoneinfo import ZoneInfo

ZONE_NAME = "Europe/Madrid"
MADRID = ZoneInfo(ZONE_NAME)


def moment(day: date, hour: int = 12, minute: int = 0, microsecond: int = 0) -> datetime:
    """That hour of the academy's day, in UTC."""
    return datetime.combine(day, time(hour, minute, 0, microsecond), MADRID).astimezone(UTC)


def local_day(at: datetime) -> date:
    """The calendar day in Madrid: 23:30 UTC on 31 December is 1 January."""
    return at.astimezone(MADRID).date()


@lru_cache(maxsize=4096)
def midnight(day: date) -> int:
    """Unix seconds of the day's start in Madrid, as Holded writes a date (docs/vendors.md, Holded time)."""
    return int(datetime.combine(day, time(), MADRID).timestamp())


def crm_time(at: datetime) -> str:
    """ISO-8601 with `Z`; microseconds only when they are not zero (docs/vendors.md, 4Geeks)."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def notion_time(at: datetime) -> str:
    """Rounded down to the minute, always `.000` (docs/vendors.md, Notion pages)."""
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M}:00.000Z"


DocumentKind = Literal["invoice", "creditnote"]
NOTHING: Decimal = Decimal("0.00")


@dataclass(frozen=True)
class Account:
    """An income account (sales channel)."""

    id: str
    name: str
    number: int | None
    description: str | None = ""
    """`None`: the key is absent, as in most live answers."""
    archived: bool = False
    """Deleted: not in the list, found by id, still on documents."""
    number_key: str = "accountNum"
    """`accNum` in the documentation's spelling."""


@dataclass(frozen=True)
class Contact:
    """A client as the book-keeper typed it."""

    id: str
    name: str
    email: str | None
    """As typed: capitals, spaces, "" or null."""
    created_on: dt.date
    is_person: bool = True
    tax_id: str = ""
    listed: bool = True
    """False: deleted, so absent from the list."""
    found_by_id: bool = True
    """False: even `contacts/{id}` says not found."""
    raw: Mapping[str, Any] = field(default_factory=dict)
    """Served instead of what the fields say (spoiled worlds)."""

    def as_of(self, day: dt.date) -> "Contact | None":
        """The contact at the end of that day; `None` before it was made."""
        return self if self.created_on <= day else None


@dataclass(frozen=True)
class Line:
    """One line of a document; net is price x units x (1 - discount/100)."""

    name: str
    account_id: str | None
    """`None`: no key at all; "" happens too."""
    price: Decimal
    units: Decimal = Decimal(1)
    discount: Decimal = Decimal(0)
    tax_percent: Decimal = Decimal(0)


@dataclass(frozen=True)
class Payment:
    """Money received for a document."""

    paid_on: dt.date
    amount: Decimal


@dataclass(frozen=True)
class Document:
    """An invoice or a credit note, amounts as the vendor shows them: a credit note's are usually positive."""

    id: str
    kind: DocumentKind
    contact_id: str
    contact_name: str
    date: dt.date
    lines: tuple[Line, ...]
    account_id: str | None
    """The service account of its first service line; `None`: it sells no listed service."""
    subtotal: Decimal
    tax: Decimal
    number: str | None
    """`None`: the key is absent."""
    sequence: int = 0
    """Order of creation, which is not that of the dates."""
    due_on: dt.date | None = None
    payments: tuple[Payment, ...] = ()
    source_invoice_id: str | None = None
    """The invoice a credit note was made from."""
    currency: str = "eur"
    exchange_rate: Decimal = Decimal(1)
    status: int = 1
    amounts_as_text: bool = False
    raw: Mapping[str, Any] = field(default_factory=dict)
    """Served instead of what the fields say (spoiled worlds)."""

    @property
    def total(self) -> Decimal:
        """With tax, signed as the vendor shows it."""
        return self.subtotal + self.tax

    @property
    def signed_total(self) -> Decimal:
        """What it adds to the books: a credit note always takes away."""
        return -abs(self.total) if self.kind == "creditnote" else self.total

    @property
    def signed_net(self) -> Decimal:
        """`signed_total` less tax."""
        return -abs(self.subtotal) if self.kind == "creditnote" else self.subtotal

    @property
    def paid(self) -> Decimal:
        """What was received so far."""
        return sum((payment.amount for payment in self.payments), NOTHING)

    def as_of(self, day: dt.date) -> "Document | None":
        """The document at the end of that day, without payments to come; `None` before its date."""
        if self.date > day:
            return None
        known = tuple(payment for payment in self.payments if payment.paid_on <= day)
        return self if known == self.payments else replace(self, payments=known)


@dataclass(frozen=True)
class Academy:
    """A school of the CRM; everything there is scoped to one."""

    id: int
    name: str
    slug: str
    status: Literal["ACTIVE", "INACTIVE", "DELETED"] = "ACTIVE"


@dataclass(frozen=True)
class User:
    """A person with a login."""

    id: int
    email: str
    first_name: str
    last_name: str
    has_profile: bool = True
    github: str | None = None
    last_login: datetime | None = None


@dataclass(frozen=True)
class Student:
    """A person's place in an academy (a profile); staff have one too, with another role."""

    id: int
    academy_id: int
    first_name: str
    last_name: str
    email: str | None
    user: User | None
    """`None`: invited, has never logged in."""
    created_at: datetime
    role: str = "student"
    status: str = "ACTIVE"
    phone: str = ""

    def as_of(self, day: date) -> "Student | None":
        """The profile at the end of that day; `None` before it was made."""
        return self if local_day(self.created_at) <= day else None


@dataclass(frozen=True)
class Cohort:
    """A class of students."""

    id: int
    academy_id: int
    slug: str | None
    name: str
    kickoff_at: datetime
    ending_at: datetime | None
    """`None`: never ends."""
    service_type: str
    stage: str = "ENDED"
    micro_cohorts: tuple["Cohort", ...] = ()
    """Its parts, one after the other: a student of a macro cohort is enrolled in each of them too."""
    is_micro: bool = False
    """It is a part of another cohort."""

    def as_of(self, day: date) -> "Cohort":
        """The cohort at the end of that day: its stage follows its dates."""
        if local_day(self.kickoff_at) > day:
            stage = "PREWORK"
        else:
            stage = "ENDED" if self.ending_at and local_day(self.ending_at) <= day else "STARTED"
        return self if stage == self.stage else replace(self, stage=stage)


@dataclass(frozen=True)
class Enrollment:
    """A user in a cohort."""

    id: int
    user: User
    cohort: Cohort
    educational_status: str | None
    created_at: datetime
    status_changed_at: datetime | None = None
    """When it got its status; `None`: it has had it from the start. No later saves, so it is `updated_at` too."""
    role: str = "STUDENT"
    financial_status: str | None = "UP_TO_DATE"
    macro_cohort: Cohort | None = None
    """The CRM made this row because of the enrollment in that cohort, and says so."""
    raw: Mapping[str, Any] = field(default_factory=dict)
    """Served instead of what the fields say (spoiled worlds)."""

    @property
    def updated_at(self) -> datetime:
        """The row's last save."""
        return self.status_changed_at or self.created_at

    @property
    def created_on(self) -> date:
        """In Madrid."""
        return local_day(self.created_at)

    @property
    def status_changed_on(self) -> date | None:
        """In Madrid."""
        return local_day(self.status_changed_at) if self.status_changed_at else None

    def as_of(self, day: date) -> "Enrollment | None":
        """The enrollment at the end of that day: `ACTIVE` before its status changed, `None` before it was made."""
        if self.created_on > day:
            return None
        present = self if self.cohort.as_of(day) == self.cohort else replace(self, cohort=self.cohort.as_of(day))
        if self.status_changed_on is not None and self.status_changed_on > day:
            present = replace(present, educational_status="ACTIVE", status_changed_at=None)
        return present


@dataclass(frozen=True)
class PageDate:
    """A date property: a day, a moment, or a range."""

    start: date
    at: datetime | None = None
    """With a time of day; its day in Madrid is `start`."""
    end: date | None = None


@dataclass(frozen=True)
class Page:
    """A person's page in Notion."""

    id: str
    name: str
    email: str | None
    """As typed: capitals, spaces, null."""
    created_at: datetime
    status: str | None = None
    drop_date: PageDate | None = None
    certified_at: PageDate | None = None
    status_set_at: datetime | None = None
    """When status and dates were filled in; `None`: from the start."""
    in_trash: bool = False
    raw: Mapping[str, Any] = field(default_factory=dict)
    """Property values served instead of what the fields say (spoiled worlds)."""

    @property
    def last_edited_at(self) -> datetime:
        """The page's last save."""
        return self.status_set_at or self.created_at

    def as_of(self, day: date) -> "Page | None":
        """The page at the end of that day: without a status set later, `None` before it was made."""
        if local_day(self.created_at) > day:
            return None
        if self.status_set_at is None or local_day(self.status_set_at) <= day:
            return self
        return replace(self, status=None, drop_date=None, certified_at=None, status_set_at=None)


@dataclass(frozen=True)
class World:
    """One academy. The lists are plain: a test adds, removes or replaces records as it likes."""

    year: int
    zone: str = ZONE_NAME
    academies: list[Academy] = field(default_factory=list)
    accounts: list[Account] = field(default_factory=list)
    contacts: list[Contact] = field(default_factory=list)
    invoices: list[Document] = field(default_factory=list)
    credit_notes: list[Document] = field(default_factory=list)
    students: list[Student] = field(default_factory=list)
    cohorts: list[Cohort] = field(default_factory=list)
    enrollments: list[Enrollment] = field(default_factory=list)
    pages: list[Page] = field(default_factory=list)

    def as_of(self, day: date) -> "World":
        """The same academy at the end of that day: what is dated, made or changed later has not happened yet."""
        dated = ("contacts", "invoices", "credit_notes", "students", "cohorts", "enrollments", "pages")
        past: dict[str, Any] = {
            name: [seen for record in getattr(self, name) if (seen := record.as_of(day)) is not None] for name in dated
        }
        return replace(self, **past)
