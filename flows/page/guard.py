"""Lets nobody into the page without a session, neither over HTTP nor over its websocket.

Whether loopback alone is served, and that other sites' pages are refused, is the API's guard's to see
(`flows/api/security.py`), which stands before this one. This one knows sessions, and that a browser always says whose
page opens a websocket.
"""

from http.cookies import CookieError, SimpleCookie
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from flows.page.sessions import Sessions

COOKIE = "sync_session"
LOGIN = "/login"
_REFUSED = 1008
"""Policy violation (RFC 6455, 7.4.1)."""
_CLOSE: Message = {"type": "websocket.close", "code": _REFUSED, "reason": "log in first"}


class SessionGuard:
    """Refuses who has not logged in; without sessions (no token is set) everybody whom the API's guard lets through."""

    def __init__(self, app: ASGIApp, sessions: Sessions | None) -> None:
        self._app, self._sessions = app, sessions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] == "websocket":
            await self._websocket(scope, receive, send)
        elif scope["type"] == "http" and not self._may_see(scope):
            await RedirectResponse(f"{scope['root_path']}{LOGIN}", 303)(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _may_see(self, scope: Scope) -> bool:
        return scope["path"].removeprefix(scope["root_path"]) == LOGIN or self._has_session(scope)

    def _has_session(self, scope: Scope) -> bool:
        return self._sessions is None or self._sessions.is_open(session_id_of(scope))

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        same_site = urlsplit(headers.get("origin", "")).netloc.lower() == headers.get("host", "").lower()
        if not (same_site and self._has_session(scope)):
            await send(_CLOSE)
            return
        over = False

        async def receive_while_logged_in() -> Message:
            """A session that has ended takes its open pages along."""
            nonlocal over
            message = await receive()
            if self._has_session(scope):
                return message
            if not over:
                over = True
                await send(_CLOSE)
            return {"type": "websocket.disconnect", "code": _REFUSED}

        async def send_until_over(message: Message) -> None:
            if not over:
                await send(message)

        await self._app(scope, receive_while_logged_in, send_until_over)


def session_id_of(scope: Scope) -> str:
    """The session that a browser says it has; an empty text if it says none."""
    cookies: SimpleCookie = SimpleCookie()
    try:
        cookies.load(Headers(scope=scope).get("cookie", ""))
    except CookieError:
        return ""
    return cookies[COOKIE].value if COOKIE in cookies else ""
