"""Who may see the page: login, sessions, and the guard of every address."""

import re
import secrets
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from html import escape
from http import HTTPStatus
from time import monotonic
from typing import Annotated
from urllib.parse import urlencode, urlsplit

from fastapi import APIRouter, Form, Request, Response
from starlette.requests import HTTPConnection
from starlette.responses import HTMLResponse, RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from flows.access import (
    WINDOW_SECONDS,
    Access,
    Caller,
    GuessingError,
    WrongTokenError,
    address_of,
    hash_of,
    is_over_tls,
    owner_of_this_machine,
)
from flows.page.style import LOGIN_STYLE
from flows.page.texts import TEXTS, preferred_language
from tracking.audit import Door

SESSION_SECONDS = 12 * 60 * 60
IDLE_SECONDS = 30 * 60
"""Without anything that a person did: a visit, a click, a key. What a page does by itself does not count."""
MOST_SESSIONS = 1000


@dataclass
class _Session:
    caller: Caller
    ends: float
    last_act: float


@dataclass
class Sessions:
    """Open sessions by the hash of their id, so that nothing in memory opens the page."""

    now: Callable[[], float] = monotonic
    _open: OrderedDict[bytes, _Session] = field(default_factory=OrderedDict, init=False)

    def open(self, caller: Caller) -> str:
        """A new session. Returns its id, which is known to nobody else."""
        session_id, now = secrets.token_urlsafe(32), self.now()
        self._open[hash_of(session_id)] = _Session(caller, now + SESSION_SECONDS, now)
        while len(self._open) > MOST_SESSIONS:
            self._open.popitem(last=False)
        return session_id

    def find(self, session_id: str, *, is_act: bool) -> Caller | None:
        """Who logged in with it, not too long ago, and did something lately; None: nobody.

        Args:
            session_id: What a browser says.
            is_act: This is something that a person does, and the session goes on.
        """
        session, now = self._open.get(hash_of(session_id)), self.now()
        if session is None or now >= min(session.ends, session.last_act + IDLE_SECONDS):
            return None
        if is_act:
            session.last_act = now
        return session.caller

    def close(self, session_id: str) -> None:
        """Log out; what is connected with it ends too."""
        self._open.pop(hash_of(session_id), None)


COOKIE, TLS_COOKIE = "sync_session", "__Host-sync_session"
"""Over TLS browsers take the second from this very host only, never from a neighbour's name or in clear. Its path must
be `/`: the API gets it too, and reads no cookie."""
LOGIN = "/login"
OWN_ADDRESS = re.compile(r"/(en|es)/[\w/.-]*(\?[\w%&=.,:+-]*)?")
"""Of a view, without the page's root; nothing else is a way back."""
_REFUSED = 1008
"""Policy violation (RFC 6455, 7.4.1)."""
_CLOSE: Message = {"type": "websocket.close", "code": _REFUSED, "reason": "log in first"}
_ACT = '42["event"'
"""How a message of NiceGUI's websocket begins that a click or a key makes (Socket.IO: 4 message, 2 event); answers to
pings, acknowledgements and the like are others."""


