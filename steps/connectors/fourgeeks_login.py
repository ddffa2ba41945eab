"""The login of the 4Geeks CRM: one token per address and user, kept for the life of the process (vendors/fourgeeks.md).

A login gives the same token while it is valid, so asking once is enough; it is never written anywhere.
"""

import threading
from collections.abc import Generator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import httpx

from steps.connectors.answers import Answer
from steps.connectors.fields import moment, record, text
from steps.connectors.http import USUAL, Ask, HttpRules, Site, VendorHttp
from steps.errors import VendorAuthError, VendorError, VendorPayloadError
from tracking.redaction import register_secret

VENDOR = "fourgeeks"
CHECK_USER = "check FOURGEEKS_USERNAME and FOURGEEKS_PASSWORD"
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
        key = (self._account.base_url, self._account.username)
        with _lock:
            if _tokens.get(key, ("", None))[0] == self._token:
                _tokens.pop(key, None)

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Put the token on the request."""
        request.headers["Authorization"] = f"Token {self._token}"
        yield request


_tokens: dict[tuple[str, str], tuple[str, datetime | None]] = {}
_lock = threading.RLock()


def _token(account: Account) -> str:
    key = (account.base_url, account.username)
    with _lock:
        token, expires_at = _tokens.get(key, ("", None))
        if not token or (expires_at is not None and expires_at - _MARGIN <= datetime.now(UTC)):
            token, expires_at = _log_in(account)
            _tokens[key] = (token, expires_at)
        return token


def _log_in(account: Account) -> tuple[str, datetime | None]:
    site = Site(VENDOR, account.base_url, account.rate, {}, rules=account.rules, explain=_explain)
    request = Ask("POST", _PATH, body={"email": account.username, "password": account.password})
    with VendorHttp(site) as http:
        answer = http.ask(request)
    try:
        token, expires_at = text(record(answer), "token"), moment(record(answer), "expires_at")
    except ValueError as error:
        raise VendorPayloadError(VENDOR, str(request), f"the login's answer cannot be read: {error}") from error
    if not token.isalnum() or not token.isascii():
        raise VendorPayloadError(VENDOR, str(request), "the login's answer holds no token")
    register_secret(token)
    return token, expires_at


def _explain(answer: Answer) -> VendorError | None:
    """A refused login is a 400, and a 403 while the email is not validated."""
    if answer.status not in (400, 401, 403):
        return None
    verdict = f"{answer.status} ({answer.reason()}): the login is refused; {CHECK_USER}"
    return VendorAuthError(VENDOR, answer.request, verdict, status=answer.status)
