"""The way back: what a redo sets aside, when contracts changed their state, and dismissed notifications."""

import sqlalchemy as sa
from alembic import op

from tracking.models import ExactNumeric, UtcDateTime, money

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    op.create_table(
        "accrual_transition",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("contract_id", sa.Integer(), sa.ForeignKey("service_contract.id"), nullable=False, index=True),
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("completed_before", sa.Boolean(), nullable=False),
        sa.Column("contract_status_before", sa.String(), nullable=False),
    )
    op.create_index("ix_accrual_transition_month", "accrual_transition", ["month"])
    # Of what was accrued so far the last completion is known, and nothing of those before it.
    op.execute(
        "INSERT INTO accrual_transition (contract_id, month, completed_before, contract_status_before)"
        " SELECT contract_id, last_month, false, 'ACTIVE' FROM contract_accrual"
        " WHERE accrual_status = 'COMPLETED' AND last_month IS NOT NULL"
    )
    op.create_table(
        "redo",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("who", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
    )
    op.create_table(
        "set_aside_posting",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("redo_id", sa.Integer(), sa.ForeignKey("redo.id"), nullable=False, index=True),
        sa.Column("contract_id", sa.Integer(), sa.ForeignKey("service_contract.id"), nullable=False, index=True),
        sa.Column("service_period_id", sa.Integer(), sa.ForeignKey("service_period.id")),
        sa.Column("accrual_date", sa.Date(), nullable=False),
        sa.Column("accrued_amount", money(), nullable=False),
        sa.Column("accrual_portion", ExactNumeric(9, 6), nullable=False),
        sa.Column("sessions_accrued", sa.Integer(), nullable=False),
        sa.Column("rule", sa.String(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("worked_out", sa.JSON()),
    )
    op.create_table(
        "dismissal",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("contract_id", sa.Integer(), sa.ForeignKey("service_contract.id"), nullable=False, index=True),
        sa.Column("until", sa.Date(), nullable=False),
        sa.Column("who", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
    )
