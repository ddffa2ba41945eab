"""The fake 4Geeks API: its login, its lists with their filters and pages, and its JSON of the academy's people."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha1
from typing import Any
from urllib.parse import unquote, urlencode

from steps.sandbox.exchange import Answer, Call, Json, Modes, html_answer, json_answer, whole_number
from steps.sandbox.records import Academy, Cohort, Enrollment, Student, User, World, crm_time, local_day

USERNAME = "importer@example.org"
PASSWORD = "sandbox-fourgeeks-password"  # noqa: S105 - public, it opens nothing but the sandbox
USER_ID = 7
LIFE = timedelta(days=7)
DEFAULT_PAGE = 20


@dataclass
class Tokens:
    """The one token that is valid, those that were, and whether its user may log in."""

    number: int = 0
    expires_at: datetime = datetime(2000, 1, 1, tzinfo=UTC)
    user_is_active: bool = True
    email_is_validated: bool = True

    def expire(self) -> None:
        """From now on the present token is refused; the next login makes another."""
        self.expires_at = min(self.expires_at, datetime.now(UTC))

    def log_in(self, call: Call) -> Answer:
        """The answer to `POST auth/login/`."""
        body = call.body if isinstance(call.body, dict) else {}
        if wrong := _wrong_fields(body):
            return json_answer({**wrong, "status_code": 400}, 400)
        if (str(body["email"]).lower(), body["password"]) != (USERNAME, PASSWORD):
            refused = {"non_field_errors": ["Unable to log in with provided credentials."], "status_code": 400}
            return json_answer(refused, 400)
        if not self.user_is_active:
            return _INACTIVE
        if not self.email_is_validated:
            return json_answer(_NOT_VALIDATED, 403)
        if self.expires_at <= datetime.now(UTC):
            self.number += 1
            self.expires_at = datetime.now(UTC) + LIFE
        expires = crm_time(self.expires_at)
        return json_answer({"token": _key(self.number), "user_id": USER_ID, "email": USERNAME, "expires_at": expires})

    def refusal(self, call: Call) -> Answer | None:
        """The 401 that the request deserves, if it does."""
        word, _, key = call.headers.get("authorization", "").partition(" ")
        if word != "Token":
            missing = {"detail": "Authentication credentials were not provided.", "status_code": 401}
            return json_answer(missing, 401)
        if key not in {_key(number) for number in range(1, self.number + 1)}:
            return _invalid("Invalid or Inactive Token")
        if key != _key(self.number) or self.expires_at <= datetime.now(UTC):
            return _invalid(f"Token expired at {self.expires_at}")
        return None if self.user_is_active else _INACTIVE


_INACTIVE = json_answer({"detail": "Inactive user", "status_code": 401}, 401)
_NOT_VALIDATED: Json = {
    "detail": "You need to validate your email first", "status_code": 403, "silent": True,
    "silent_code": "email-not-validated", "data": [{"id": 1, "status": "PENDING"}],
}  # fmt: skip
"""`data` holds the pending invitations."""
_CLOSED = {"INACTIVE": "This academy is not active", "DELETED": "This academy is deleted"}


def _key(number: int) -> str:
    return sha1(f"sandbox token {number}".encode(), usedforsecurity=False).hexdigest()


def _invalid(text: str) -> Answer:
    """Key `error`, and "False" is a string: this body is like no other of the API."""
    return json_answer({"error": text, "is_authenticated": "False", "status_code": 401}, 401)


def _wrong_fields(body: dict[str, object]) -> dict[str, list[str]]:
    wrong = {name: ["This field is required."] for name in ("email", "password") if not body.get(name)}
    if "email" not in wrong and "@" not in str(body["email"]):
        wrong["email"] = ["Enter a valid email address."]
    return wrong


TOO_SLOW = "<!doctype html><html><head><title>Application Error</title></head><body>H12</body></html>"
NOT_FOUND = html_answer(404, "<!doctype html><html><body><h1>Not Found</h1></body></html>")
SERVER_ERROR = html_answer(500, "<!doctype html><html><body><h1>Server Error (500)</h1></body></html>")


@dataclass(frozen=True)
class Visit:
    """One request that was let in, and the academy it sees."""

    call: Call
    world: World
    modes: Modes
    academy: Academy
    fresh: bool
    """The answer does not come from the CRM's cache: only then has a list the count in its headers."""

    def profiles(self) -> list[Student]:
        """The academy's people, staff too."""
        return [student for student in self.world.students if student.academy_id == self.academy.id]

    def enrollments(self) -> list[Enrollment]:
        """The academy's enrolments."""
        return [enrollment for enrollment in self.world.enrollments if enrollment.cohort.academy_id == self.academy.id]


