"""Around every request: how large it is and how long its body takes; of every answer headers, and a line in the log."""

import asyncio
import logging
import traceback
from http import HTTPStatus
from time import monotonic

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from flows.access import address_of, is_over_tls
from flows.api.problems import problem
from tracking.redaction import redact

_log = logging.getLogger(__name__)

_UNLOGGED = "/page/_nicegui"
"""Where the page (`flows/page/app.py`) has its scripts, styles and websocket: one view asks for dozens of them."""
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
_OVER_TLS = {"Strict-Transport-Security": "max-age=31536000"}
"""A year. Not for the names below this one, which may be other people's servers."""


class Answers:
    """Adds the headers and writes the line.

    The line has method, route, status, milliseconds, the client's address and the token's name; the route and not the
    path: no id, no query, no person's name. What nobody foresaw is a 500 that says nothing of the inside; the log has
    the traceback, without secrets.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status, asked = monotonic(), 0, HTTPConnection(scope)
        ours = _ANSWER_HEADERS | (_OVER_TLS if is_over_tls(asked) else {})

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in ours.items():
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
                route, took = getattr(scope.get("route"), "path", "(no route)"), (monotonic() - began) * 1000
                who = getattr(asked.state, "caller", None)
                _log.info(
                    "%s %s %s %.0f ms %s %s",
                    *(scope["method"], route, status, took, address_of(asked), who.name if who else "-"),
                )


LARGEST_BODY = 1024 * 1024
BODY_SECONDS = 20.0
LONGEST_ADDRESS = 8 * 1024
"""Characters of path and query, as they are sent."""
LARGEST_HEADERS = 32 * 1024
"""Bytes of all names and values."""


class RequestLimits:
    """Refuses what is too large before anything looks into it: an address with 414, headers with 431, a body with 413.

    One that arrives too slowly is 408. The body is read here, up to its limit, before the app does; `state.body` is it.
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
        try:
            async with asyncio.timeout(BODY_SECONDS):
                while is_more and refusal is None:
                    message = await receive()
                    if message["type"] != "http.request":
                        return  # the client went away
                    body += message.get("body", b"")
                    refusal, is_more = _too_large(scope, len(body)), message.get("more_body", False)
        except TimeoutError:
            refusal = HTTPStatus.REQUEST_TIMEOUT, f"a body has to arrive within {BODY_SECONDS:.0f} seconds"
        if refusal is not None:
            # What is not read would go on arriving.
            await problem(*refusal, {"Connection": "close"})(scope, receive, send)
            return
        scope.setdefault("state", {})["body"] = body
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
