"""What every answer has: headers for browsers, and a line in the log."""

import logging
import traceback
from http import HTTPStatus
from time import monotonic

from starlette.datastructures import MutableHeaders
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
