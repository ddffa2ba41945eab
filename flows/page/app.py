"""The page on the API server: its frame, its addresses, its downloads, and what browsers may load."""

import re
import secrets
from collections.abc import Callable
from typing import Annotated, Literal

import nicegui
from fastapi import APIRouter, FastAPI, Query, Request, Response
from nicegui import ui
from pydantic import BaseModel, ConfigDict, Field
from sqlmodel import Session
from starlette.datastructures import MutableHeaders
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import RedirectResponse

from flows.page.auth import SessionGuard, Sessions, login_routes, set_cookie
from flows.page.components import COLOURS, STYLE, Tag, Visit
from flows.page.texts import Language, Texts, preferred_language
from flows.page.views.accruals import AccrualsView
from flows.page.views.errors import ErrorsView
from flows.page.views.history import HistoryView
from flows.page.views.overview import GridView
from flows.page.views.run import RunView
from flows.parameters import months_of_year
from flows.plan import Year
from flows.runs import Runs
from steps.ledger.months import MonthWindow
from steps.reports.export import XLSX_TYPE, Sheet, csv_text, errors_sheet, monthly_sheet, roll_forward_sheet, xlsx_bytes
from steps.reports.monthly import monthly_accruals
from steps.reports.roll_forward import roll_forwards
from steps.settings import SyncSettings
from tracking.database import read_session
from tracking.integration_errors import ErrorFilter, find_errors

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


class ContentSecurity(BaseHTTPMiddleware):
    """Gives each HTML answer that says nothing itself a policy, and its scripts the nonce of it."""

    async def dispatch(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
        """One answer; an HTML one is held back until it is whole."""
        answer = await call_next(request)
        is_html = answer.headers.get("content-type", "").startswith("text/html")
        if not is_html or "content-security-policy" in answer.headers:
            return answer
        nonce = secrets.token_urlsafe(16)
        body = b"".join([part async for part in answer.body_iterator])  # type: ignore[attr-defined]
        page = Response(_SCRIPT.sub(f'<script nonce="{nonce}"'.encode(), body), answer.status_code)
        length = page.headers["Content-Length"]
        page.raw_headers = answer.raw_headers
        headers = MutableHeaders(raw=page.raw_headers)
        headers["Content-Security-Policy"] = _POLICY.format(nonce=nonce)
        headers["Referrer-Policy"] = "same-origin"  # without any, a browser sends no Origin with a form either
        headers["Content-Length"] = length
        return page


VIEWS: dict[str, Callable[[Visit], object]] = {
    "run": RunView,
    "grid": GridView,
    "history": HistoryView,
    "errors": ErrorsView,
    "accruals": AccrualsView,
}
"""The last part of a view's address -> what builds it; the first one is where a person enters."""


def show_view(visit: Visit) -> None:
    """A view, and what stands around each: navigation, and the switches of language, theme and session."""
    texts, language = visit.texts, visit.texts.language
    ui.page_title(f"{texts(f'view.{visit.view}')} · {texts('app')}")
    ui.colors(**COLOURS)
    ui.add_css(STYLE)
    ui.dark_mode(value={"dark": True, "light": False}.get(visit.theme))
    with ui.header(fixed=False, wrap=False).classes("top"), Tag("div", classes="top-in"):
        Tag("h1", texts("app"))
        with Tag("nav", aria_label=texts("nav")):
            for view in VIEWS:
                link = ui.link(texts(f"view.{view}"), f"/{language}/{view}")
                if view == visit.view:
                    link.props["aria-current"] = "page"
        other = ui.link(texts("language.other"), f"/{language.other}/{visit.view}").classes("quiet")
        other.props["lang"] = other.props["hreflang"] = language.other.value
        for theme in ("dark", "light"):  # the style shows the one that the page is not in
            address = f"/theme/{theme}?language={language}&view={visit.view}"
            ui.link(texts(f"theme.{theme}"), address).classes(f"quiet to-{theme}")
        if visit.guarded:
            with ui.element("form").props('method="post" action="../logout"'):
                ui.button(texts("logout"), color=None).props("flat dense no-caps type=submit").classes("quiet")
    content = Tag("div", classes="content")  # Quasar's page around it is the `main` already
    ui.skip_link(texts("skip"), target=content)
    with content:
        VIEWS[visit.view](visit)


_CSV = "text/csv; charset=utf-8"
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
        found = find_errors(ErrorFilter(**wanted.model_dump(), limit=None))
        return _file(csv_text(errors_sheet(found)).encode(), _CSV, "errors.csv")

    @router.get("/{report}.{ending}")
    def sheet(report: Literal["accruals", "roll-forward"], ending: Literal["csv", "xlsx"], year: Year) -> Response:
        with read_session() as session:
            made = _REPORTS[report](session, months_of_year(year))
        name = f"{report}-{year}.{ending}"
        if ending == "xlsx":
            return _file(xlsx_bytes(made), XLSX_TYPE, name)
        return _file(csv_text(made).encode(), _CSV, name)

    return router


def _file(content: bytes, media_type: str, name: str) -> Response:
    return Response(content, media_type=media_type, headers={"Content-Disposition": f'attachment; filename="{name}"'})


ROOT = "/page"
_THEME = "sync_theme"
_YEAR_SECONDS = 365 * 24 * 60 * 60
_QUASAR: dict[Language, Literal["en-US", "es"]] = {Language.EN: "en-US", Language.ES: "es"}


def mount_page(app: FastAPI) -> None:
    """Serve the page on this app, beside what it serves already.

    Args:
        app: What `create_app` made: its guard sees to loopback and to other sites' pages, and it starts the runs.
    """
    settings: SyncSettings = app.state.settings
    runs: Runs = app.state.runs
    sessions = None
    if token := settings.bearer_token:
        sessions = Sessions()
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
        texts, theme = Texts(language, settings.zone), request.cookies.get(_THEME, "")
        show_view(Visit(view, texts, settings, runs, theme, guarded=settings.bearer_token is not None))


def _add_preferences() -> None:
    """The way in, in the browser's language; and the theme, which is all that a browser is asked to remember."""

    @nicegui.app.get("/", include_in_schema=False)
    def enter(request: Request) -> Response:
        language = preferred_language(request.headers.get("accept-language", ""))
        return RedirectResponse(f"{ROOT}/{language}/{next(iter(VIEWS))}")

    @nicegui.app.get("/theme/{theme}", include_in_schema=False)
    def choose_theme(request: Request, theme: Literal["dark", "light"], language: Language, view: str) -> Response:
        answer = RedirectResponse(f"{ROOT}/{language}/{view if view in VIEWS else next(iter(VIEWS))}", 303)
        set_cookie(answer, request, (_THEME, theme), _YEAR_SECONDS)
        return answer
