"""Who may see the page: login, sessions, and the guard of every address."""

import hmac
import secrets
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from html import escape
from http import HTTPStatus
from time import monotonic
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import APIRouter, Form, Request, Response
from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.responses import HTMLResponse, RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from flows.page.style import LOGIN_STYLE
from flows.page.texts import TEXTS, preferred_language

SESSION_SECONDS = 12 * 60 * 60
MOST_SESSIONS = 1000
WINDOW_SECONDS = 60
MOST_FAILURES = 5
"""Of one address within the window."""
MOST_FAILURES_OF_ALL = 50
"""Of all addresses together within the window: one person may have many."""


@dataclass
class Sessions:
    """Open sessions by the hash of their id, so that nothing in memory opens the page."""

    now: Callable[[], float] = monotonic
    _ends: OrderedDict[str, float] = field(default_factory=OrderedDict, init=False)

    def open(self) -> str:
        """A new session. Returns its id, which is known to nobody else."""
        session_id = secrets.token_urlsafe(32)
        self._ends[_hash(session_id)] = self.now() + SESSION_SECONDS
        while len(self._ends) > MOST_SESSIONS:
            self._ends.popitem(last=False)
        return session_id

    def is_open(self, session_id: str) -> bool:
        """Whether somebody logged in with it, and not too long ago."""
        return self._ends.get(_hash(session_id), 0.0) > self.now()

    def close(self, session_id: str) -> None:
        """Log out; what is connected with it ends too."""
        self._ends.pop(_hash(session_id), None)


@dataclass
class LoginLimit:
    """Counts wrong tokens, by address and of all together."""

    now: Callable[[], float] = monotonic
    _failures: deque[tuple[float, str]] = field(default_factory=deque, init=False)

    def allows(self, address: str) -> bool:
        """Whether this address may try; what is older than the window is forgotten."""
        while self._failures and self._failures[0][0] <= self.now() - WINDOW_SECONDS:
            self._failures.popleft()
        own = sum(1 for _, each in self._failures if each == address)
        return own < MOST_FAILURES and len(self._failures) < MOST_FAILURES_OF_ALL

    def failed(self, address: str) -> None:
        """One wrong token more."""
        self._failures.append((self.now(), address))


def _hash(session_id: str) -> str:
    return sha256(session_id.encode()).hexdigest()


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
        return self._sessions is None or self._sessions.is_open(session_id_of(HTTPConnection(scope)))

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


def session_id_of(connection: HTTPConnection) -> str:
    """The session that a browser says it has; an empty text if it says none."""
    return connection.cookies.get(COOKIE, "")


_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'",
    "Referrer-Policy": "same-origin",  # without any, a browser sends no Origin with a form either
}
_PAGE = """<!doctype html>
<html lang="{language}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark"><title>{title} · {app}</title><style>{style}</style></head>
<body><main><h1>{app}</h1>
<form method="post" action="{action}"><label for="token">{token}</label>
<input id="token" name="token" type="password" autocomplete="current-password" required autofocus
 aria-describedby="hint">
<p id="hint">{hint}</p>{trouble}<button>{enter}</button></form></main></body></html>
"""


def login_routes(token: str, sessions: Sessions) -> APIRouter:
    """Login form, login with the API's token, and logout, for the app that the page is on."""
    router, limit = APIRouter(include_in_schema=False), LoginLimit()

    @router.get(LOGIN)
    def show_form(request: Request) -> Response:
        return _form(request)

    @router.post(LOGIN)
    async def log_in(request: Request, given: Annotated[str, Form(alias="token")] = "") -> Response:
        address = request.client.host if request.client else ""
        if not limit.allows(address):
            return _form(request, "login.slow", HTTPStatus.TOO_MANY_REQUESTS)
        if not hmac.compare_digest(given.strip().encode(), token.encode()):
            limit.failed(address)
            return _form(request, "login.wrong", HTTPStatus.UNAUTHORIZED)
        answer = RedirectResponse(f"{_root(request)}/", HTTPStatus.SEE_OTHER)
        set_cookie(answer, request, (COOKIE, sessions.open()), SESSION_SECONDS)
        return answer

    @router.post("/logout")
    def log_out(request: Request) -> Response:
        sessions.close(session_id_of(request))
        answer = RedirectResponse(f"{_root(request)}{LOGIN}", HTTPStatus.SEE_OTHER)
        answer.delete_cookie(COOKIE, path=_root(request))
        return answer

    return router


def set_cookie(answer: Response, request: Request, cookie: tuple[str, str], seconds: int) -> None:
    """Give a browser a cookie (name, value) for the page alone, which no script reads and no other site sends.

    Whether it came over HTTPS a proxy says; who lies about it harms only his own cookies.
    """
    name, value = cookie
    secure = "https" in {request.url.scheme, request.headers.get("x-forwarded-proto", "")}
    answer.set_cookie(
        name, value, max_age=seconds, path=_root(request), secure=secure, httponly=True, samesite="strict"
    )


def _form(request: Request, trouble: str = "", status: HTTPStatus = HTTPStatus.OK) -> Response:
    language = preferred_language(request.headers.get("accept-language", ""))
    texts = TEXTS[language]
    page = _PAGE.format(
        language=language,
        app=texts["app"],
        style=LOGIN_STYLE,
        action=escape(f"{_root(request)}{LOGIN}"),
        trouble=f'<p role="alert">{escape(texts[trouble])}</p>' if trouble else "",
        **{name: texts[f"login.{name}"] for name in ("title", "token", "hint", "enter")},
    )
    slow = {"Retry-After": str(WINDOW_SECONDS)} if status is HTTPStatus.TOO_MANY_REQUESTS else {}
    return HTMLResponse(page, status, _HEADERS | slow)


def _root(request: Request) -> str:
    return str(request.scope["root_path"])
