"""Plans that a person looked at before running them."""

import sqlalchemy as sa
from alembic import op

from tracking.models import UtcDateTime

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "sync_plan",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("span_start", sa.Date(), nullable=False),
        sa.Column("span_end", sa.Date(), nullable=False),
        sa.Column("cells", sa.JSON(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
    )
