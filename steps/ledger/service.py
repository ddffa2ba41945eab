"""Services and service periods: what is taught, and each enrollment in a cohort of it.

A service is a Holded income account that stands for a course (docs/vendors.md, Services). Its type is read from the
account's name, that of a period from the cohort's slug. What a vendor's educational status means for a period is here
too.
"""

import re
from datetime import date, datetime
from enum import StrEnum
from functools import cache
from typing import Any

from sqlalchemy import JSON, Column, UniqueConstraint
from sqlmodel import Field, SQLModel

from tracking.models import UtcDateTime, utc_now

DEFAULT_TOTAL_SESSIONS = 60
DEFAULT_SESSIONS_PER_WEEK = 3


class ServiceType(StrEnum):
    """What is taught; a cohort fits a contract of the same type."""

    FS = "FS"
    DS = "DS"
    CS = "CS"
    AIE = "AIE"
    UNKNOWN = "UNKNOWN"


class Service(SQLModel, table=True):
    """One income account. Sessions and weekdays are the academy's own knowledge: an import never touches them."""

    __tablename__ = "service"

    id: int | None = Field(default=None, primary_key=True)
    external_id: str = Field(unique=True)
    account_identifier: str | None = None
    name: str
    description: str = ""
    service_type: str = ServiceType.UNKNOWN
    total_sessions: int = DEFAULT_TOTAL_SESSIONS
    sessions_per_week: int = DEFAULT_SESSIONS_PER_WEEK
    class_weekdays: list[int] | None = Field(default=None, sa_column=Column(JSON(none_as_null=True)))
    """Monday 0; null: not known."""


class ServiceChange(SQLModel, table=True):
    """A person said that a service teaches otherwise; never changed, never deleted."""

    __tablename__ = "service_change"

    id: int | None = Field(default=None, primary_key=True)
    service_id: int = Field(foreign_key="service.id", index=True)
    who: str
    at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)
    reason: str = ""
    before: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    """The columns that changed, as they were."""
    after: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))


_NAME_PATTERNS = (
    (ServiceType.FS, re.compile(r"full[\s-]*stack|\bisa\b", re.IGNORECASE)),
    (ServiceType.DS, re.compile(r"data[\s-]*science|machine[\s-]*learning", re.IGNORECASE)),
    (ServiceType.CS, re.compile(r"cyber[\s-]*security|ciber[\s-]*seguridad", re.IGNORECASE)),
    (ServiceType.AIE, re.compile(r"\bai[\s-]*engineering", re.IGNORECASE)),
)


def service_type_of_name(name: str) -> ServiceType:
    """The type that an income account's name says; the first of the list wins."""
    return next((kind for kind, pattern in _NAME_PATTERNS if pattern.search(name)), ServiceType.UNKNOWN)


DROPPED_LIKE = frozenset({"DROPPED", "EARLY_DROPPED", "SUSPENDED"})
ENDED_LIKE = frozenset({"GRADUATED", "NOT_COMPLETING", "ENDED"})


def normalize_educational_status(value: str | None) -> str | None:
    """Upper case, blanks as underscores (`Early dropped` -> `EARLY_DROPPED`); None when there is none."""
    return "_".join((value or "").upper().split()) or None


def educational_status_date(status: str | None, *, dropped_on: date | None, certified_on: date | None) -> date | None:
    """Since when a normalized status holds, as far as the page says.

    A dropped-like status has the drop date, an ended-like one the certification's, and each the other where its own is
    empty. No date belongs to any other status: the accruals treat it the same with and without one.
    """
    if status in DROPPED_LIKE:
        return dropped_on or certified_on
    if status in ENDED_LIKE:
        return certified_on or dropped_on
    return None


class PeriodStatus(StrEnum):
    """What the accruals know of an enrollment (docs/accrual-rules.md, Words)."""

    ACTIVE = "ACTIVE"
    POSTPONED = "POSTPONED"
    DROPPED = "DROPPED"
    ENDED = "ENDED"


class ServicePeriod(SQLModel, table=True):
    """Keyed by contract and cohort slug (`external_id`). `end_date` is the last day, included."""

    __tablename__ = "service_period"
    __table_args__ = (UniqueConstraint("contract_id", "external_id", name="uq_service_period"),)

    id: int | None = Field(default=None, primary_key=True)
    contract_id: int = Field(foreign_key="service_contract.id")
    external_id: str
    name: str = ""
    start_date: date
    end_date: date
    status: str = PeriodStatus.ACTIVE
    status_change_date: date | None = None
    enrollment_id: str | None = None
    """The CRM's row that it was last made from; None: an earlier version made it."""
    created_on: date | None = None
    """The day on which the CRM made the enrollment, in `SYNC_TIMEZONE`; None: not known."""
    voided_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    """Since when it is no enrollment of its own: it counts nowhere, and postings that name it stay as they are."""


_STATUS_OF_EDUCATIONAL_STATUS = {
    "ACTIVE": PeriodStatus.ACTIVE,
    "POSTPONED": PeriodStatus.POSTPONED,
    "EARLY_POSTPONED": PeriodStatus.POSTPONED,
    "DROPPED": PeriodStatus.DROPPED,
    "EARLY_DROPPED": PeriodStatus.DROPPED,
    "SUSPENDED": PeriodStatus.DROPPED,
    "GRADUATED": PeriodStatus.ENDED,
    "NOT_COMPLETING": PeriodStatus.ENDED,
}

_TYPE_OF_SLUG_PARTS = (
    (ServiceType.FS, ("fs",)),
    (ServiceType.FS, ("full", "stack")),
    (ServiceType.AIE, ("aie",)),
    (ServiceType.AIE, ("ai", "engineering")),
    (ServiceType.DS, ("ds",)),
    (ServiceType.DS, ("ml",)),
    (ServiceType.DS, ("ai",)),
    (ServiceType.DS, ("data", "science")),
    (ServiceType.CS, ("cs",)),
    (ServiceType.CS, ("cybersecurity",)),
    (ServiceType.CS, ("ciberseguridad",)),
)
"""`AIE` before `DS`: `ai-engineering` also has the part `ai`, and says more."""


def period_status(educational_status: str | None) -> PeriodStatus | None:
    """The period status of a 4Geeks `educational_status`; None: it is not known (docs/vendors.md, Enrollments)."""
    return _STATUS_OF_EDUCATIONAL_STATUS.get((educational_status or "").strip().upper())


@cache
def service_type_of_slug(slug: str) -> ServiceType:
    """The type that a cohort's slug says in its parts between hyphens, neighbouring parts taken together."""
    parts = tuple(slug.lower().split("-"))
    for kind, wanted in _TYPE_OF_SLUG_PARTS:
        if any(parts[at : at + len(wanted)] == wanted for at in range(len(parts))):
            return kind
    return ServiceType.UNKNOWN
