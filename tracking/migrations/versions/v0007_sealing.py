"""Which key the database is encrypted with."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.create_table("sealing_key", sa.Column("key_id", sa.String(), primary_key=True))
