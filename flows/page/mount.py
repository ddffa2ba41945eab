"""Puts the page on the API's app, under `/page`. Once a process: NiceGUI has one app of its own."""

from collections.abc import Callable
from typing import Literal

import nicegui
from fastapi import FastAPI, Request, Response
from fastapi.responses import RedirectResponse
from nicegui import ui
from starlette.middleware.gzip import GZipMiddleware

from flows.api.security import token_of
from flows.page.accruals import show_accruals
from flows.page.content_security import ContentSecurity
from flows.page.downloads import download_routes
from flows.page.errors import show_errors
from flows.page.frame import VIEWS, frame
from flows.page.grid import show_grid
from flows.page.guard import SessionGuard
from flows.page.history import show_history
from flows.page.login import login_routes, over_https
from flows.page.run import show_run
from flows.page.sessions import Sessions
from flows.page.texts import Language, Texts, preferred_language
from flows.page.visit import PageRuns, Visit
from steps.settings import SyncSettings

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
    runs: PageRuns = app.state.runs
    token = token_of(settings)
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


def _add_view(view: str, language: Language, settings: SyncSettings, runs: PageRuns) -> None:
    @ui.page(f"/{language}/{view}", language=_QUASAR[language])
    def build(request: Request) -> None:
        visit = Visit(
            view,
            Texts(language, settings.zone),
            settings,
            runs,
            request.cookies.get(_THEME, ""),
            guarded=token_of(settings) is not None,
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
