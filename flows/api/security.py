"""Who may ask: the bearer token, or loopback alone when there is none.

Without a token whoever can reach the port can do everything. So only this machine is served then: the client's address
must be loopback, and so must the name it asked for (a page of the web can let its own name point to 127.0.0.1), and the
request must not have come through a proxy, which would make everybody look local.
"""

import hmac
from http import HTTPStatus
from ipaddress import ip_address
from urllib.parse import urlsplit

from pydantic import SecretStr
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from flows.api.problems import problem
from steps.errors import UsageError
from steps.settings import SyncSettings

API = "/api/"
HEALTH = "/api/health"
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_FORWARDED = ("forwarded", "x-forwarded-for", "x-real-ip")


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine's own."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.rstrip(".").lower() == "localhost"


def require_safe_binding(host: str, settings: SyncSettings) -> None:
    """Let nobody serve other machines without a token.

    Raises:
        UsageError: one line that says what to do.
    """
    if token_of(settings) is None and not is_loopback(host):
        raise UsageError(
            f"host {host!r} serves other machines, which needs SYNC_API_TOKEN: set it, or leave out --host"
        )


def token_of(settings: SyncSettings) -> str | None:
    """The token that is expected; None when only loopback is served."""
    token: SecretStr | None = settings.api_token
    return (token.get_secret_value() or None) if token else None


class Guard:
    """Refuses who may not ask, before anything looks at the request."""

    def __init__(self, app: ASGIApp, token: str | None) -> None:
        self._app, self._token = app, None if token is None else token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        refusal = self._refusal(scope) if scope["type"] in {"http", "websocket"} else None
        if refusal is None:
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": refusal[1]})
        else:
            status, detail = refusal
            headers = {"WWW-Authenticate": "Bearer"} if status is HTTPStatus.UNAUTHORIZED else {}
            await problem(status, detail, headers)(scope, receive, send)

    def _refusal(self, scope: Scope) -> tuple[HTTPStatus, str] | None:
        headers = Headers(scope=scope)
        if scope.get("method") not in _SAFE_METHODS and _is_cross_site(headers):
            return HTTPStatus.FORBIDDEN, "requests of other sites' pages are refused"
        if self._token is None:
            return None if _is_local(scope, headers) else (HTTPStatus.FORBIDDEN, "only this machine is served")
        if not scope["path"].startswith(API) or scope["path"] == HEALTH:
            return None
        if self._is_token(headers.get("authorization", "")):
            return None
        return HTTPStatus.UNAUTHORIZED, "a bearer token is expected: Authorization: Bearer <SYNC_API_TOKEN>"

    def _is_token(self, header: str) -> bool:
        scheme, _, given = header.partition(" ")
        same = hmac.compare_digest(given.strip().encode(), self._token or b"")
        return same and scheme.lower() == "bearer"


def _is_local(scope: Scope, headers: Headers) -> bool:
    client = scope.get("client")
    named = _host_name(f"//{headers.get('host', '')}")
    proxied = any(name in headers for name in _FORWARDED)
    return client is not None and is_loopback(client[0]) and is_loopback(named) and not proxied


def _is_cross_site(headers: Headers) -> bool:
    """A browser says whose page asks; programs say nothing."""
    origin = headers.get("origin")
    return origin is not None and urlsplit(origin).netloc.lower() != headers.get("host", "").lower()


def _host_name(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
