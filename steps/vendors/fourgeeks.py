"""The 4Geeks CRM: login, students, enrollments (docs/vendors.md, 4Geeks)."""

import json
import threading
import time
from collections.abc import Generator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import httpx
from pydantic_core import to_jsonable_python

from steps.errors import VendorAuthError, VendorError, VendorNotFoundError, VendorPayloadError, VendorUnavailableError
from steps.ledger.client import normalize_email
from steps.ledger.service import period_status
from steps.settings import FourgeeksSettings, SyncSettings, required
from steps.vendors.http import USUAL, Ask, Connector, HttpRules, Site, VendorHttp, VendorTimeoutError, address
from steps.vendors.parsing import (
    Answer,
    FieldError,
    Json,
    Listing,
    Rows,
    child,
    code,
    day,
    identifier,
    is_empty,
    moment,
    pack,
    record,
    reference,
    text,
)
from tracking.redaction import register_secret


@dataclass(frozen=True, slots=True)
class Student:
    """A person's profile in one academy."""

    profile_id: str
    user_id: str | None
    """None while the person is only invited."""
    email: str | None
    """The user's, else the row's own: an invited person has only the latter."""
    status: str
    """`INVITED`, `ACTIVE` or `DELETED`, which the list does not leave out."""
    raw: str = field(compare=False)
    """As it came, packed."""


@dataclass(frozen=True, slots=True)
class Enrollment:
    """One person in one cohort; a person has several over time."""

    id: str
    user_id: str | None
    email: str | None
    cohort_id: str | None
    cohort_slug: str | None
    cohort_name: str
    kickoff: date | None
    """Days, as all of its times: in `SYNC_TIMEZONE`."""
    ending: date | None
    """None for cohorts that never end."""
    educational_status: str | None
    created_on: date | None
    """When the CRM made the row, whatever the course's dates are."""
    updated_on: date | None
    """Moves on any save of the row: no date of the status."""
    raw: str | None
    """Packed, of one that is in trouble already; the others' would fill the memory."""
    micro_cohort_ids: frozenset[str] = frozenset()
    """The cohorts that are parts of this one; the CRM enrolls a student of this one in each of them too."""
    has_macro_cohort: bool = False
    """The CRM made this row because of an enrollment in a macro cohort."""

    def as_read(self) -> Json:
        """The vendor's record, for people to look at: whole, or what was read of it."""
        return json.loads(self.raw) if self.raw else to_jsonable_python(replace(self, raw=None), exclude_none=True)


def parse_student(row: dict[str, Any]) -> Student:
    """One row of the student list."""
    user = child(row, "user")
    return Student(
        profile_id=identifier(row),
        user_id=reference(user) or None,
        email=normalize_email(text(user, "email")) or normalize_email(text(row, "email")),
        status=text(row, "status").upper(),
        raw=pack(row),
    )


def parse_enrollment(zone: ZoneInfo, row: dict[str, Any]) -> Enrollment:
    """One row of the cohort users: user and cohort are inside it.

    Raises:
        FieldError: one of them is missing, so that nobody can say whose it is, or what for.
    """
    user, cohort = child(row, "user"), child(row, "cohort")
    if not user or not cohort:
        raise FieldError("user or cohort is missing")
    kickoff, status = day(cohort, "kickoff_date", zone), text(row, "educational_status").upper() or None
    return Enrollment(
        id=identifier(row),
        user_id=reference(user) or None,
        email=normalize_email(text(user, "email")),
        cohort_id=code(cohort, "id") or None,
        cohort_slug=text(cohort, "slug") or None,
        cohort_name=text(cohort, "name"),
        kickoff=kickoff,
        ending=day(cohort, "ending_date", zone),
        educational_status=status,
        created_on=day(row, "created_at", zone),
        updated_on=day(row, "updated_at", zone),
        raw=pack(row) if kickoff is None or period_status(status) is None else None,
        micro_cohort_ids=_ids_of(cohort, "micro_cohorts"),
        has_macro_cohort=not is_empty(row.get("source_macro_cohort")),
    )


