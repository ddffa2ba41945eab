"""What holds for every request, whatever is asked: who may ask, how much, which headers an answer has, what is logged.

Without a token everybody who reaches the port can do everything. So only this machine is served then: the client's
address must be loopback, and so must the name it asked for (a page of the web can let its own name point to 127.0.0.1),
and the request must not have come through a proxy, which would make everybody look local.
"""

import hmac
import logging
import traceback
from http import HTTPStatus
from ipaddress import ip_address
from time import monotonic
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from flows.api.problems import problem
from steps.errors import UsageError
from steps.settings import SyncSettings
from tracking.redaction import redact

API = "/api/"
HEALTH = "/api/health"
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
SHORTEST_TOKEN = 32
"""Characters, where other machines can guess it."""
_FORWARDED = ("forwarded", "x-forwarded-for", "x-real-ip")


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine's own."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.rstrip(".").lower() == "localhost"


def require_safe_binding(host: str, settings: SyncSettings) -> None:
    """Let nobody serve other machines without a token that is too long to be guessed.

    Raises:
        UsageError: one line that says what to do.
    """
    token = settings.bearer_token or ""
    if len(token) < SHORTEST_TOKEN and not is_loopback(host):
        raise UsageError(
            f"host {host!r} serves other machines, which needs a SYNC_API_TOKEN of at least {SHORTEST_TOKEN} "
            f"characters, and it has {len(token)}: set one, such as that of `openssl rand -hex 32`, or leave out --host"
        )


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
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if hmac.compare_digest(given.strip().encode(), self._token) and scheme.lower() == "bearer":
            return None
        return HTTPStatus.UNAUTHORIZED, "a bearer token is expected: Authorization: Bearer <SYNC_API_TOKEN>"


def _is_local(scope: Scope, headers: Headers) -> bool:
    try:
        named = urlsplit(f"//{headers.get('host', '')}").hostname or ""
    except ValueError:
        return False
    client = scope.get("client")
    proxied = any(name in headers for name in _FORWARDED)
    return client is not None and is_loopback(client[0]) and is_loopback(named) and not proxied


def _is_cross_site(headers: Headers) -> bool:
    """A browser says whose page asks; programs say nothing."""
    origin = headers.get("origin")
    return origin is not None and urlsplit(origin).netloc.lower() != headers.get("host", "").lower()


_log = logging.getLogger(__name__)

_UNLOGGED = "/page/_nicegui"
"""Where the page (`flows/page/app.py`) has its scripts, styles and websocket: one view asks for dozens of them."""
LARGEST_BODY = 1024 * 1024
LONGEST_ADDRESS = 8 * 1024
"""Characters of path and query, as they are sent."""
LARGEST_HEADERS = 32 * 1024
"""Bytes of all names and values."""
_ANSWER_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
}
"""The policy is that of an API; a page on the same server sets its own."""


class Answers:
    """What every answer has: headers for browsers, and a line in the log.

    The line has method, route, status and milliseconds; the route and not the path: no id, no query, no name. What
    nobody foresaw is a 500 that says nothing of the inside; the log has the traceback, without secrets.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = monotonic(), 0

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in _ANSWER_HEADERS.items():
                    headers.setdefault(name, value)  # an answer may say otherwise itself
            await send(message)

        try:
            await self._app(scope, receive, send_with_headers)
        except Exception:
            if status:
                raise
            _log.error("unexpected error\n%s", redact(traceback.format_exc()))
            answer = problem(
                HTTPStatus.INTERNAL_SERVER_ERROR, "an unexpected error, which the log of the server explains"
            )
            await answer(scope, receive, send_with_headers)
        finally:
            if not scope["path"].startswith(_UNLOGGED):
                route = getattr(scope.get("route"), "path", "(no route)")
                _log.info("%s %s %s %.0f ms", scope["method"], route, status, (monotonic() - began) * 1000)


class RequestLimits:
    """Refuses what is too large before anything looks into it: an address with 414, headers with 431, a body with 413.

    The body is read here, up to its limit, before the app does.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        length = Headers(scope=scope).get("content-length", "0")
        refusal = _too_large(scope, int(length) if length.isdigit() else 0)
        body, is_more = b"", True
        while is_more and refusal is None:
            message = await receive()
            if message["type"] != "http.request":
                return  # the client went away
            body += message.get("body", b"")
            refusal, is_more = _too_large(scope, len(body)), message.get("more_body", False)
        if refusal is not None:
            await problem(*refusal)(scope, receive, send)
            return
        messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def replay() -> Message:
            return messages.pop() if messages else await receive()

        await self._app(scope, replay, send)


def _too_large(scope: Scope, body_bytes: int) -> tuple[HTTPStatus, str] | None:
    address = len(scope.get("raw_path") or scope["path"]) + len(scope["query_string"])
    if address > LONGEST_ADDRESS:
        return HTTPStatus.REQUEST_URI_TOO_LONG, f"path and query have at most {LONGEST_ADDRESS} characters"
    if sum(len(name) + len(value) for name, value in scope["headers"]) > LARGEST_HEADERS:
        return HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, f"headers have at most {LARGEST_HEADERS} bytes"
    if body_bytes > LARGEST_BODY:
        return HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a body has at most {LARGEST_BODY} bytes"
    return None
