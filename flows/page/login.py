"""The login page: plain HTML without a line of script, so that whoever has no session gets nothing of the page itself.

The token never goes into an address, and the session's id only into a cookie that scripts cannot read and other sites
cannot send.
"""

import hmac
from html import escape
from http import HTTPStatus
from urllib.parse import parse_qs

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from flows.page.guard import COOKIE, LOGIN, session_id_of
from flows.page.sessions import SESSION_SECONDS, WINDOW_SECONDS, LoginLimit, Sessions
from flows.page.style import LOGIN_STYLE
from flows.page.texts import TEXTS, preferred_language

_LONGEST_FORM = 4096
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'",
    "Cache-Control": "no-store",
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
    """Login form, login and logout, for the app that the page is on.

    Args:
        token: The one that the API takes.
        sessions: Where who logs in gets a session.
    """
    router, limit = APIRouter(include_in_schema=False), LoginLimit()

    @router.get(LOGIN)
    def show_form(request: Request) -> Response:
        return _form(request)

    @router.post(LOGIN)
    async def log_in(request: Request) -> Response:
        address = request.client.host if request.client else ""
        if not limit.allows(address):
            return _form(request, "login.slow", HTTPStatus.TOO_MANY_REQUESTS)
        if not hmac.compare_digest((await _given_token(request)).encode(), token.encode()):
            limit.failed(address)
            return _form(request, "login.wrong", HTTPStatus.UNAUTHORIZED)
        return _welcome(request, sessions.open())

    @router.post("/logout")
    def log_out(request: Request) -> Response:
        sessions.close(session_id_of(request.scope))
        answer = RedirectResponse(f"{_root(request)}{LOGIN}", HTTPStatus.SEE_OTHER)
        answer.delete_cookie(COOKIE, path=_root(request))
        return answer

    return router


def over_https(request: Request) -> bool:
    """Whether the browser came over HTTPS; a proxy says so, and who lies about it harms only his own cookies."""
    return "https" in {request.url.scheme, request.headers.get("x-forwarded-proto", "")}


def _welcome(request: Request, session_id: str) -> Response:
    answer = RedirectResponse(f"{_root(request)}/", HTTPStatus.SEE_OTHER)
    answer.set_cookie(
        COOKIE,
        session_id,
        max_age=SESSION_SECONDS,
        path=_root(request),
        secure=over_https(request),
        httponly=True,
        samesite="strict",
    )
    return answer


async def _given_token(request: Request) -> str:
    """The form's token; empty for a form that is too long to be one."""
    body = await request.body()
    fields = parse_qs(body[:_LONGEST_FORM].decode("utf-8", "replace"))
    return fields.get("token", [""])[0].strip()


def _form(request: Request, trouble: str = "", status: HTTPStatus = HTTPStatus.OK) -> Response:
    language = preferred_language(request.headers.get("accept-language", ""))
    texts = TEXTS[language]
    page = _PAGE.format(
        language=language,
        app=texts["app"],
        title=texts["login.title"],
        style=LOGIN_STYLE,
        action=escape(f"{_root(request)}{LOGIN}"),
        token=texts["login.token"],
        hint=texts["login.hint"],
        enter=texts["login.enter"],
        trouble=f'<p role="alert">{escape(texts[trouble])}</p>' if trouble else "",
    )
    slow = {"Retry-After": str(WINDOW_SECONDS)} if status is HTTPStatus.TOO_MANY_REQUESTS else {}
    return HTMLResponse(page, status, _HEADERS | slow)


def _root(request: Request) -> str:
    return str(request.scope["root_path"])
