"""The page on the API server: its frame, its addresses, its downloads, and what browsers may load."""

import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from io import StringIO
from typing import Annotated, Literal

import nicegui
from fastapi import APIRouter, FastAPI, Query, Request, Response
from nicegui import ui
from pydantic import BaseModel, ConfigDict, Field
from sqlmodel import Session
from starlette.datastructures import MutableHeaders
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from flows.page.auth import SessionGuard, Sessions, login_routes, over_https
from flows.page.components import COLOURS, STYLE, Language, Tag, Texts, Visit, preferred_language
from flows.page.views.accruals import show_accruals
from flows.page.views.errors import show_errors
from flows.page.views.history import show_history
from flows.page.views.overview import show_grid
from flows.page.views.run import show_run
from flows.plan import Year
from flows.runs import Runs
from steps.ledger.months import MonthWindow
from steps.reports.export import Sheet, csv_text, monthly_sheet, roll_forward_sheet, xlsx_bytes
from steps.reports.monthly import monthly_accruals
from steps.reports.roll_forward import roll_forwards
from steps.settings import SyncSettings
from tracking.database import read_session
from tracking.integration_errors import ErrorFilter, export_errors

_SCRIPT = re.compile(rb"<script(?=[\s>])")
_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self' 'nonce-{nonce}' 'unsafe-eval'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data:",
        "font-src 'self' data:",
        "connect-src 'self'",
        "manifest-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)


class ContentSecurity:
    """Gives each HTML answer that says nothing itself a policy, and its scripts the nonce of it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        await self._app(scope, receive, _HtmlAnswer(send))


class _HtmlAnswer:
    """Holds an HTML answer back until it is whole; passes everything else on as it comes."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._start: Message | None = None
        self._body = b""

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start" and _needs_policy(message):
            self._start = message
        elif self._start is None:
            await self._send(message)
        else:
            self._body += message.get("body", b"")
            if not message.get("more_body"):
                await self._finish(self._start)

    async def _finish(self, start: Message) -> None:
        nonce = secrets.token_urlsafe(16)
        body = _SCRIPT.sub(f'<script nonce="{nonce}"'.encode(), self._body)
        headers = MutableHeaders(scope=start)
        headers["Content-Security-Policy"] = _POLICY.format(nonce=nonce)
        headers["Cache-Control"] = "no-store"
        headers["Referrer-Policy"] = "same-origin"  # without any, a browser sends no Origin with a form either
        headers["Content-Length"] = str(len(body))
        await self._send(start)
        await self._send({"type": "http.response.body", "body": body})


def _needs_policy(start: Message) -> bool:
    headers = MutableHeaders(scope=start)
    return headers.get("content-type", "").startswith("text/html") and "content-security-policy" not in headers


VIEWS = ("run", "grid", "history", "errors", "accruals")


@contextmanager
def frame(visit: Visit) -> Iterator[None]:
    """Everything around a view's content."""
    texts = visit.texts
    ui.page_title(f"{texts(f'view.{visit.view}')} · {texts('app')}")
    ui.colors(**COLOURS)
    ui.add_css(STYLE)
    ui.dark_mode(value={"dark": True, "light": False}.get(visit.theme))
    with ui.header(fixed=False, wrap=False).classes("top"), Tag("div", classes="top-in"):
        Tag("h1", texts("app"))
        _navigation(visit)
        _switches(visit)
    content = Tag("div", classes="content")  # Quasar's page around it is the `main` already
    ui.skip_link(texts("skip"), target=content)
    with content:
        yield


def _navigation(visit: Visit) -> None:
    with Tag("nav", aria_label=visit.texts("nav")):
        for view in VIEWS:
            link = ui.link(visit.texts(f"view.{view}"), visit.address(view))
            if view == visit.view:
                link.props["aria-current"] = "page"


def _switches(visit: Visit) -> None:
    texts = visit.texts
    other = ui.link(texts("language.other"), f"/{texts.language.other}/{visit.view}").classes("quiet")
    other.props["lang"] = other.props["hreflang"] = texts.language.other.value
    for theme in ("dark", "light"):  # the style shows the one that the page is not in
        address = f"/theme/{theme}?language={texts.language}&view={visit.view}"
        ui.link(texts(f"theme.{theme}"), address).classes(f"quiet to-{theme}")
    if visit.guarded:
        with ui.element("form").props('method="post" action="../logout"'):
            ui.button(texts("logout"), color=None).props("flat dense no-caps type=submit").classes("quiet")


_CSV = "text/csv; charset=utf-8"
_XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_REPORTS: dict[str, Callable[[Session, MonthWindow], Sheet]] = {
    "accruals": lambda session, window: monthly_sheet(monthly_accruals(session, window)),
    "roll-forward": lambda session, window: roll_forward_sheet(roll_forwards(session, window, SyncSettings.load())),
}

