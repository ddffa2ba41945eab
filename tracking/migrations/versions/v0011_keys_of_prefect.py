"""Idempotency keys are kept by Prefect, with the runs that they stand for."""

from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.drop_table("idempotency_key")
