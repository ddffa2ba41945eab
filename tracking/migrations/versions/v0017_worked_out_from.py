"""A posting keeps what it was worked out from; of older ones it is not known."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    op.add_column("accrued_period", sa.Column("worked_out", sa.JSON()))