class SessionGuard:
    """Refuses who has not logged in; without sessions (no token is set) everybody whom the API's guard lets through."""

    def __init__(self, app: ASGIApp, sessions: Sessions | None) -> None:
        self._app, self._sessions = app, sessions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI; `state.caller` is who asks."""
        if scope["type"] == "websocket":
            await self._websocket(HTTPConnection(scope), receive, send)
        elif scope["type"] == "http":
            asked = HTTPConnection(scope)
            path = scope["path"].removeprefix(scope["root_path"])
            asked.state.caller = self._caller(asked, is_act=True)
            if asked.state.caller is None and path != LOGIN:
                back = f"{path}?{asked.url.query}" if asked.url.query else path
                query = f"?{urlencode({'back': back})}" if OWN_ADDRESS.fullmatch(back) else ""
                await RedirectResponse(f"{scope['root_path']}{LOGIN}{query}", 303)(scope, receive, send)
            else:
                await self._app(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _caller(self, asked: HTTPConnection, *, is_act: bool) -> Caller | None:
        if self._sessions is None:
            return owner_of_this_machine(Door.PAGE, address_of(asked))
        return self._sessions.find(session_id_of(asked), is_act=is_act)

    async def _websocket(self, asked: HTTPConnection, receive: Receive, send: Send) -> None:
        origin = urlsplit(asked.headers.get("origin", "")).netloc.lower()
        same_site = origin == asked.headers.get("host", "").lower()
        if not (same_site and self._caller(asked, is_act=False)):
            await send(_CLOSE)
            return
        over = False

        async def receive_while_logged_in() -> Message:
            """A session that has ended takes its open pages along."""
            nonlocal over
            message = await receive()
            if self._caller(asked, is_act=(message.get("text") or "").startswith(_ACT)):
                return message
            if not over:
                over = True
                await send(_CLOSE)
            return {"type": "websocket.disconnect", "code": _REFUSED}

        async def send_until_over(message: Message) -> None:
            if not over:
                await send(message)

        await self._app(asked.scope, receive_while_logged_in, send_until_over)


def session_id_of(connection: HTTPConnection) -> str:
    """The session that a browser says it has; an empty text if it says none."""
    return connection.cookies.get(_cookie(connection)[0], "")


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


def login_routes(access: Access, sessions: Sessions) -> APIRouter:
    """Login form, login with one of the API's tokens, and logout, for the app that the page is on."""
    router = APIRouter(include_in_schema=False)

    @router.get(LOGIN)
    def show_form(request: Request) -> Response:
        return _form(request)

    @router.post(LOGIN)
    def log_in(request: Request, given: Annotated[str, Form(alias="token")] = "", back: str = "") -> Response:
        address = address_of(request)
        try:
            caller = access.admit(given, Door.PAGE, address)
        except GuessingError:
            return _form(request, "login.slow", HTTPStatus.TOO_MANY_REQUESTS)
        except WrongTokenError:
            access.keep_refusal(Door.PAGE, address)
            return _form(request, "login.wrong", HTTPStatus.UNAUTHORIZED)
        to = back if OWN_ADDRESS.fullmatch(back) else "/"
        answer = RedirectResponse(f"{_root(request)}{to}", HTTPStatus.SEE_OTHER)
        name, path = _cookie(request)
        set_cookie(answer, request, (name, sessions.open(caller)), SESSION_SECONDS, path)
        return answer

    @router.post("/logout")
    def log_out(request: Request) -> Response:
        sessions.close(session_id_of(request))
        answer = RedirectResponse(f"{_root(request)}{LOGIN}", HTTPStatus.SEE_OTHER)
        name, path = _cookie(request)
        answer.delete_cookie(name, path, secure=is_over_tls(request))
        return answer

    return router


def _cookie(request: HTTPConnection) -> tuple[str, str]:
    """Name and path of a session's cookie."""
    return (TLS_COOKIE, "/") if is_over_tls(request) else (COOKIE, _root(request))


def set_cookie(answer: Response, request: Request, cookie: tuple[str, str], seconds: int, path: str) -> None:
    """Give a browser a cookie (name, value) which no script reads and no other site sends."""
    name, value = cookie
    answer.set_cookie(
        name, value, max_age=seconds, path=path, secure=is_over_tls(request), httponly=True, samesite="strict"
    )


def _form(request: Request, trouble: str = "", status: HTTPStatus = HTTPStatus.OK) -> Response:
    language = preferred_language(request.headers.get("accept-language", ""))
    texts = TEXTS[language]
    page = _PAGE.format(
        language=language,
        app=texts["app"],
        style=LOGIN_STYLE,
        action=escape(f"{_root(request)}{LOGIN}?{request.url.query}".rstrip("?")),
        trouble=f'<p role="alert">{escape(texts[trouble])}</p>' if trouble else "",
        **{name: texts[f"login.{name}"] for name in ("title", "token", "hint", "enter")},
    )
    slow = {"Retry-After": str(WINDOW_SECONDS)} if status is HTTPStatus.TOO_MANY_REQUESTS else {}
    return HTMLResponse(page, status, _HEADERS | slow)


def _root(request: HTTPConnection) -> str:
    return str(request.scope["root_path"])
