"""A close keeps policy, version and a hash over both, the close before it and more; the trail keeps the hash too."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    for name, kind, empty in (
        ("policy", sa.JSON(), "{}"),
        ("version", sa.String(), ""),
        ("proof", sa.JSON(), "{}"),
        ("hash", sa.String(), ""),
    ):
        op.add_column("closed_month", sa.Column(name, kind, nullable=False, server_default=empty))
    op.add_column("closing_event", sa.Column("hash", sa.String(), nullable=False, server_default=""))
