"""Who did what, by which token and from where."""

import sqlalchemy as sa
from alembic import op

from tracking.models import UtcDateTime

revision = "0024"
down_revision = "0023"


def upgrade() -> None:
    op.create_table(
        "audit_event",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("at", UtcDateTime(), nullable=False, index=True),
        *(
            sa.Column(name, sa.String(), nullable=False)
            for name in ("door", "who", "role", "address", "action", "asked", "outcome")
        ),
    )
