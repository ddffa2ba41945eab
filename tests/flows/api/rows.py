"""Rows as a test wants them, without a run."""

from datetime import UTC, datetime, timedelta
from typing import Any

from tracking.database import tracking_session
from tracking.models import ExecutionStatus, IntegrationError, SyncExecution

NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def add_executions(count: int, **columns: Any) -> None:
    """Completed executions, each a minute after the one before."""
    known: dict[str, Any] = {"step_name": "invoices", "status": ExecutionStatus.COMPLETED}
    rows = [SyncExecution(**known | {"started_at": NOON + MINUTE * number} | columns) for number in range(count)]
    with tracking_session() as session:
        session.add_all(rows)


def add_errors(count: int, **columns: Any) -> None:
    """Pending errors of invoices `inv-0`, `inv-1` ..."""
    known: dict[str, Any] = {
        "integration_name": "holded",
        "operation": "invoices",
        "entity_type": "invoice",
        "error_message": "no email",
    }
    rows = [IntegrationError(**known | {"entity_external_id": f"inv-{number}"} | columns) for number in range(count)]
    with tracking_session() as session:
        session.add_all(rows)