Name = Annotated[str, Field(max_length=64)]


class WantedErrors(BaseModel):
    """What the view of errors is filtered by; what it is not filtered by is not sent."""

    model_config = ConfigDict(extra="forbid")

    integration_name: Name | None = None
    operation: Name | None = None
    entity_type: Name | None = None
    status: Name | None = None


def download_routes() -> APIRouter:
    """The files that the views link to."""
    router = APIRouter(prefix="/download", include_in_schema=False)

    @router.get("/errors.csv")
    def errors(wanted: Annotated[WantedErrors, Query()]) -> Response:
        file = StringIO(newline="")
        export_errors(file, ErrorFilter(**wanted.model_dump(), limit=None))
        return _file(file.getvalue().encode(), _CSV, "errors.csv")

    @router.get("/{report}.{ending}")
    def sheet(report: Literal["accruals", "roll-forward"], ending: Literal["csv", "xlsx"], year: Year) -> Response:
        with read_session() as session:
            made = _REPORTS[report](session, MonthWindow(date(year, 1, 1), date(year + 1, 1, 1)))
        name = f"{report}-{year}.{ending}"
        if ending == "xlsx":
            return _file(xlsx_bytes(made), _XLSX, name)
        return _file(csv_text(made).encode(), _CSV, name)

    return router


def _file(content: bytes, media_type: str, name: str) -> Response:
    return Response(
        content,
        media_type=media_type,
        headers={"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"},
    )


ROOT = "/page"
_THEME = "sync_theme"
_YEAR_SECONDS = 365 * 24 * 60 * 60
_BUILDERS: dict[str, Callable[[Visit], None]] = {
    "run": show_run,
    "grid": show_grid,
    "history": show_history,
    "errors": show_errors,
    "accruals": show_accruals,
}
_QUASAR: dict[Language, Literal["en-US", "es"]] = {Language.EN: "en-US", Language.ES: "es"}


def mount_page(app: FastAPI) -> None:
    """Serve the page on this app, beside what it serves already.

    Args:
        app: What `create_app` made: its guard sees to loopback and to other sites' pages, and it starts the runs.
    """
    settings: SyncSettings = app.state.settings
    runs: Runs = app.state.runs
    token = settings.bearer_token
    sessions = None if token is None else Sessions()
    if token is not None and sessions is not None:
        nicegui.app.include_router(login_routes(token, sessions))
    nicegui.app.include_router(download_routes())
    _add_preferences()
    for language in Language:
        for view in VIEWS:
            _add_view(view, language, settings, runs)
    nicegui.app.add_middleware(SessionGuard, sessions=sessions)
    nicegui.app.add_middleware(ContentSecurity)
    nicegui.app.add_middleware(GZipMiddleware)
    nicegui.app.config.socket_io_js_transports = ["websocket"]
    app.add_api_route("/", lambda: RedirectResponse(f"{ROOT}/"), include_in_schema=False)
    ui.run_with(
        app,
        mount_path=ROOT,
        title="Sync Management",
        dark=None,
        tailwind=False,
        gzip_middleware_factory=None,
        show_welcome_message=False,
        reconnect_timeout=10.0,
    )


def _add_view(view: str, language: Language, settings: SyncSettings, runs: Runs) -> None:
    @ui.page(f"/{language}/{view}", language=_QUASAR[language])
    def build(request: Request) -> None:
        visit = Visit(
            view,
            Texts(language, settings.zone),
            settings,
            runs,
            request.cookies.get(_THEME, ""),
            guarded=settings.bearer_token is not None,
        )
        with frame(visit):
            _BUILDERS[view](visit)


def _add_preferences() -> None:
    """The way in, in the browser's language; and the theme, which is all that a browser is asked to remember."""

    @nicegui.app.get("/", include_in_schema=False)
    def enter(request: Request) -> Response:
        language = preferred_language(request.headers.get("accept-language", ""))
        return RedirectResponse(f"{ROOT}/{language}/{VIEWS[0]}")

    @nicegui.app.get("/theme/{theme}", include_in_schema=False)
    def choose_theme(request: Request, theme: Literal["dark", "light"], language: Language, view: str) -> Response:
        answer = RedirectResponse(f"{ROOT}/{language}/{view if view in VIEWS else VIEWS[0]}", 303)
        answer.set_cookie(
            _THEME,
            theme,
            max_age=_YEAR_SECONDS,
            path=ROOT,
            secure=over_https(request),
            httponly=True,
            samesite="strict",
        )
        return answer
