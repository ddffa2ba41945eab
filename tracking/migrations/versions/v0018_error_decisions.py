"""What persons decide about integration errors is kept: who, when, why, and what it was before."""

import sqlalchemy as sa
from alembic import op

from tracking.models import UtcDateTime

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    op.create_table(
        "error_decision",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("error_id", sa.Integer(), sa.ForeignKey("integration_error.id"), nullable=False),
        sa.Column("status_before", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("made_by", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("made_at", UtcDateTime(), nullable=False),
    )
    op.create_index("ix_error_decision_error", "error_decision", ["error_id"])