def answer(call: Call, world: World, modes: Modes, tokens: Tokens, *, fresh: bool = True) -> Answer:
    """What the CRM answers; `fresh` says that the request was not made before. Lists of people are never cached."""
    if call.path in {"/auth/login", "/auth/login/"}:
        return _login(call, tokens)
    routes = ((handler, re.fullmatch(pattern, call.path)) for pattern, handler in _ROUTES.items())
    handler, match = next((route for route in routes if route[1]), (None, None))
    if handler is None or match is None:
        return NOT_FOUND
    if refusal := tokens.refusal(call):
        return refusal
    academy = _academy(call, world, _CAPABILITIES[call.path.split("/")[3]])
    if isinstance(academy, Answer):
        return academy
    if call.method != "GET":
        return _error(405, f'Method "{call.method}" not allowed.')
    try:
        return handler(Visit(call, world, modes, academy, fresh or call.path.startswith("/auth/")), *match.groups())
    except UnknownFieldError as error:
        return _error(400, str(error)) if handler is _enrollments else SERVER_ERROR


def _login(call: Call, tokens: Tokens) -> Answer:
    """Without the slash a 301 that turns many clients' POST into a GET, which is then refused."""
    if not call.path.endswith("/"):
        return Answer(301, b"", "text/html; charset=utf-8", {"Location": f"{call.base_url}/auth/login/"})
    return tokens.log_in(call) if call.method == "POST" else _error(405, f'Method "{call.method}" not allowed.')


def _academy(call: Call, world: World, capability: str) -> Academy | Answer:
    given = call.headers.get("academy") or call.query.get("academy")
    if not given:
        return _error(403, "Missing academy_id parameter expected for the endpoint url or 'Academy' header")
    if not given.isdigit():
        return _error(400, f"Academy ID needs to be an integer: {given}")
    found = next((academy for academy in world.academies if academy.id == int(given)), None)
    if found is None:
        return _error(403, f"You (user: {USER_ID}) don't have this capability: {capability} for academy {given}")
    return found if found.status == "ACTIVE" else _error(403, _CLOSED[found.status])


def _error(status: int, detail: str) -> Answer:
    return json_answer({"detail": detail, "status_code": status}, status)


def _students(visit: Visit) -> Answer:
    """Only the documented filters; a deleted student is not left out."""
    call = visit.call
    status, slugs = call.query.get("status", "").upper(), _choices(call, "cohort")
    members = {row.user.id for row in visit.enrollments() if row.cohort.slug in slugs} if slugs else set()
    rows = [
        row
        for row in visit.profiles()
        if row.role == "student"
        and (not status or row.status == status)
        and (not slugs or (row.user is not None and row.user.id in members))
        and _is_like(call, row.user, row.email, row.first_name, row.last_name)
    ]
    rows = _sorted(rows, call.query.get("sort") or "-created_at", STUDENT_FIELDS)
    return _page(visit, rows, lambda row: student_json(row, visit.academy))


def _members(visit: Visit) -> Answer:
    """Without students and deleted ones, unless `include` names them."""
    call = visit.call
    include = set(call.query.get("include", "").split())
    statuses, roles = _choices(call, "status", str.upper), _choices(call, "roles", str.lower)
    rows = [
        row
        for row in visit.profiles()
        if (row.role != "student" or "student" in include)
        and (row.status != "DELETED" or "deleted" in include)
        and "@token.com" not in (row.email or "")
        and (not statuses or row.status in statuses)
        and (not roles or row.role in roles)
        and _is_like(call, row.user, row.email, row.first_name, row.last_name)
    ]
    return _page(visit, rows, lambda row: student_json(row, visit.academy))


def _profile(visit: Visit, key: str) -> Answer:
    """By user id, or by the exact address, letter case included; the lowest profile id wins."""
    wanted = unquote(key)
    found = [
        row
        for row in visit.profiles()
        if (wanted in {str(row.user.id), row.user.email} if row.user else row.email == wanted)
    ]
    if not found:
        among = " for this user and academy" if "/member/" in visit.call.path else ""
        return _error(404, f"Profile not found{among}")
    lowest = min(found, key=lambda row: row.id)
    return json_answer(student_detail_json(lowest, visit.academy, visit.call.base_url))


