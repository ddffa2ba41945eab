"""The fake 4Geeks API: its login, the two lists that are read, in pages, and its JSON of the academy's people."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha1
from typing import Any
from urllib.parse import urlencode

from steps.sandbox.exchange import Answer, Call, Json, Modes, html_answer, json_answer, whole_number
from steps.sandbox.records import Academy, Cohort, Enrollment, Student, User, World, crm_time

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


def answer(call: Call, world: World, modes: Modes, tokens: Tokens) -> Answer:
    """What the CRM answers."""
    if call.path in {"/auth/login", "/auth/login/"}:
        return _login(call, tokens)
    if call.path not in _LISTS:
        return NOT_FOUND
    if refusal := tokens.refusal(call):
        return refusal
    capability, read = _LISTS[call.path]
    academy = _academy(call, world, capability)
    if isinstance(academy, Answer):
        return academy
    if call.method != "GET":
        return _error(405, f'Method "{call.method}" not allowed.')
    return read(call, world, modes, academy)


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


def _students(call: Call, world: World, modes: Modes, academy: Academy) -> Answer:
    """A deleted student is not left out."""
    rows = [row for row in world.students if row.academy_id == academy.id and row.role == "student"]
    return _page(call, modes, rows, lambda row: student_json(row, academy))


def _enrollments(call: Call, world: World, modes: Modes, academy: Academy) -> Answer:
    roles = {role.strip().upper() for role in call.query.get("roles", "").split(",") if role.strip()}
    rows = [
        row for row in world.enrollments if row.cohort.academy_id == academy.id and (not roles or row.role in roles)
    ]
    profiles = {each.user.id: each for each in world.students if each.user and each.academy_id == academy.id}
    return _page(call, modes, rows, lambda row: enrollment_json(row, profiles.get(row.user.id)))


_LISTS: dict[str, tuple[str, Callable[[Call, World, Modes, Academy], Answer]]] = {
    "/auth/academy/student": ("read_student", _students),
    "/admissions/academy/cohort/user": ("read_all_cohort", _enrollments),
}
"""Path -> the capability that it needs, and the list."""


def _page(call: Call, modes: Modes, rows: Sequence[Any], shape: Callable[[Any], Json]) -> Answer:
    """The rows asked for, each in its JSON shape: by id if asked for, else the newest first.

    Without `limit` and `offset` it is a bare list, and only its beginning.
    """
    limit = whole_number(call.query.get("limit"), 0)
    limit = limit if limit > 0 else DEFAULT_PAGE
    if modes.fourgeeks_slow_above is not None and limit > modes.fourgeeks_slow_above:
        return html_answer(503, TOO_SLOW)
    offset = max(whole_number(call.query.get("offset"), 0), 0)
    ordered = sorted(rows, key=lambda row: row.id)
    if call.query.get("sort") != "id":
        ordered.sort(key=lambda row: row.created_at, reverse=True)
    results = [shape(row) for row in ordered[offset : offset + limit]]
    is_wrapped = call.query.get("limit") or call.query.get("offset")
    return json_answer(_links(call, len(rows), limit, offset) | {"results": results} if is_wrapped else results)


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


COMPLETION: Json = {
    "strategy": {"type": "NO_COMPLETION_STRATEGY", "source": "legacy", "requirements": {}}, "is_complete": False,
    "used_macro_override": False, "overall": {"total": 0, "completed": 0, "percent": 0}, "required": {},
    "pending_required_slugs": {}, "pending_required_count": 0,
}  # fmt: skip


def student_json(record: Student, academy: Academy) -> Json:
    """A row of the student list."""
    return {
        "id": record.id, "first_name": record.first_name, "last_name": record.last_name,
        "user": _profile_user(record.user) if record.user else None,
        "academy": {"id": academy.id, "name": academy.name, "slug": academy.slug},
        "role": {"id": "student", "slug": "student", "display_slug": "student", "name": "Student"},
        "created_at": crm_time(record.created_at), "email": record.email, "address": None, "phone": record.phone,
        "status": record.status,
    }  # fmt: skip


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


def _embedded_cohort(record: Cohort) -> Json:
    ends = record.ending_at is not None
    return {
        "id": record.id, "slug": record.slug, "name": record.name, "kickoff_date": crm_time(record.kickoff_at),
        "ending_date": crm_time(record.ending_at) if record.ending_at else None, "stage": record.stage,
        "shortcuts": None, "available_as_saas": not ends, "micro_cohorts": [part.id for part in record.micro_cohorts],
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
