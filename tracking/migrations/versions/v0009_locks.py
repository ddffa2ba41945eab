"""Liveness is a lock that dies with its process, no owner and no clock; a run's attempts are told apart."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.add_column("sync_execution", sa.Column("attempt", sa.Integer(), nullable=False, server_default="1"))
    op.drop_column("sync_execution", "owner")
    op.drop_column("sync_execution", "alive_at")
    op.drop_column("idempotency_key", "owner")
