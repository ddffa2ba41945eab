"""The page on the API server: its frame, its addresses, its downloads, and what browsers may load."""

import re
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Literal
from urllib.parse import urlencode

import nicegui
from fastapi import APIRouter, FastAPI, Query, Request, Response
from nicegui import ui
from pydantic import BaseModel, ConfigDict, Field
from sqlmodel import Session
from starlette.datastructures import MutableHeaders
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import RedirectResponse

from flows.access import MAIN_TOKEN, Access
from flows.page.auth import OWN_ADDRESS, SessionGuard, Sessions, login_routes, set_cookie
from flows.page.components import Tag, Visit, facts, said
from flows.page.script import SCRIPT
from flows.page.style import COLOURS, STYLE
from flows.page.texts import Language, Texts, preferred_language
from flows.page.views.audit import show_audit
from flows.page.views.contracts import show_contracts
from flows.page.views.home import show_home
from flows.page.views.launch import show_launch
from flows.page.views.months import show_months
from flows.page.views.revenue import show_revenue
from flows.page.views.runs import show_runs
from flows.page.views.todo import show_todo
from flows.parameters import months_of_year, parse_month
from flows.plan import Year
from flows.runs import Runs
from steps.errors import UsageError
from steps.ledger.months import MonthWindow, next_month
from steps.reports.export import grouped_sheet, journal_sheet, monthly_sheet, roll_forward_sheet, waterfall_sheet
from steps.reports.groups import RollForwardBy, roll_forward_by
from steps.reports.journal import journals
from steps.reports.monthly import monthly_accruals
from steps.reports.pack import pack_bytes, read_pack
from steps.reports.roll_forward import roll_forwards
from steps.reports.spreadsheet import XLSX_TYPE, Sheet, audit_sheet, csv_text, errors_sheet, xlsx_bytes
from steps.reports.waterfall import waterfall
from steps.settings import SyncSettings, vendors_are_invented
from tracking.audit import AuditFilter, audit_trail
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


_FOR_GOOD = "public, max-age=31536000, immutable"


