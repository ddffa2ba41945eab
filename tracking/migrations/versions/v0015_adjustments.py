"""Adjustments: postings of a person, several of one contract and month, each with what it corrects, who and why."""

import sqlalchemy as sa
from alembic import op

from tracking.models import UtcDateTime

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    op.add_column("accrued_period", sa.Column("adjustment", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("accrued_period", sa.Column("corrects", sa.Date()))
    op.add_column("accrued_period", sa.Column("reason", sa.String()))
    op.add_column("accrued_period", sa.Column("made_by", sa.String()))
    op.add_column("accrued_period", sa.Column("made_at", UtcDateTime()))
    op.drop_index("uq_accrued_period", "accrued_period")
    op.create_index(
        "uq_accrued_period",
        "accrued_period",
        ["contract_accrual_id", "accrual_date", sa.text("coalesce(service_period_id, 0)"), "adjustment"],
        unique=True,
    )