def _enrollments(visit: Visit, _cohort_id: str = "") -> Answer:
    """The list; the variant with a cohort id ignores it (the sheet's trap). It is sorted by one field."""
    call = visit.call
    fits = _enrollment_filter(call)
    by = (call.query.get("sort") or "-created_at").split(",")[0]
    rows = _sorted([row for row in visit.enrollments() if fits(row)], by, ENROLLMENT_FIELDS)
    if call.query.get("distinct") == "true":
        rows = list({row.user.id: row for row in rows}.values())
    profiles = {student.user.id: student for student in visit.profiles() if student.user}
    return _page(visit, rows, lambda row: enrollment_json(row, profiles.get(row.user.id)))


def _enrollment(visit: Visit, *ids: str) -> Answer:
    """One, by its own id, or by those of cohort and user; only the former has a log, of free form."""
    for row in visit.enrollments():
        if ids in {(str(row.id),), (str(row.cohort.id), str(row.user.id))}:
            profile = next((each for each in visit.profiles() if each.user and each.user.id == row.user.id), None)
            return json_answer(enrollment_json(row, profile) | ({"history_log": {}} if len(ids) == 1 else {}))
    return _error(404, "Cohort user not found")


def _cohorts(visit: Visit) -> Answer:
    """Deleted ones are left out unless `stage` names them."""
    query, stages = visit.call.query, _choices(visit.call, "stage", str.upper)
    rows = [
        row
        for row in visit.world.cohorts
        if row.academy_id == visit.academy.id
        and (row.stage in stages if stages else row.stage != "DELETED")
        and query.get("kickoff_date") in {None, local_day(row.kickoff_at).isoformat()}
        and query.get("like", "").lower() in f"{row.name} {row.slug}".lower()
    ]
    rows = _sorted(rows, query.get("sort") or "-kickoff_date", COHORT_FIELDS)
    return _page(visit, rows, lambda row: cohort_json(row, visit.academy))


def _cohort(visit: Visit, key: str) -> Answer:
    for row in visit.world.cohorts:
        if row.academy_id == visit.academy.id and key in {str(row.id), row.slug}:
            return json_answer(cohort_json(row, visit.academy))
    return _error(404, f"Cohort {key} not found")


_ROUTES: dict[str, Callable[..., Answer]] = {
    r"/auth/academy/student": _students,
    r"/auth/academy/member": _members,
    r"/auth/academy/(?:student|member)/([^/]+)": _profile,
    r"/admissions/academy/cohort": _cohorts,
    r"/admissions/academy/cohort/user": _enrollments,
    r"/admissions/academy/cohort/(\d+)/user": _enrollments,
    r"/admissions/academy/cohort/user/(\d+)": _enrollment,
    r"/admissions/academy/cohort/(\d+)/user/(\d+)": _enrollment,
    r"/admissions/academy/cohort/([^/]+)": _cohort,
}
_CAPABILITIES = {"student": "read_student", "member": "read_member", "cohort": "read_all_cohort"}

STUDENT_FIELDS = ("id", "created_at", "email", "first_name", "last_name", "status")
ENROLLMENT_FIELDS = ("id", "created_at", "updated_at", "educational_status")
COHORT_FIELDS = ("id", "slug", "name", "kickoff_date", "stage")
"""What the lists are sorted by."""


class UnknownFieldError(Exception):
    """A `sort` that is no field, or a filter value that cannot be one."""


def _sorted(rows: list[Any], text: str, fields: Sequence[str]) -> list[Any]:
    """The rows by a comma list of fields, `-` for descending, equal ones by id.

    Raises:
        UnknownFieldError: for a field that is not there.
    """

    def key(row: Any) -> tuple[Any, int]:
        return getattr(row, "kickoff_at" if field == "kickoff_date" else field) or "", row.id

    for name in reversed([part.strip() for part in text.split(",") if part.strip()]):
        field = name.removeprefix("-")
        if field not in fields:
            raise UnknownFieldError(f"Cannot resolve keyword '{field}' into field.")
        rows = sorted(rows, key=key, reverse=name.startswith("-"))
    return rows


def _choices(call: Call, name: str, shape: Callable[[str], str] = str) -> set[str]:
    """A comma list of the query; empty when it was not sent."""
    return {shape(part.strip()) for part in call.query.get(name, "").split(",") if part.strip()}


def _is_like(call: Call, user: User | None, *places: str | None) -> bool:
    """`like`: only the last word counts, anywhere in a name or an address."""
    words = call.query.get("like", "").lower().split()
    if user is not None:
        places += (user.email, user.first_name, user.last_name)
    return not words or any(words[-1] in place.lower() for place in places if place)


