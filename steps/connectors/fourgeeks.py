"""The 4Geeks CRM, BreatheCode API (vendors/fourgeeks.md)."""

import time
from dataclasses import replace

import httpx

from steps.connectors.connector import Connector
from steps.connectors.credentials import address
from steps.connectors.fields import record
from steps.connectors.fourgeeks_login import CHECK_USER, VENDOR, Account, TokenAuth, explain
from steps.connectors.fourgeeks_payloads import Enrollment, Student, parse_enrollment, parse_student
from steps.connectors.http import USUAL, Ask, HttpRules, Site, VendorHttp, VendorTimeoutError
from steps.connectors.json_value import Json
from steps.connectors.listing import Listing
from steps.connectors.rows import Rows
from steps.errors import VendorAuthError, VendorPayloadError, VendorUnavailableError
from steps.progress import say
from steps.settings import FourgeeksSettings, required

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
        self._retry = rules.retry
        site = Site(VENDOR, base_url, settings.rate, _ADVICE, rules=rules, explain=explain)
        super().__init__(VendorHttp(site, self._auth))

    def students(self) -> Listing[Student]:
        """Every student profile, invited and deleted ones included."""
        return self._all_academies("student", _STUDENTS, None).parse(parse_student)

    def enrollments(self) -> Listing[Enrollment]:
        """Every enrollment with the role STUDENT, past ones included."""
        return self._all_academies("enrollment", _ENROLLMENTS, "updated_at").parse(parse_enrollment)

    def _all_academies(self, entity_type: str, request: Ask, stamp: str | None) -> Rows:
        """The lists of all academies, one import each: everything is scoped to one academy."""
        every = Rows(entity_type, stamp=stamp)
        for academy in dict.fromkeys(self._academies):
            asked = replace(request, headers={"Academy": academy})
            every.take(self._whole_list(asked, Rows(entity_type, stamp=stamp), academy))
        return every

    def _whole_list(self, request: Ask, rows: Rows, academy: str) -> Rows:
        """One academy's list, read again when it moved meanwhile: paging by offset skips and repeats rows then.

        Raises:
            VendorPayloadError: it moved each time.
        """
        for again in range(1, READ_AGAIN + 1):
            if self._is_read_whole(request, rows, academy):
                return rows
            pause = min(self._retry.longest_wait, self._retry.first_wait * 4**again)
            say(f"{VENDOR}: the list of {rows.entity_type}s moved while it was read: again in {pause:g} s")
            time.sleep(pause)
            rows = rows.emptied()
        if self._is_read_whole(request, rows, academy):
            return rows
        verdict = (
            f"{len(rows)} different rows in academy {academy} are not what `count` says, {READ_AGAIN + 1} times:"
            " the list is not whole"
        )
        raise VendorPayloadError(VENDOR, str(request), verdict)

    def _is_read_whole(self, request: Ask, rows: Rows, academy: str) -> bool:
        """Page by offset until it passes the count. A count that shrinks hides a skipped row behind a deleted one."""
        offset, count, shrank = 0, 0, False
        while offset < count or not offset:
            before = count
            count, page = self._page(request, offset)
            shrank = shrank or count < before
            if not rows.add(page):
                break  # nothing, or nothing new: a page that repeats would never end
            offset += len(page)
            say(f"{VENDOR}: {len(rows)} of {count} {rows.entity_type}s read (academy {academy})")
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
                say(f"{VENDOR}: {request} took too long: {self._limit} rows at once from now on")
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


def open_fourgeeks(settings: FourgeeksSettings | None = None, rules: HttpRules = USUAL) -> FourgeeksConnector:
    """The connector of the environment's settings, to be used in a `with`.

    Raises:
        ConfigError: a setting is missing or wrong.
    """
    return FourgeeksConnector(settings or FourgeeksSettings.load(), rules)


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
