"""Requests that may be sent twice, and indexes for a history that is paged and filtered."""

import sqlalchemy as sa
from alembic import op

from tracking.models import UtcDateTime

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_table(
        "idempotency_key",
        sa.Column("key", sa.String(), primary_key=True),
        sa.Column("request", sa.String(), nullable=False),
        sa.Column("flow_run_id", sa.String()),
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False, index=True),
    )
    for column in ("step_name", "status", "started_at"):
        op.drop_index(f"ix_sync_execution_{column}", "sync_execution")
    op.create_index("ix_sync_execution_step", "sync_execution", ["step_name", "id"])
    op.create_index("ix_sync_execution_status", "sync_execution", ["status", "id"])
    op.create_index("ix_sync_execution_step_status", "sync_execution", ["step_name", "status", "id"])
    op.create_index("ix_sync_execution_started", "sync_execution", ["started_at", "id"])
    op.create_index("ix_integration_error_kind", "integration_error", ["integration_name", "id"])
