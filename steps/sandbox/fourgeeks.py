"""The 4Geeks CRM as vendors/fourgeeks.md describes it; everything is scoped to the academy of the header."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import unquote

from steps.sandbox import fourgeeks_json as shapes
from steps.sandbox.campus import Academy, Enrollment, Student
from steps.sandbox.exchange import Answer, Call, html_answer, json_answer
from steps.sandbox.fourgeeks_filters import (
    COHORT_KEYS,
    PROFILE_KEYS,
    SEAT_KEYS,
    UnknownFieldError,
    cohort_fits,
    member_fits,
    seat_fits,
    sort,
    student_fits,
)
from steps.sandbox.fourgeeks_login import USER_ID, Tokens
from steps.sandbox.fourgeeks_paging import page
from steps.sandbox.modes import Modes
from steps.sandbox.world import World

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

    def profiles(self) -> list[Student]:
        """The academy's people, staff too."""
        return [student for student in self.world.students if student.academy_id == self.academy.id]

    def seats(self) -> list[Enrollment]:
        """The academy's enrolments."""
        return [seat for seat in self.world.enrollments if seat.cohort.academy_id == self.academy.id]


def answer(call: Call, world: World, modes: Modes, tokens: Tokens, *, fresh: bool = True) -> Answer:
    """What the CRM answers; `fresh` says that the answer did not come from its cache."""
    if call.path in {"/auth/login", "/auth/login/"}:
        return _login(call, tokens)
    route = next((found for found in map(_match(call.path), _ROUTES) if found), None)
    if route is None:
        return NOT_FOUND
    if refusal := tokens.refusal(call):
        return refusal
    academy = _academy(call, world, modes, _CAPABILITIES[call.path.split("/")[3]])
    if isinstance(academy, Answer):
        return academy
    if call.method != "GET":
        return _error(405, f'Method "{call.method}" not allowed.')
    handler, arguments = route
    return handler(Visit(call, world, modes, academy, fresh), *arguments)


def _login(call: Call, tokens: Tokens) -> Answer:
    """Without the slash a 301 that turns many clients' POST into a GET, which is then refused."""
    if not call.path.endswith("/"):
        return Answer(301, b"", "text/html; charset=utf-8", {"Location": f"{call.base_url}/auth/login/"})
    return tokens.log_in(call) if call.method == "POST" else _error(405, f'Method "{call.method}" not allowed.')


def _academy(call: Call, world: World, modes: Modes, capability: str) -> Academy | Answer:
    given = call.headers.get("academy") or call.query.get("academy")
    if not given:
        return _error(403, "Missing academy_id parameter expected for the endpoint url or 'Academy' header")
    if not given.isdigit():
        return _error(400, f"Academy ID needs to be an integer: {given}")
    found = next((academy for academy in world.academies if academy.id == int(given)), None)
    if found is None or modes.fourgeeks_forbidden:
        return _error(403, f"You (user: {USER_ID}) don't have this capability: {capability} for academy {given}")
    return found


def _error(status: int, detail: str) -> Answer:
    return json_answer({"detail": detail, "status_code": status}, status)


def _students(visit: Visit) -> Answer:
    seats = visit.seats() if "cohort" in visit.call.query else []
    rows = [row for row in visit.profiles() if row.role == "student" and student_fits(visit.call, row, seats)]
    try:
        rows = sort(rows, visit.call.query.get("sort") or "-created_at", PROFILE_KEYS)
    except UnknownFieldError:
        return SERVER_ERROR
    return page(visit.call, rows, lambda row: shapes.student(row, visit.academy), visit.modes)


def _members(visit: Visit) -> Answer:
    rows = [row for row in visit.profiles() if member_fits(visit.call, row)]
    return page(visit.call, rows, lambda row: shapes.student(row, visit.academy), visit.modes)


def _profile(visit: Visit, key: str, missing: str) -> Answer:
    """By user id, or by the exact address, letter case included; the lowest profile id wins."""
    wanted = unquote(key)
    found = [row for row in visit.profiles() if row.user and wanted in {str(row.user.id), row.user.email}]
    found += [row for row in visit.profiles() if row.user is None and row.email == wanted]
    if not found:
        return _error(404, missing)
    lowest = min(found, key=lambda row: row.id)
    return json_answer(shapes.student_detail(lowest, visit.academy, visit.call.base_url))