def _ids_of(row: dict[str, Any], name: str) -> frozenset[str]:
    """A list of ids, whole numbers in one endpoint and objects in another (docs/vendors.md, 4Geeks facts).

    Raises:
        FieldError: it is something else.
    """
    value: Json = row.get(name)
    if is_empty(value):
        return frozenset()
    if not isinstance(value, list):
        raise FieldError(f"{name} {value!r} is no list")
    return frozenset(identifier(each if isinstance(each, dict) else {"id": each}) for each in value)


VENDOR = "fourgeeks"
CHECK_USER = "check FOURGEEKS_USERNAME and FOURGEEKS_PASSWORD"
_NO_SUCH_PATH = "check FOURGEEKS_BASE_URL: it ends with the version, as in .../v1"
_CREDENTIALS_ARE_RIGHT = (
    "inactive user",
    "user inactive",
    "validate your email",
    "academy is not active",
    "academy is deleted",
)
"""In the vendor's sentence: the account or the academy is closed, so no other password or role would help."""
_PATH = "/auth/login/"
"""With its last slash: without it the POST is redirected and becomes a GET."""
_MARGIN = timedelta(minutes=5)
"""A token that dies within it is not used for a list that may take as long."""


@dataclass(frozen=True)
class Account:
    """Who logs in where."""

    base_url: str
    username: str
    password: str
    rate: float
    rules: HttpRules = USUAL

    @property
    def key(self) -> tuple[str, str]:
        """Whose token it is."""
        return self.base_url, self.username


@dataclass(frozen=True)
class _Login:
    """What the last login of an account brought."""

    token: str
    expires_at: datetime | None
    brought_again: bool = False
    """The login before brought the same token: there is no other before this one dies."""

    def is_due(self) -> bool:
        """Whether the token is about to die and another login may bring a new one."""
        soon = self.expires_at is not None and self.expires_at - _MARGIN <= datetime.now(UTC)
        return soon and not self.brought_again


class TokenAuth(httpx.Auth):
    """`Authorization: Token <key>`, the token of the account."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._token = ""

    def log_in(self) -> None:
        """Make sure of a token; asks the vendor only when the process has none that lives.

        Raises:
            VendorAuthError: the login is refused.
        """
        self._token = _token(self._account)

    def forget(self) -> None:
        """The token was refused: the next login asks the vendor, unless another connector has done so meanwhile."""
        with _lock:
            known = _tokens.get(self._account.key)
            if known is not None and known.token == self._token:
                del _tokens[self._account.key]

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Put the token on the request."""
        request.headers["Authorization"] = f"Token {self._token}"
        yield request


_tokens: dict[tuple[str, str], _Login] = {}
_lock = threading.RLock()


def _token(account: Account) -> str:
    with _lock:
        known = _tokens.get(account.key)
        if known is None or known.is_due():
            token, expires_at = _log_in(account)
            known = _Login(token, expires_at, brought_again=known is not None and known.token == token)
            _tokens[account.key] = known
        return known.token


_LONGEST_TOKEN = 4096
"""A header that is longer than a server takes would be refused until the process ends."""


def _log_in(account: Account) -> tuple[str, datetime | None]:
    site = Site(VENDOR, account.base_url, account.rate, {}, rules=account.rules, explain=_explain_login)
    request = Ask("POST", _PATH, body={"email": account.username, "password": account.password})
    with VendorHttp(site) as http:
        answer = http.ask(request)
    try:
        token, expires_at = text(record(answer), "token"), moment(record(answer), "expires_at")
    except ValueError as error:
        raise VendorPayloadError(VENDOR, str(request), f"the login's answer cannot be read: {error}") from error
    if not token.isalnum() or not token.isascii() or len(token) > _LONGEST_TOKEN:
        raise VendorPayloadError(VENDOR, str(request), "the login's answer holds no token")
    register_secret(token)
    return token, expires_at


