"""Errors that are met again are counted; executions say how many records they were limited to, if to any."""

import sqlalchemy as sa
from alembic import op

from tracking.integration_errors import error_fingerprint
from tracking.models import UtcDateTime

revision = "0005"
down_revision = "0004"

_LONG_AGO = "1970-01-01 00:00:00.000000+00:00"
"""For the moment between adding a column and filling it: SQLite adds one that may not be null with a default only."""
_KIND = ("operation", "entity_type", "entity_external_id", "error_message")
_CHUNK = 1000


def upgrade() -> None:
    op.add_column("sync_execution", sa.Column("records", sa.Integer()))
    op.add_column("integration_error", sa.Column("fingerprint", sa.String(), nullable=False, server_default=""))
    for name in ("first_seen_at", "last_seen_at"):
        op.add_column("integration_error", sa.Column(name, UtcDateTime(), nullable=False, server_default=_LONG_AGO))
    op.add_column("integration_error", sa.Column("occurrences", sa.Integer(), nullable=False, server_default="1"))
    op.create_index("ix_integration_error_fingerprint", "integration_error", ["fingerprint"])
    op.execute("UPDATE integration_error SET first_seen_at = created_at, last_seen_at = updated_at")
    _fill_fingerprints()


def _fill_fingerprints() -> None:
    connection = op.get_bind()
    table = sa.table("integration_error", sa.column("id"), sa.column("fingerprint"), *map(sa.column, _KIND))
    rows = connection.execute(sa.select(table.c.id, *(table.c[name] for name in _KIND))).all()
    found = [{"row_id": row.id, "print": error_fingerprint(*row[1:])} for row in rows]
    statement = sa.update(table).where(table.c.id == sa.bindparam("row_id")).values(fingerprint=sa.bindparam("print"))
    for start in range(0, len(found), _CHUNK):
        connection.execute(statement, found[start : start + _CHUNK])
