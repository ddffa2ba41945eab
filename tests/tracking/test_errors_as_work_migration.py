"""The errors of an older database get what newer ones are born with."""

from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import bindparam, text
from sqlmodel import col, select

from tests.older_database import older_database
from tracking.database import read_session
from tracking.integration_errors import error_fingerprint
from tracking.models import IntegrationError, UtcDateTime

CREATED, UPDATED = datetime(2024, 3, 1, 9, tzinfo=UTC), datetime(2024, 4, 1, 9, tzinfo=UTC)
INSERT = text(
    "INSERT INTO integration_error (integration_name, operation, entity_type, entity_external_id, error_message,"
    " error_details, status, created_at, updated_at)"
    " VALUES ('holded', 'invoices', 'contact', :id, 'no email', '{}', 'pending', :created, :updated)"
).bindparams(bindparam("created", type_=UtcDateTime()), bindparam("updated", type_=UtcDateTime()))


def test_errors_of_before_are_seen_from_their_creation_to_their_last_change(database: str, tmp_path: Path) -> None:
    with older_database(database, tmp_path, "0004") as engine, engine.begin() as connection:
        connection.execute(INSERT, [{"id": name, "created": CREATED, "updated": UPDATED} for name in ("c1", "c2")])

    with read_session() as session:
        rows = list(session.exec(select(IntegrationError).order_by(col(IntegrationError.id))))

    assert [(row.first_seen_at, row.last_seen_at, row.occurrences) for row in rows] == [(CREATED, UPDATED, 1)] * 2
    assert [row.fingerprint for row in rows] == [
        error_fingerprint("invoices", "contact", external_id, "no email") for external_id in ("c1", "c2")
    ]
