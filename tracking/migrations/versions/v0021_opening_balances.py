"""Opening balances: files of deferred revenue that were loaded, and reverted."""

import sqlalchemy as sa
from alembic import op

from tracking.models import UtcDateTime

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    op.create_table(
        "opening_balances",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("file_name", sa.String(), nullable=False),
        sa.Column("file_hash", sa.String(), nullable=False),
        sa.Column("contracts", sa.Integer(), nullable=False),
        sa.Column("who", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("reverted_by", sa.String()),
        sa.Column("reverted_at", UtcDateTime()),
        sa.Column("revert_reason", sa.String()),
    )
