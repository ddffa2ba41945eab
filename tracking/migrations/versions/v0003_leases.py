"""Executions get an owner that can be seen to live or not, and the right to a window that only one can have."""

import sqlalchemy as sa
from alembic import op

from tracking.models import UtcDateTime

revision = "0003"
down_revision = "0002"

_HELD = sa.text("holds_window")
_HELD_ONCE = sa.text("holds_window AND window_start IS NULL")


def upgrade() -> None:
    op.add_column("sync_execution", sa.Column("owner", sa.String()))
    op.add_column("sync_execution", sa.Column("alive_at", UtcDateTime()))
    op.add_column("sync_execution", sa.Column("holds_window", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.create_index(
        "uq_sync_execution_month_held",
        "sync_execution",
        ["step_name", "window_start"],
        unique=True,
        sqlite_where=_HELD,
        postgresql_where=_HELD,
    )
    op.create_index(
        "uq_sync_execution_once_held",
        "sync_execution",
        ["step_name"],
        unique=True,
        sqlite_where=_HELD_ONCE,
        postgresql_where=_HELD_ONCE,
    )
