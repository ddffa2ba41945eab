"""The login of the 4Geeks CRM: one token per address and user, kept for the life of the process (vendors/fourgeeks.md).

A login gives the same token while it is valid, so asking once is enough: a token that an early login brought again is
kept until it is refused. It is never written anywhere.
"""

import threading
from collections.abc import Generator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import httpx

from steps.connectors.answers import Answer
from steps.connectors.fields import moment, record, text
from steps.connectors.http import USUAL, Ask, HttpRules, Site, VendorHttp
from steps.errors import VendorAuthError, VendorError, VendorNotFoundError, VendorPayloadError
from tracking.redaction import register_secret

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


def _log_in(account: Account) -> tuple[str, datetime | None]:
    site = Site(VENDOR, account.base_url, account.rate, {}, rules=account.rules, explain=_explain_login)
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


def explain(answer: Answer) -> VendorError | None:
    """Answers whose status alone says too little, or would give wrong advice (vendors/fourgeeks.md, last section)."""
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
