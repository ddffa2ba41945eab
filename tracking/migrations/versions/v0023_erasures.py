"""Erasures: which clients' persons were erased, and the secret of their pseudonyms."""

import sqlalchemy as sa
from alembic import op

from tracking.models import UtcDateTime

revision = "0023"
down_revision = "0022"


def upgrade() -> None:
    op.create_table(
        "erasure",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("client_id", sa.Integer(), sa.ForeignKey("client.id"), nullable=False),
        sa.Column("who", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("changed", sa.JSON(), nullable=False),
        sa.Column("secret", sa.String(), nullable=False),
    )
