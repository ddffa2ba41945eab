"""A remote backend that does the integration's work: steps POST to its endpoints (interfaces.md, SYNC_BACKEND_URL)."""

from collections.abc import Generator

import httpx

from steps.connectors.credentials import address, credential
from steps.connectors.http import Ask, HttpRules, Limits, Site, VendorHttp
from steps.connectors.json_value import Json, finite_float
from steps.errors import VendorPayloadError
from steps.settings import SyncSettings, required

VENDOR = "backend"
_CALLS_PER_SECOND = 10.0
_ADVICE = {
    401: "check SYNC_API_TOKEN",
    403: "check SYNC_API_TOKEN",
    404: "check SYNC_BACKEND_URL",
}
_TRANSIENT = frozenset({429, 502, 503, 504})
"""What says that the call did not begin, or that nobody knows: the endpoints are safe to call again."""
_PATIENT = HttpRules(limits=Limits(read=15 * 60.0, whole=16 * 60.0))
"""A month of a large academy takes its time; the answer comes when the work is done."""


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
    rules: HttpRules = _PATIENT,
) -> dict[str, Json]:
    """What the endpoint answers when its work is done.

    The parameters travel as query and as JSON body: some backends read the one, some the other.

    Raises:
        ConfigError: `SYNC_BACKEND_URL` is not set, or no address.
        VendorError: the backend refused, failed or took too long; with the reason it gave.
    """
    base_url = address("SYNC_BACKEND_URL", required("SYNC_BACKEND_URL", settings.backend_url, "the remote backend"))
    token = credential("SYNC_API_TOKEN", settings.api_token, "the backend") if settings.api_token else None
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
    request = Ask("POST", endpoint, query=parameters, body=parameters)
    with VendorHttp(site, _OptionalBearerAuth(token)) as http:
        answer = http.ask(request)
    if not isinstance(answer, dict):
        raise VendorPayloadError(VENDOR, str(request), "a JSON object was expected", status=200)
    return answer
