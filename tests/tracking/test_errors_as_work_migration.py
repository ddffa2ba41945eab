"""The errors of an older database get what newer ones are born with."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, bindparam, text
from sqlmodel import col, select

from tracking.database import make_engine, parse_database_url, read_session
from tracking.integration_errors import error_fingerprint
from tracking.models import IntegrationError, UtcDateTime

CREATED, UPDATED = datetime(2024, 3, 1, 9, tzinfo=UTC), datetime(2024, 4, 1, 9, tzinfo=UTC)
INSERT = text(
    "INSERT INTO integration_error (integration_name, operation, entity_type, entity_external_id, error_message,"
    " error_details, status, created_at, updated_at)"
    " VALUES ('holded', 'invoices', 'contact', :id, 'no email', '{}', 'pending', :created, :updated)"
).bindparams(bindparam("created", type_=UtcDateTime()), bindparam("updated", type_=UtcDateTime()))


@pytest.fixture
def older_database(database: str, tmp_path: Path) -> Iterator[Engine]:
    """A database as the version before left it."""
    engine = make_engine(parse_database_url(database))
    (tmp_path / "sync.db").unlink(missing_ok=True)
    with engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("DROP SCHEMA public CASCADE"))
            connection.execute(text("CREATE SCHEMA public"))
        config = Config()
        config.set_main_option("script_location", "tracking:migrations")
        config.set_main_option("path_separator", "os")
        config.attributes["connection"] = connection
        command.upgrade(config, "0004")
    yield engine
    engine.dispose()


def test_errors_of_before_are_seen_from_their_creation_to_their_last_change(older_database: Engine) -> None:
    with older_database.begin() as connection:
        connection.execute(INSERT, [{"id": name, "created": CREATED, "updated": UPDATED} for name in ("c1", "c2")])

    with read_session() as session:
        rows = list(session.exec(select(IntegrationError).order_by(col(IntegrationError.id))))

    assert [(row.first_seen_at, row.last_seen_at, row.occurrences) for row in rows] == [(CREATED, UPDATED, 1)] * 2
    assert [row.fingerprint for row in rows] == [
        error_fingerprint("invoices", "contact", external_id, "no email") for external_id in ("c1", "c2")
    ]