def _student(visit: Visit, key: str) -> Answer:
    return _profile(visit, key, "Profile not found")


def _member(visit: Visit, key: str) -> Answer:
    return _profile(visit, key, "Profile not found for this user and academy")


def _enrollments(visit: Visit, _cohort_id: str = "") -> Answer:
    """The list; the variant with a cohort id ignores it (the sheet's trap)."""
    try:
        fits = seat_fits(visit.call)
        by = (visit.call.query.get("sort") or "-created_at").split(",")[0]
        rows = sort([seat for seat in visit.seats() if fits(seat)], by, SEAT_KEYS)
    except UnknownFieldError as error:
        return _error(400, str(error))
    if visit.call.query.get("distinct") == "true":
        rows = list({seat.user.id: seat for seat in rows}.values())
    profiles = {student.user.id: student for student in visit.profiles() if student.user}
    return page(
        visit.call,
        rows,
        lambda seat: shapes.enrollment(seat, profiles.get(seat.user.id)),
        visit.modes,
        fresh=visit.fresh,
    )


def _enrollment(visit: Visit, cohort_id: str, user_id: str) -> Answer:
    for seat in visit.seats():
        if (str(seat.cohort.id), str(seat.user.id)) == (cohort_id, user_id):
            return json_answer(shapes.enrollment(seat, _profile_of(visit, seat)))
    return _error(404, "Cohort user not found")


def _enrollment_by_id(visit: Visit, seat_id: str) -> Answer:
    for seat in visit.seats():
        if str(seat.id) == seat_id:
            return json_answer(shapes.enrollment_detail(seat, _profile_of(visit, seat)))
    return _error(404, "Cohort user not found")


def _profile_of(visit: Visit, seat: Enrollment) -> Student | None:
    return next((row for row in visit.profiles() if row.user and row.user.id == seat.user.id), None)


def _cohorts(visit: Visit) -> Answer:
    cohorts = [row for row in visit.world.cohorts if row.academy_id == visit.academy.id]
    rows = [row for row in cohorts if cohort_fits(visit.call, row)]
    try:
        rows = sort(rows, visit.call.query.get("sort") or "-kickoff_date", COHORT_KEYS)
    except UnknownFieldError:
        return SERVER_ERROR
    return page(visit.call, rows, lambda row: shapes.cohort(row, visit.academy), visit.modes, fresh=visit.fresh)


def _cohort(visit: Visit, key: str) -> Answer:
    for row in visit.world.cohorts:
        if row.academy_id == visit.academy.id and key in {str(row.id), row.slug}:
            return json_answer(shapes.cohort(row, visit.academy))
    return _error(404, f"Cohort {key} not found")


Handler = Callable[..., Answer]
_ROUTES: tuple[tuple[re.Pattern[str], Handler], ...] = (
    (re.compile(r"/auth/academy/student"), _students),
    (re.compile(r"/auth/academy/student/([^/]+)"), _student),
    (re.compile(r"/auth/academy/member"), _members),
    (re.compile(r"/auth/academy/member/([^/]+)"), _member),
    (re.compile(r"/admissions/academy/cohort"), _cohorts),
    (re.compile(r"/admissions/academy/cohort/user"), _enrollments),
    (re.compile(r"/admissions/academy/cohort/user/(\d+)"), _enrollment_by_id),
    (re.compile(r"/admissions/academy/cohort/(\d+)/user"), _enrollments),
    (re.compile(r"/admissions/academy/cohort/(\d+)/user/(\d+)"), _enrollment),
    (re.compile(r"/admissions/academy/cohort/([^/]+)"), _cohort),
)
_CAPABILITIES = {"student": "read_student", "member": "read_member", "cohort": "read_all_cohort"}


def _match(path: str) -> Callable[[tuple[re.Pattern[str], Handler]], tuple[Handler, tuple[str, ...]] | None]:
    def found(route: tuple[re.Pattern[str], Handler]) -> tuple[Handler, tuple[str, ...]] | None:
        pattern, handler = route
        match = pattern.fullmatch(path)
        return (handler, match.groups()) if match else None

    return found