class ContentSecurity(BaseHTTPMiddleware):
    """Gives each HTML answer that says nothing itself a policy, and its scripts the nonce of it.

    What has its version in its address a browser may keep for good: the chart library is large.
    """

    async def dispatch(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
        """One answer; an HTML one is held back until it is whole."""
        answer = await call_next(request)
        if (
            "/_nicegui/" in request.url.path and answer.status_code == HTTPStatus.OK
        ):  # its version or hash is in the address
            answer.headers["Cache-Control"] = _FOR_GOOD
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


@dataclass(frozen=True)
class View:
    """A view, by its addresses below the language."""

    show: Callable[[Visit], Awaitable[None]]
    paths: tuple[str, ...]
    """The first is where the navigation leads."""


async def _show_runs(visit: Visit) -> None:
    if visit.given.get("show") == "audit":
        await show_audit(visit)
    else:
        await (show_launch(visit) if visit.given.get("run") == "new" else show_runs(visit))


VIEWS: dict[str, View] = {
    "home": View(show_home, ("home",)),
    "months": View(show_months, ("months", "months/{month}", "setup")),
    "revenue": View(show_revenue, ("revenue", "revenue/{span}", "revenue/{span}/outside")),
    "contracts": View(show_contracts, ("contracts", "contracts/{contract}", "contracts/{contract}/{month}")),
    "todo": View(show_todo, ("todo",)),
    "runs": View(_show_runs, ("runs", "runs/{run}")),
}
"""By key; the first is where a person enters."""


_WHILE_IT_LOADS = '<div class="top loading" aria-hidden="true"><div class="top-in"><b>{name}</b></div></div>'
"""What a browser shows at once; the view itself is drawn by scripts, which a first visit has to fetch."""


async def show_view(visit: Visit) -> None:
    """A view, and what stands around each: navigation, and the switches of language, theme and session."""
    texts, language = visit.texts, visit.texts.language
    ui.page_title(f"{texts(f'view.{visit.view}')} · {texts('app')}")
    ui.colors(**COLOURS)
    ui.add_css(STYLE)
    ui.add_body_html(f"<script>{SCRIPT}</script>")
    ui.add_body_html(_WHILE_IT_LOADS.format(name=texts("app")))
    ui.dark_mode(value={"dark": True, "light": False}.get(visit.theme))
    with ui.header(fixed=False, wrap=False).classes("top"), Tag("div", classes="top-in"):
        Tag("h1", texts("app"))
        if vendors_are_invented():
            Tag("strong", texts("sandbox"), classes="sandbox", title=texts("sandbox.why"))
        with Tag("nav", aria_label=texts("nav")):
            for key, view in VIEWS.items():
                link = visit.link(texts(f"view.{key}"), view.paths[0])
                if key == visit.view:
                    link.props["aria-current"] = "page"
        address = f"{visit.root}/{language.other}/{visit.path}"
        other = Tag("a", texts("language.other"), classes="quiet", href=address, data_keeps="true")
        other.props["lang"] = other.props["hreflang"] = language.other.value
        for theme in ("dark", "light"):  # the style shows the one that the page is not in
            address = f"{visit.root}/theme/{theme}?{urlencode({'back': visit.address(visit.path)})}"
            Tag("a", texts(f"theme.{theme}"), classes=f"quiet to-{theme}", href=address, data_keeps="true")
        if visit.caller.has_logged_in:
            if visit.caller.name != MAIN_TOKEN:
                Tag("span", f"{visit.caller.name} ({texts(f'role.{visit.caller.role}')})", classes="quiet")
            with ui.element("form").props(f'method="post" action="{visit.root}/logout"'):
                ui.button(texts("logout"), color=None).props("flat dense no-caps type=submit").classes("quiet")
    content = Tag("div", classes="content")  # Quasar's page around it is the `main` already
    ui.skip_link(texts("skip"), target=content)
    with content:
        try:
            await VIEWS[visit.view].show(visit)
        except UsageError as refusal:  # the address names what is not there
            Tag("h2", texts("refused"))
            said(texts, "p", str(refusal), "panel")
    _keys(visit)


def _keys(visit: Visit) -> None:
    """The sheet that `?` opens."""
    texts = visit.texts
    with Tag("dialog", id="keys", classes="panel", aria_label=texts("keys"), data_search=visit.href("contracts", q="")):
        Tag("h2", texts("keys"))
        facts((key, texts(f"keys.{name}")) for key, name in _KEYS.items())
        with Tag("form", method="dialog"):
            ui.button(texts("close")).props("outline no-caps type=submit")


_KEYS = {"/": "search", "?": "sheet", "← → ↑ ↓": "move", "Enter": "submit", "Esc": "close"}


_REPORTS: dict[str, Callable[[Session, MonthWindow], Sheet]] = {
    "accruals": lambda session, window: monthly_sheet(monthly_accruals(session, window)),
    "roll-forward": lambda session, window: roll_forward_sheet(roll_forwards(session, window, SyncSettings.load())),
    "journal": lambda session, window: journal_sheet(journals(session, window, SyncSettings.load())),
    "waterfall": lambda session, window: waterfall_sheet(
        waterfall(session, next_month(window.end, -1), SyncSettings.load())
    ),
}

Report = Literal["accruals", "roll-forward", "journal", "waterfall"]
MonthText = Annotated[str, Field(pattern=r"^(20\d{2}-(0[1-9]|1[0-2]))?$")]
Name = Annotated[str, Field(max_length=64)]


class WantedErrors(BaseModel):
    """What the view of errors is filtered by; what it is not filtered by is not sent."""

    model_config = ConfigDict(extra="forbid")

    integration_name: Name | None = None
    operation: Name | None = None
    entity_type: Name | None = None
    status: Name | None = None
    language: Language = Language.EN


class WantedReport(BaseModel):
    """Of which months, and how."""

    model_config = ConfigDict(extra="forbid")

    year: Year = 2024
    month: MonthText = ""
    by: RollForwardBy | None = None
    language: Language = Language.EN


def download_routes() -> APIRouter:
    """The files that the views link to."""
    router = APIRouter(prefix="/download", include_in_schema=False)

    @router.get("/errors.csv")
    def errors(wanted: Annotated[WantedErrors, Query()]) -> Response:
        found = find_errors(ErrorFilter(**wanted.model_dump(exclude={"language"}), limit=None))
        return _csv(errors_sheet(found), wanted.language, "errors.csv")

    @router.get("/audit.csv")
    def audit(language: Language = Language.EN) -> Response:
        return _csv(audit_sheet(audit_trail(AuditFilter(limit=None))), language, "audit.csv")

    @router.get("/month-end.xlsx")
    def pack(month: MonthText) -> Response:
        with read_session() as session:
            made = read_pack(session, parse_month(month), SyncSettings.load())
        return _file(pack_bytes(made), XLSX_TYPE, f"month-end-{month}.xlsx")

    @router.get("/{report}.{ending}")
    def sheet(report: Report, ending: Literal["csv", "xlsx"], wanted: Annotated[WantedReport, Query()]) -> Response:
        month, by = wanted.month, wanted.by
        window = MonthWindow.of(parse_month(month)) if month else months_of_year(wanted.year)
        with read_session() as session:
            if report == "roll-forward" and by:
                made = grouped_sheet(roll_forward_by(session, window, by, SyncSettings.load()))
            else:
                made = _REPORTS[report](session, window)
        name = f"{'-'.join(filter(None, (report, by)))}-{month or wanted.year}.{ending}"
        return _file(xlsx_bytes(made), XLSX_TYPE, name) if ending == "xlsx" else _csv(made, wanted.language, name)

    return router


def _csv(sheet: Sheet, language: Language, name: str) -> Response:
    return _file(csv_text(sheet, spanish=language is Language.ES).encode(), "text/csv; charset=utf-8", name)


def _file(content: bytes, media_type: str, name: str) -> Response:
    return Response(content, media_type=media_type, headers={"Content-Disposition": f'attachment; filename="{name}"'})


ROOT = "/page"
_THEME = "sync_theme"
_YEAR_SECONDS = 365 * 24 * 60 * 60
_LONGEST_READ_SECONDS = 60.0
"""What a view may take to read; NiceGUI would give up after three seconds."""
_QUASAR: dict[Language, Literal["en-US", "es"]] = {Language.EN: "en-US", Language.ES: "es"}


def mount_page(app: FastAPI) -> None:
    """Serve the page on this app, beside what it serves already.

    Args:
        app: What `create_app` made: its guard sees to loopback and to other sites' pages, and it starts the runs.
    """
    settings: SyncSettings = app.state.settings
    runs: Runs = app.state.runs
    access: Access = app.state.access
    sessions = Sessions() if access.is_guarded else None
    if sessions is not None:
        nicegui.app.include_router(login_routes(access, sessions))
    nicegui.app.include_router(download_routes())
    _add_preferences()
    for language in Language:
        for key, view in VIEWS.items():
            for path in view.paths:
                _add_view(key, path, language, settings, runs)
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


def _add_view(key: str, path: str, language: Language, settings: SyncSettings, runs: Runs) -> None:
    @ui.page(f"/{language}/{path}".rstrip("/"), language=_QUASAR[language], response_timeout=_LONGEST_READ_SECONDS)
    async def build(request: Request) -> None:
        root, own = str(request.scope["root_path"]), f"/{language}/"
        here = str(request.scope["path"]).removeprefix(root).removeprefix(own)
        query = str(request.url.query)
        visit = Visit(
            key,
            Texts(language, settings.zone),
            settings,
            runs,
            request.cookies.get(_THEME, ""),
            request.state.caller,
            root=root,
            path=f"{here}?{query}" if query else here,
            given={**request.query_params, **request.path_params},
        )
        await show_view(visit)


def _add_preferences() -> None:
    """The way in, in the browser's language; and the theme, which is all that a browser is asked to remember."""

    @nicegui.app.get("/", include_in_schema=False)
    def enter(request: Request) -> Response:
        language = preferred_language(request.headers.get("accept-language", ""))
        return RedirectResponse(f"{ROOT}/{language}/{_ENTRANCE}")

    @nicegui.app.get("/theme/{theme}", include_in_schema=False)
    def choose_theme(request: Request, theme: Literal["dark", "light"], back: str = "") -> Response:
        safe = back if OWN_ADDRESS.fullmatch(back) else f"/{Language.EN}/{_ENTRANCE}"
        answer = RedirectResponse(f"{ROOT}{safe}", 303)
        set_cookie(answer, request, (_THEME, theme), _YEAR_SECONDS, ROOT)
        return answer


_ENTRANCE = next(iter(VIEWS.values())).paths[0]
