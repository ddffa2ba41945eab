"""Indexes for lists by time: of one step, of one status, of both; and what was recorded since or until a moment."""

from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.create_index("ix_sync_execution_step_started", "sync_execution", ["step_name", "started_at", "id"])
    op.create_index("ix_sync_execution_status_started", "sync_execution", ["status", "started_at", "id"])
    op.create_index(
        "ix_sync_execution_step_status_started", "sync_execution", ["step_name", "status", "started_at", "id"]
    )
    op.create_index("ix_sync_execution_created", "sync_execution", ["created_at", "id"])