def explain(answer: Answer) -> VendorError | None:
    """Answers whose status alone says too little, or would give wrong advice (docs/vendors.md, 4Geeks errors)."""
    status, reason = answer.status, answer.reason()
    if status == httpx.codes.NOT_FOUND and answer.is_page():
        return VendorNotFoundError(VENDOR, answer.request, f"404 ({reason}); {_NO_SUCH_PATH}", status=status)
    if status in _REFUSED and any(sentence in reason.lower() for sentence in _CREDENTIALS_ARE_RIGHT):
        return VendorAuthError(VENDOR, answer.request, f"{status} ({reason})", status=status)
    return None


_REFUSED = (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN)


def _explain_login(answer: Answer) -> VendorError | None:
    """A refused login is a 400, or one of those that `explain` knows."""
    known = explain(answer)
    if known is not None or answer.status not in (httpx.codes.BAD_REQUEST, *_REFUSED):
        return known
    verdict = f"{answer.status} ({answer.reason()}): the login is refused; {CHECK_USER}"
    return VendorAuthError(VENDOR, answer.request, verdict, status=answer.status)


__all__ = ["Enrollment", "FourgeeksConnector", "Student", "open_fourgeeks"]

SMALLEST_PAGE = 10
"""Rows below which a time-out is not the page's fault."""
READ_AGAIN = 3
"""How often a list that moved while it was read is read again, after a pause that grows."""
_OUT_OF_TIME = (503, 504)
"""The hosting router cuts a request after about 30 s, and a large page is slow to compute."""
_ADVICE = {
    400: "check FOURGEEKS_ACADEMY_ID",
    401: CHECK_USER,
    403: "the user's role in this academy lacks the capability, or FOURGEEKS_ACADEMY_ID is wrong",
}
_STUDENTS = Ask("GET", "/auth/academy/student", {"sort": "id"})
_ENROLLMENTS = Ask("GET", "/admissions/academy/cohort/user", {"roles": "STUDENT", "sort": "id", "cache": "false"})
"""`cache=false`: the server would answer from a cache of its own."""


Record = TypeVar("Record")


