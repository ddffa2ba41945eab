"""Service periods: the row of the CRM that each was made from, so that one that moved is known for what it is."""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"


def upgrade() -> None:
    op.add_column("service_period", sa.Column("enrollment_id", sa.String()))
