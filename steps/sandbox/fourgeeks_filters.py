"""What the CRM's lists can be narrowed by, and how they are sorted."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from steps.sandbox.campus import Cohort, Enrollment, Student, User
from steps.sandbox.clock import local_day
from steps.sandbox.exchange import Call

Row = TypeVar("Row")
Key = Callable[[Any], Any]

PROFILE_KEYS: dict[str, Key] = {
    "id": lambda row: row.id,
    "created_at": lambda row: (row.created_at, row.id),
    "email": lambda row: (row.email or "", row.id),
    "first_name": lambda row: (row.first_name, row.id),
    "last_name": lambda row: (row.last_name, row.id),
    "status": lambda row: (row.status, row.id),
}
SEAT_KEYS: dict[str, Key] = {
    "id": lambda row: row.id,
    "created_at": lambda row: (row.created_at, row.id),
    "updated_at": lambda row: (row.updated_at, row.id),
    "educational_status": lambda row: (row.educational_status or "", row.id),
}
COHORT_KEYS: dict[str, Key] = {
    "id": lambda row: row.id,
    "slug": lambda row: (row.slug or "", row.id),
    "name": lambda row: (row.name, row.id),
    "kickoff_date": lambda row: (row.kickoff_at, row.id),
    "stage": lambda row: (row.stage, row.id),
}


class UnknownFieldError(Exception):
    """A `sort` that is no field, or a filter value that cannot be one."""


def choices(call: Call, name: str, shape: Callable[[str], str] = str) -> set[str]:
    """A comma list of the query; empty when it was not sent."""
    return {shape(part.strip()) for part in call.query.get(name, "").split(",") if part.strip()}


def sort(rows: Sequence[Row], text: str, keys: dict[str, Key]) -> list[Row]:
    """The rows by a comma list of fields, `-` for descending.

    Raises:
        UnknownFieldError: for a field that is not there.
    """
    ordered = list(rows)
    for name in reversed([part.strip() for part in text.split(",") if part.strip()]):
        field = name.removeprefix("-")
        if field not in keys:
            raise UnknownFieldError(f"Cannot resolve keyword '{field}' into field.")
        ordered.sort(key=keys[field], reverse=name.startswith("-"))
    return ordered


def resembles(text: str, *, email: str | None, user: User | None, names: Iterable[str]) -> bool:
    """`like`: only the last word counts, anywhere in a name or an address."""
    words = text.lower().split()
    if not words:
        return True
    places = [email, *names] + ([user.email, user.first_name, user.last_name] if user else [])
    return any(words[-1] in place.lower() for place in places if place)


def student_fits(call: Call, row: Student, seats: Iterable[Enrollment]) -> bool:
    """Filters of the student list: one status, cohort slugs, `like`; a deleted one is not left out."""
    status, slugs = call.query.get("status", "").upper(), choices(call, "cohort")
    if status and row.status != status:
        return False
    if slugs and not any(row.user and seat.user.id == row.user.id and seat.cohort.slug in slugs for seat in seats):
        return False
    return _like(call, row)


def member_fits(call: Call, row: Student) -> bool:
    """Filters of the member list: without students and deleted ones, unless `include` names them."""
    include = set(call.query.get("include", "").split())
    statuses, roles = choices(call, "status", str.upper), choices(call, "roles", str.lower)
    hidden = (row.role == "student" and "student" not in include) or "@token.com" in (row.email or "")
    deleted = row.status == "DELETED" and "deleted" not in include
    if hidden or deleted or (statuses and row.status not in statuses) or (roles and row.role not in roles):
        return False
    return _like(call, row)


def _like(call: Call, row: Student) -> bool:
    names = (row.first_name, row.last_name)
    return resembles(call.query.get("like", ""), email=row.email, user=row.user, names=names)


def seat_fits(call: Call) -> Callable[[Enrollment], bool]:
    """Filters of the list of enrolments. A status filter leaves out rows whose status is null.

    Raises:
        UnknownFieldError: `users` that are no numbers.
    """
    users = choices(call, "users")
    if not all(user.isdigit() for user in users):
        raise UnknownFieldError("Field 'id' expected a number but got " + repr(call.query["users"]) + ".")
    wanted: list[tuple[set[str], Key]] = [
        (users, lambda row: str(row.user.id)),
        (choices(call, "roles", str.upper), lambda row: row.role),
        (choices(call, "cohorts"), lambda row: row.cohort.slug),
        (choices(call, "educational_status", str.upper), lambda row: row.educational_status),
        (choices(call, "finantial_status", str.upper), lambda row: row.financial_status),
    ]
    narrowing = [(values, key) for values, key in wanted if values]
    name, like = call.query.get("cohort", "").lower(), call.query.get("like", "")

    def fits(row: Enrollment) -> bool:
        if not all(key(row) in values for values, key in narrowing) or name not in row.cohort.name.lower():
            return False
        return resembles(like, email=None, user=row.user, names=())

    return fits


def cohort_fits(call: Call, row: Cohort) -> bool:
    """Filters of the list of cohorts; deleted ones are left out unless `stage` names them."""
    stages = choices(call, "stage", str.upper)
    if row.stage not in stages if stages else row.stage == "DELETED":
        return False
    if "kickoff_date" in call.query and local_day(row.kickoff_at).isoformat() != call.query["kickoff_date"]:
        return False
    return call.query.get("like", "").lower() in f"{row.name} {row.slug}".lower()
