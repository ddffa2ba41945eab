"""What the academy keeps in the 4Geeks CRM and in Notion, in its own terms: people, cohorts, enrollments, pages."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any

from steps.sandbox.clock import local_day


@dataclass(frozen=True)
class Academy:
    """A school of the CRM; everything there is scoped to one."""

    id: int
    name: str
    slug: str


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
    """Its parts, one after the other: whoever is enrolled in a macro cohort is enrolled in each of them too."""
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
