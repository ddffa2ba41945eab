"""Services: Holded income accounts that stand for a course (docs/vendors.md, Services)."""

import re
from collections.abc import Sequence
from enum import StrEnum

from sqlalchemy import JSON, Column
from sqlmodel import Field, SQLModel

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


_NAME_PATTERNS = (
    (ServiceType.FS, re.compile(r"full[\s-]*stack|\bisa\b", re.IGNORECASE)),
    (ServiceType.DS, re.compile(r"data[\s-]*science|machine[\s-]*learning", re.IGNORECASE)),
    (ServiceType.CS, re.compile(r"cyber[\s-]*security|ciber[\s-]*seguridad", re.IGNORECASE)),
    (ServiceType.AIE, re.compile(r"\bai[\s-]*engineering", re.IGNORECASE)),
)


def service_type_of_name(name: str) -> ServiceType:
    """The type that an income account's name says; the first of the list wins."""
    return next((kind for kind, pattern in _NAME_PATTERNS if pattern.search(name)), ServiceType.UNKNOWN)


def is_service_account(
    account: str | None, name: str, *, account_prefixes: Sequence[str], name_prefixes: Sequence[str]
) -> bool:
    """Whether an income account is one of the academy's services, by account number and name.

    An empty list of prefixes lets everything through; comparison of names ignores case.
    """
    number_fits = not account_prefixes or (account or "").startswith(tuple(account_prefixes))
    lowered = name.strip().lower()
    name_fits = not name_prefixes or lowered.startswith(tuple(prefix.lower() for prefix in name_prefixes))
    return number_fits and name_fits
