"""A backend that does the work instead (`SYNC_BACKEND_URL`), in either dialect (docs/interfaces.md, Backend)."""

from collections.abc import Generator
from dataclasses import dataclass, replace
from datetime import date, datetime, time

import httpx

from steps.catalog import ACCRUALS, INVOICES, NOTION_EXTERNAL_ID, Step
from steps.errors import VendorPayloadError, VendorRejectedError, VendorUnfinishedError
from steps.ledger.months import MonthWindow
from steps.settings import BackendDialect, SyncSettings, required
from steps.vendors.http import (
    USUAL,
    Ask,
    HttpRules,
    Limits,
    RetryPolicy,
    Site,
    VendorHttp,
    VendorTimeoutError,
    address,
    credential,
)
from steps.vendors.parsing import Json, finite_float, reason_of, snippet
from tracking.redaction import redact_emails

VENDOR = "backend"
_CALLS_PER_SECOND = 10.0
_ADVICE = {
    401: "check SYNC_API_TOKEN",
    403: "check SYNC_API_TOKEN",
    404: "check SYNC_BACKEND_URL and SYNC_BACKEND_DIALECT",
    405: "check SYNC_BACKEND_DIALECT",
}
_TRANSIENT = frozenset({429, 502, 503, 504})
"""What says that the call did not begin, or that nobody knows: the endpoints are safe to call again."""
_RETRY_SECONDS = 60.0
"""After that, no answer says that the call did not begin."""
_LARGEST_ANSWER = 8 * 1024 * 1024
_DEEPEST_ANSWER = 50
_NO_NUMBERS = frozenset({"NaN", "Infinity", "-Infinity"})
"""As the parser leaves them: a vendor's list loses one record by them, and this answer is refused as a whole."""
_FAILED = frozenset({"failed", "error"})
_FIRST_ERROR_STATUS = 400
_DEVENGO_PATHS = {NOTION_EXTERNAL_ID.id: "/api/integrations/notion/sync-page-ids-from-clients"}
"""Where it differs from the table of docs/interfaces.md, The six steps."""


@dataclass(frozen=True)
class BackendCall:
    """One call as the backend's dialect wants it."""

    method: str
    path: str
    parameters: dict[str, str]


def backend_call(settings: SyncSettings, step: Step, window: MonthWindow | None) -> BackendCall:
    """The call of a step for a month window, or once."""
    if window is None or not settings.calls_by_month(step):
        parameters = {}
    elif step.id == ACCRUALS.id:
        parameters = {"period_start_date": window.start.isoformat()}
    elif step.id == INVOICES.id and settings.backend_dialect is BackendDialect.DEVENGO:
        parameters = {
            "start_timestamp": _midnight(window.start, settings),
            "end_timestamp": _midnight(window.end, settings),
        }
    else:
        parameters = {"start_date": window.start.isoformat(), "end_date": window.end.isoformat()}
    if settings.backend_dialect is BackendDialect.DEVENGO:
        method = "POST" if step.id == ACCRUALS.id else "GET"
        return BackendCall(method, _DEVENGO_PATHS.get(step.id, step.endpoint), parameters)
    return BackendCall("POST", step.endpoint, parameters)


def _midnight(day: date, settings: SyncSettings) -> str:
    """In Unix seconds."""
    return str(int(datetime.combine(day, time(), settings.zone).timestamp()))


class _OptionalBearerAuth(httpx.Auth):
    def __init__(self, token: str | None) -> None:
        self._token = token

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        if self._token is not None:
            request.headers["Authorization"] = f"Bearer {self._token}"
        yield request


def call_backend(
    settings: SyncSettings,
    endpoint: str,
    parameters: dict[str, str],
    rules: HttpRules | None = None,
    *,
    method: str = "POST",
) -> dict[str, Json]:
    """What the endpoint answers when its work is done.

    The parameters travel as query and, unless it is a GET, as JSON body: some backends read the one, some the other.

    Raises:
        ConfigError: `SYNC_BACKEND_URL` is not set, or no address.
        VendorUnfinishedError: the backend accepted the call and did not answer in time.
        VendorError: the backend refused, or answered that it failed; with the reason it gave.
    """
    base_url = address("SYNC_BACKEND_URL", required("SYNC_BACKEND_URL", settings.backend_url, "the remote backend"))
    token = credential("SYNC_API_TOKEN", settings.api_token, "the backend") if settings.api_token else None
    rules = rules or backend_rules(settings)
    site = Site(
        VENDOR,
        base_url,
        _CALLS_PER_SECOND,
        _ADVICE,
        _TRANSIENT,
        rules,
        repeat_unanswered=False,
        parse_float=finite_float,
    )
    request = Ask(method, endpoint, query=parameters, body=None if method == "GET" else parameters)
    try:
        with VendorHttp(site, _OptionalBearerAuth(token)) as http:
            answer = http.ask(request)
    except VendorTimeoutError as error:
        limit = min(rules.limits.read, rules.limits.whole)
        verdict = (
            f"accepted, and not answered within {limit:g} s (SYNC_BACKEND_TIMEOUT): it may still be at work there; "
            "look, then run this again"
        )
        raise VendorUnfinishedError(VENDOR, str(request), verdict) from error
    if not isinstance(answer, dict):
        raise VendorPayloadError(VENDOR, str(request), "a JSON object was expected", status=200)
    if _says_it_failed(answer):
        verdict = f"answered that it failed ({snippet(reason_of(_without_verdict(answer)))})"
        raise VendorRejectedError(VENDOR, str(request), verdict, status=200)
    try:
        kept: dict[str, Json] = _without_emails(answer)
    except _UnkeepableError as error:
        raise VendorPayloadError(VENDOR, str(request), f"the answer {error}", status=200) from None
    return kept


def backend_rules(settings: SyncSettings, rules: HttpRules = USUAL) -> HttpRules:
    """Rules with the backend's limits of time and size."""
    limit = settings.backend_timeout
    return replace(
        rules,
        retry=RetryPolicy(total=min(limit, _RETRY_SECONDS)),
        limits=Limits(read=limit, whole=limit, body_bytes=_LARGEST_ANSWER),
    )


def _says_it_failed(answer: dict[str, Json]) -> bool:
    """`"success": false`, a status that says so, an error and nothing else, or a problem (RFC 9457) with a 200."""
    status = answer.get("status")
    is_problem = isinstance(status, int) and status >= _FIRST_ERROR_STATUS and bool({"title", "detail"} & answer.keys())
    says_failed = isinstance(status, str) and status.lower() in _FAILED
    only_error = bool(answer.get("error")) and answer.keys() <= {"error", "status", "message", "detail"}
    return answer.get("success") is False or is_problem or says_failed or only_error


def _without_verdict(answer: dict[str, Json]) -> dict[str, Json]:
    """What is left to give the reason."""
    return {name: value for name, value in answer.items() if name not in {"success", "status"}}


class _UnkeepableError(ValueError):
    """The history of runs cannot hold the answer; the message says what is wrong with it."""


def _without_emails(value: Json, depth: int = 0) -> Json:
    if depth > _DEEPEST_ANSWER:
        raise _UnkeepableError(f"nests deeper than {_DEEPEST_ANSWER} levels")
    if isinstance(value, str):
        if value in _NO_NUMBERS:
            raise _UnkeepableError(f"holds {value} where a number was expected")
        return redact_emails(value)
    if isinstance(value, dict):
        return {redact_emails(key): _without_emails(item, depth + 1) for key, item in value.items()}
    return [_without_emails(item, depth + 1) for item in value] if isinstance(value, list) else value
