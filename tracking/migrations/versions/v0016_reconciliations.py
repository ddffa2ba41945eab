"""The last reconciliation of each month with the invoicing system."""

import sqlalchemy as sa
from alembic import op

from tracking.models import UtcDateTime

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    op.create_table(
        "reconciliation",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("month", sa.Date(), nullable=False, unique=True),
        sa.Column("made_at", UtcDateTime(), nullable=False),
        sa.Column("result", sa.JSON(), nullable=False),
    )
