"""Indexes for where each step and month stands: its newest execution, whole, completed, or of just some records."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    for name, which in (
        ("month", "records IS NULL"),
        ("month_completed", "records IS NULL AND status = 'completed'"),
        ("month_retried", "records IS NOT NULL AND status = 'completed'"),
    ):
        op.create_index(
            f"ix_sync_execution_{name}",
            "sync_execution",
            ["step_name", "window_start", "id"],
            sqlite_where=sa.text(which),
            postgresql_where=sa.text(which),
        )
