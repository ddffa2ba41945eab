"""The app: `create_app(settings)`. It serves the API below `/api`; whatever else is added to it is outside the token.

The page goes on the same app: `ui.run_with(create_app(settings))`; only `/api/...` asks for the bearer token, and
without a token everything is for loopback only. The one route that is no noun's, the app's health, is here too.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import APIRouter, FastAPI
from sqlalchemy import text
from starlette.concurrency import run_in_threadpool

from flows.access import Access
from flows.api.middleware import Answers, RequestLimits
from flows.api.problems import add_problem_handlers, describe, problems
from flows.api.routes import accruals, audit, books, errors, executions, steps
from flows.api.schemas import Health
from flows.api.security import Guard, operation_of
from flows.runs import Runs
from steps.settings import SyncSettings
from tracking.database import get_engine, schema_revision

_DESCRIPTION = """Run a step, see what happened, work the errors, take the reports along.

Errors are problem details (RFC 9457). Every route but `/api/health` wants `Authorization: Bearer <SYNC_API_TOKEN>`;
without that variable the server answers this machine only, and wants no token."""


_health = APIRouter(tags=["health"])


ROUTERS = (
    steps.router,
    executions.router,
    errors.router,
    steps.integrations,
    accruals.router,
    books.router,
    books.services,
    audit.router,
    _health,
)


@_health.get("/api/health", responses=problems())
def health() -> Health:
    """Liveness, database and schema version; 503 when the database does not answer."""
    with get_engine().connect() as connection:
        connection.execute(text("SELECT 1"))
        return Health(status="ok", database="reachable", schema_version=schema_revision(connection) or "")


def create_app(settings: SyncSettings, runs: Runs | None = None) -> FastAPI:
    """The API on the database of `SYNC_DATABASE_URL`; by default with a worker that is brought along."""
    app = FastAPI(
        title="Sync Management",
        version="1",
        description=_DESCRIPTION,
        openapi_url="/api/openapi.json",
        docs_url=None,  # they would load scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
        lifespan=_lifespan,
        generate_unique_id_function=operation_of,
    )
    access = app.state.access = Access(settings)
    app.state.settings, app.state.runs = settings, runs or Runs()
    for router in ROUTERS:
        app.include_router(router)
    add_problem_handlers(app)
    # The last one added is the first that sees a request.
    app.add_middleware(RequestLimits)
    app.add_middleware(Guard, access=access)
    app.add_middleware(Answers)
    describe(app)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    try:
        yield
    finally:
        runs: Runs = app.state.runs
        await run_in_threadpool(runs.close)