class FourgeeksConnector(Connector):
    """Reads students and enrollments of every academy of the settings. Use it in a `with`, or close it."""

    def __init__(self, settings: FourgeeksSettings, rules: HttpRules = USUAL) -> None:
        """Logs in with the first request, not here.

        Raises:
            ConfigError: `FOURGEEKS_USERNAME` or `FOURGEEKS_PASSWORD` is not set.
        """
        username = required("FOURGEEKS_USERNAME", settings.username, "4Geeks")
        password = required("FOURGEEKS_PASSWORD", settings.password, "4Geeks")
        base_url = address("FOURGEEKS_BASE_URL", settings.base_url)
        self._academies, self._limit = settings.academy_id, settings.page_size
        self._auth = TokenAuth(Account(base_url, username, password, settings.rate, rules))
        self._retry, self._zone = rules.retry, SyncSettings.load().zone
        site = Site(VENDOR, base_url, settings.rate, _ADVICE, rules=rules, explain=explain)
        super().__init__(VendorHttp(site, self._auth))

    def check(self) -> None:
        """Log in and ask for a student of each academy, to see whether the vendor answers and takes the credential."""
        for academy in self._academies:
            query = {**_STUDENTS.query, "limit": 1, "offset": 0}
            request = replace(_STUDENTS, query=query, headers={"Academy": academy})
            _unwrapped(request, self._ask(request))

    def students(self) -> Listing[Student]:
        """Every student profile, invited and deleted ones included."""
        return self._all_academies(_STUDENTS, Rows("student", parse_student, show=lambda each: json.loads(each.raw)))

    def enrollments(self) -> Listing[Enrollment]:
        """Every enrollment with the role STUDENT, past ones included."""
        parse = partial(parse_enrollment, self._zone)
        return self._all_academies(_ENROLLMENTS, Rows("enrollment", parse, stamp="updated_at"))

    def _all_academies(self, request: Ask, rows: Rows[Record]) -> Listing[Record]:
        """The lists of all academies, one import each: everything is scoped to one academy."""
        for academy in dict.fromkeys(self._academies):
            asked = replace(request, headers={"Academy": academy})
            rows.take(self._whole_list(asked, rows.emptied(), academy))
        return rows.listing()

    def _whole_list(self, request: Ask, rows: Rows[Record], academy: str) -> Rows[Record]:
        """One academy's list, read again when it moved meanwhile: paging by offset skips and repeats rows then.

        Raises:
            VendorPayloadError: it moved each time.
        """
        for again in range(1, READ_AGAIN + 1):
            if self._is_read_whole(request, rows, academy):
                return rows
            pause = min(self._retry.longest_wait, self._retry.first_wait * 4**again)
            self._progress.update(
                f"{VENDOR}: the list of {rows.entity_type}s moved while it was read: again in {pause:g} s"
            )
            time.sleep(pause)
            rows = rows.emptied()
        if self._is_read_whole(request, rows, academy):
            return rows
        verdict = (
            f"{len(rows)} different rows in academy {academy} are not what `count` says, {READ_AGAIN + 1} times:"
            " the list is not whole"
        )
        raise VendorPayloadError(VENDOR, str(request), verdict)

    def _is_read_whole(self, request: Ask, rows: Rows[Any], academy: str) -> bool:
        """Page by offset until it passes the count. A count that shrinks hides a skipped row behind a deleted one."""
        offset, count, shrank = 0, 0, False
        while offset < count or not offset:
            before = count
            count, page = self._page(request, offset)
            shrank = shrank or count < before
            if not rows.add(page):
                break  # nothing, or nothing new: a page that repeats would never end
            offset += len(page)
            self._progress.update(f"{VENDOR}: {len(rows)} of {count} {rows.entity_type}s read (academy {academy})")
        return len(rows) == count and not shrank

    def _page(self, request: Ask, offset: int) -> tuple[int, list[Json]]:
        """One page; a smaller one, from the same offset, when the server ran out of time."""
        while True:
            patient = self._limit <= SMALLEST_PAGE
            query = {**request.query, "limit": self._limit, "offset": offset}
            try:
                answer = self._ask(replace(request, query=query, attempts=None if patient else 2))
            except VendorUnavailableError as error:
                slow = isinstance(error, VendorTimeoutError) or error.status in _OUT_OF_TIME
                if patient or not slow or error.request != str(request):  # a slow login says nothing of the page
                    raise
                self._limit = max(SMALLEST_PAGE, self._limit // 2)
                self._progress.update(f"{VENDOR}: {request} took too long: {self._limit} rows at once from now on")
            else:
                return _unwrapped(request, answer)

    def _ask(self, request: Ask) -> Json:
        """With one new login when the token was refused; a second refusal is the answer."""
        self._auth.log_in()
        try:
            return self._http.ask(request)
        except VendorAuthError as error:
            if error.status != httpx.codes.UNAUTHORIZED:
                raise
        self._auth.forget()
        self._auth.log_in()
        return self._http.ask(request)


def open_fourgeeks(rules: HttpRules = USUAL) -> FourgeeksConnector:
    """The connector of the environment's settings, to be used in a `with`.

    Raises:
        ConfigError: a setting is missing or wrong.
    """
    return FourgeeksConnector(FourgeeksSettings.load(), rules)


def _unwrapped(request: Ask, answer: Json) -> tuple[int, list[Json]]:
    """Count and rows. A bare list is a list cut to 20 rows: never taken for a whole one."""
    try:
        wrapper = record(answer)
        count, page = wrapper["count"], wrapper["results"]
    except (ValueError, KeyError) as error:
        raise VendorPayloadError(VENDOR, str(request), "no `count` and `results` in the answer") from error
    if isinstance(count, bool) or not isinstance(count, int) or not isinstance(page, list):
        raise VendorPayloadError(VENDOR, str(request), "`count` is no number or `results` no list")
    return count, page
