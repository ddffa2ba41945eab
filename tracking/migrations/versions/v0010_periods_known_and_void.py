"""Service periods: since when the CRM had the enrollment, and since when it is none any more."""

import sqlalchemy as sa
from alembic import op

from tracking.columns import UtcDateTime

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.add_column("service_period", sa.Column("created_on", sa.Date()))
    op.add_column("service_period", sa.Column("voided_at", UtcDateTime()))
