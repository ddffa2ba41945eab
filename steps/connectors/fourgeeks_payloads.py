"""What the 4Geeks CRM sends, as the steps read it (vendors/fourgeeks.md)."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from steps.connectors.fields import FieldError, child, code, identifier, is_empty, moment, reference, text
from steps.connectors.json_value import Json, plain
from steps.domain.client import normalize_email


@dataclass(frozen=True)
class Student:
    """A person's profile in one academy."""

    profile_id: str
    user_id: str | None
    """None while the person is only invited."""
    email: str | None
    """The user's, else the row's own: an invited person has only the latter."""
    status: str
    """`INVITED`, `ACTIVE` or `DELETED`, which the list does not leave out."""
    raw: dict[str, Any]


@dataclass(frozen=True)
class Enrollment:
    """One person in one cohort; a person has several over time."""

    id: str
    user_id: str | None
    email: str | None
    cohort_id: str | None
    cohort_slug: str | None
    cohort_name: str
    kickoff: datetime | None
    ending: datetime | None
    """None for cohorts that never end."""
    educational_status: str | None
    created_at: datetime | None
    """When the CRM made the row, whatever the course's dates are."""
    updated_at: datetime | None
    """Moves on any save of the row: no date of the status."""
    raw: dict[str, Any]
    micro_cohort_ids: frozenset[str] = frozenset()
    """The cohorts that are parts of this one; the CRM enrolls a student of this one in each of them too."""
    has_macro_cohort: bool = False
    """The CRM made this row because of an enrollment in a macro cohort."""


def parse_student(row: dict[str, Any]) -> Student:
    """One row of the student list."""
    user = child(row, "user")
    return Student(
        profile_id=identifier(row),
        user_id=reference(user) or None,
        email=normalize_email(text(user, "email")) or normalize_email(text(row, "email")),
        status=text(row, "status").upper(),
        raw=plain(row),
    )


def parse_enrollment(row: dict[str, Any]) -> Enrollment:
    """One row of the cohort users: user and cohort are inside it.

    Raises:
        FieldError: one of them is missing, so that nobody can say whose it is, or what for.
    """
    user, cohort = child(row, "user"), child(row, "cohort")
    if not user or not cohort:
        raise FieldError("user or cohort is missing")
    return Enrollment(
        id=identifier(row),
        user_id=reference(user) or None,
        email=normalize_email(text(user, "email")),
        cohort_id=code(cohort, "id") or None,
        cohort_slug=text(cohort, "slug") or None,
        cohort_name=text(cohort, "name"),
        kickoff=moment(cohort, "kickoff_date"),
        ending=moment(cohort, "ending_date"),
        educational_status=text(row, "educational_status").upper() or None,
        created_at=moment(row, "created_at"),
        updated_at=moment(row, "updated_at"),
        raw=plain(row),
        micro_cohort_ids=_ids_of(cohort, "micro_cohorts"),
        has_macro_cohort=not is_empty(row.get("source_macro_cohort")),
    )


def _ids_of(row: dict[str, Any], name: str) -> frozenset[str]:
    """A list of ids, which comes as whole numbers in one endpoint and as objects in another (vendors/fourgeeks.md).

    Raises:
        FieldError: it is something else.
    """
    value: Json = row.get(name)
    if is_empty(value):
        return frozenset()
    if not isinstance(value, list):
        raise FieldError(f"{name} {value!r} is no list")
    return frozenset(identifier(each if isinstance(each, dict) else {"id": each}) for each in value)
