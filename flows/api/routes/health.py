"""Whether the server lives and its database answers; for load balancers, so without a token."""

from fastapi import APIRouter
from sqlalchemy import text

from flows.api.problems import problems
from flows.api.schemas import Health
from tracking.database import get_engine, schema_revision

router = APIRouter(tags=["health"])


@router.get("/api/health", responses=problems())
def health() -> Health:
    """Liveness, database and schema version; 503 when the database does not answer."""
    with get_engine().connect() as connection:
        connection.execute(text("SELECT 1"))
        return Health(status="ok", database="reachable", schema_version=schema_revision(connection) or "")