def _enrollment_filter(call: Call) -> Callable[[Enrollment], bool]:
    """The documented filters. A status filter leaves out rows whose status is null.

    Raises:
        UnknownFieldError: `users` that are no numbers.
    """
    users = _choices(call, "users")
    if not all(user.isdigit() for user in users):
        raise UnknownFieldError("Field 'id' expected a number but got " + repr(call.query["users"]) + ".")
    wanted: list[tuple[set[str], Callable[[Enrollment], str | None]]] = [
        (users, lambda row: str(row.user.id)),
        (_choices(call, "roles", str.upper), lambda row: row.role),
        (_choices(call, "cohorts"), lambda row: row.cohort.slug),
        (_choices(call, "educational_status", str.upper), lambda row: row.educational_status),
        (_choices(call, "finantial_status", str.upper), lambda row: row.financial_status),
    ]
    narrowing = [(values, key) for values, key in wanted if values]
    name = call.query.get("cohort", "").lower()

    def fits(row: Enrollment) -> bool:
        chosen = all(key(row) in values for values, key in narrowing)
        return chosen and name in row.cohort.name.lower() and _is_like(call, row.user)

    return fits


def _page(visit: Visit, rows: Sequence[Any], shape: Callable[[Any], Json]) -> Answer:
    """The rows asked for, each in its JSON shape."""
    call, modes = visit.call, visit.modes
    limit = whole_number(call.query.get("limit"), 0)
    limit = limit if limit > 0 else DEFAULT_PAGE
    if modes.fourgeeks_slow_above is not None and limit > modes.fourgeeks_slow_above:
        return html_answer(503, TOO_SLOW)
    offset = max(whole_number(call.query.get("offset"), 0), 0)
    results = [shape(row) for row in rows[offset : offset + limit]]
    links = _links(call, len(rows), limit, offset)
    headers = _headers(links, len(rows), limit, offset) if visit.fresh else {}
    return json_answer(links | {"results": results} if _is_wrapped(call) else results, headers=headers)


def _is_wrapped(call: Call) -> bool:
    if (envelope := call.query.get("envelope", "").lower()) in {"true", "false"}:
        return envelope == "true"
    return bool(call.query.get("limit") or call.query.get("offset"))


def _links(call: Call, count: int, limit: int, offset: int) -> Json:
    """`first` and `previous` are null on the first page, `next` and `last` on the last, which is not page-aligned."""
    others = {name: value for name, value in call.query.items() if name not in {"limit", "offset"}}

    def link(to: int) -> str:
        return f"{call.base_url}{call.path}?{urlencode({**others, 'limit': limit, 'offset': to})}"

    more = offset + limit < count
    return {
        "count": count,
        "first": link(0) if offset else None,
        "next": link(offset + limit) if more else None,
        "previous": link(max(offset - limit, 0)) if offset else None,
        "last": link(count - limit) if more else None,
    }


def _headers(links: Json, count: int, limit: int, offset: int) -> dict[str, str]:
    named = [f'<{links[name]}>; rel="{name}"' for name in ("first", "previous", "next", "last") if links[name]]
    numbers = {"X-Total-Count": str(count), "X-Per-Page": str(limit), "X-Page": str(offset // limit + 1)}
    return numbers | ({"Link": ", ".join(named)} if named else {})


SPAIN: Json = {"id": "es", "code": "es", "name": "Spain"}
COMPLETION: Json = {
    "strategy": {"type": "NO_COMPLETION_STRATEGY", "source": "legacy", "requirements": {}}, "is_complete": False,
    "used_macro_override": False, "overall": {"total": 0, "completed": 0, "percent": 0}, "required": {},
    "pending_required_slugs": {}, "pending_required_count": 0,
}  # fmt: skip


def student_json(record: Student, academy: Academy) -> Json:
    """A row of the student and member lists."""
    role = record.role
    return {
        "id": record.id, "first_name": record.first_name, "last_name": record.last_name,
        "user": _profile_user(record.user) if record.user else None,
        "academy": {"id": academy.id, "name": academy.name, "slug": academy.slug},
        "role": {"id": role, "slug": role, "display_slug": role.rsplit("_", 1)[0] if role[-1].isdigit() else role,
                 "name": role.split("_")[0].title()},
        "created_at": crm_time(record.created_at), "email": record.email, "address": None, "phone": record.phone,
        "status": record.status,
    }  # fmt: skip


def student_detail_json(record: Student, academy: Academy, base_url: str) -> Json:
    """One profile: the user gains `github`, the whole an invitation link."""
    row = student_json(record, academy)
    if record.user is not None:
        github = record.user.github
        avatar = f"https://avatars.example.org/u/{record.user.id}"
        known = {"avatar_url": avatar, "name": record.first_name, "username": github} if github else None
        row["user"] = row["user"] | {"github": known}
    return row | {"invite_url": f"{base_url}/auth/academy/html/invite"}


def enrollment_json(record: Enrollment, profile: Student | None) -> Json:
    """A row of the list of enrolments; spoiled fields win."""
    macro = record.macro_cohort
    row: Json = {
        "id": record.id, "user": _enrolled_user(record.user), "cohort": _embedded_cohort(record.cohort),
        "role": record.role, "finantial_status": record.financial_status,
        "educational_status": record.educational_status, "watching": False, "created_at": crm_time(record.created_at),
        "updated_at": crm_time(record.updated_at), "profile_academy": _embedded_profile(profile),
        "completion": COMPLETION,
        "source_macro_cohort": {"id": macro.id, "slug": macro.slug, "name": macro.name} if macro else None,
    }  # fmt: skip
    return row | dict(record.raw)


def cohort_json(record: Cohort, academy: Academy) -> Json:
    """A row of the list of cohorts, and the detail, which is the same."""
    ends = record.ending_at is not None
    syllabus = {name: value for name, value in _syllabus(record).items() if name != "id"} | {
        "status": "PUBLISHED", "duration_in_hours": 320, "duration_in_days": 48, "week_hours": 9, "github_url": None,
        "logo": None, "private": False,
    }  # fmt: skip
    return _cohort_head(record) | {
        "never_ends": not ends, "remote_available": True, "private": False, "language": "es", "current_day": 0,
        "current_module": None, "online_meeting_url": None, "timezone": "Europe/Madrid" if ends else None,
        "schedule": {"id": 9, "name": "Mon/Wed", "schedule_type": "PART-TIME", "description": "Tardes", "syllabus": 12},
        "syllabus_version": syllabus if ends else None, "academy": _whole_academy(academy), "timeslots": [],
        "is_hidden_on_prework": True, "available_as_saas": not ends,
        "micro_cohorts": [
            {"id": part.id, "name": part.name, "slug": part.slug, "syllabus_version": None}
            for part in record.micro_cohorts
        ],
    }  # fmt: skip


def _cohort_head(record: Cohort) -> Json:
    return {
        "id": record.id, "slug": record.slug, "name": record.name, "kickoff_date": crm_time(record.kickoff_at),
        "ending_date": crm_time(record.ending_at) if record.ending_at else None, "stage": record.stage,
        "shortcuts": None,
    }  # fmt: skip


def _embedded_cohort(record: Cohort) -> Json:
    ends = record.ending_at is not None
    return _cohort_head(record) | {
        "available_as_saas": not ends, "micro_cohorts": [part.id for part in record.micro_cohorts],
        "syllabus_version": _syllabus(record) if ends else None,
    }  # fmt: skip


def _syllabus(record: Cohort) -> Json:
    slug = {"FS": "full-stack", "DS": "data-science", "CS": "cybersecurity", "AIE": "ai-engineering"}
    kind = slug.get(record.service_type, "other")
    return {"id": 41, "version": 3, "slug": kind, "name": kind.replace("-", " ").title(), "syllabus": 12}


def _user(record: User) -> Json:
    return {"id": record.id, "first_name": record.first_name, "last_name": record.last_name, "email": record.email}


def _profile_user(record: User) -> Json:
    """In the auth endpoints `profile` is null when there is none."""
    return _user(record) | {"profile": {"avatar_url": None} if record.has_profile else None}


def _enrolled_user(record: User) -> Json:
    """Here the key `profile` is left out when there is none."""
    row = _user(record) | {"last_login": crm_time(record.last_login) if record.last_login else None}
    if not record.has_profile:
        return row
    profile = {"id": record.id - 8690, "avatar_url": None, "show_tutorial": True, "github_username": record.github}
    return row | {"profile": profile}


def _embedded_profile(record: Student | None) -> Json | None:
    if record is None:
        return None
    names = {"first_name": record.first_name, "last_name": record.last_name}
    return {"id": record.id, **names, "email": record.email, "phone": record.phone}


def _whole_academy(record: Academy) -> Json:
    city = record.name.split()[0]
    return {
        "id": record.id, "slug": record.slug, "name": record.name, "country": SPAIN,
        "city": {"id": 1, "name": city, "country": SPAIN}, "logo_url": None, "is_hidden_on_prework": True,
        "main_currency": {"code": "EUR", "name": "Euro"},
    }  # fmt: skip
