"""Integration errors as work for people: find them, mark them, take them along as a spreadsheet."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TextIO

from sqlalchemy import update
from sqlmodel import col, select

from tracking.columns import utc_now
from tracking.database import read_session, tracking_session
from tracking.history import DEFAULT_LIMIT, MAX_LIMIT
from tracking.integration_error import ErrorStatus, IntegrationError
from tracking.spreadsheet import write_csv

CSV_HEADER = (
    "id",
    "integration_name",
    "operation",
    "entity_type",
    "entity_external_id",
    "error_message",
    "status",
    "sync_execution_id",
    "created_at",
    "updated_at",
    "occurrences",
    "first_seen_at",
    "last_seen_at",
)


@dataclass(frozen=True)
class ErrorFilter:
    """Which integration errors are wanted; None means any."""

    integration_name: str | None = None
    operation: str | None = None
    entity_type: str | None = None
    status: str | None = None
    sync_execution_id: int | None = None
    older_than: int | None = None
    """Id of the error that the list goes on after."""
    limit: int | None = DEFAULT_LIMIT


def find_errors(wanted: ErrorFilter) -> list[IntegrationError]:
    """Errors that fit, newest first; `limit` None brings them all."""
    query = select(IntegrationError).order_by(col(IntegrationError.id).desc())
    for name in ("integration_name", "operation", "entity_type", "status", "sync_execution_id"):
        if (value := getattr(wanted, name)) is not None:
            query = query.where(getattr(IntegrationError, name) == value)
    if wanted.older_than is not None:
        query = query.where(col(IntegrationError.id) < wanted.older_than)
    if wanted.limit is not None:
        query = query.limit(min(wanted.limit, MAX_LIMIT + 1))  # one more tells whether there is another page
    with read_session() as session:
        return list(session.exec(query))


def find_error(error_id: int) -> IntegrationError | None:
    """One error."""
    with read_session() as session:
        return session.get(IntegrationError, error_id)


def known_entity_types() -> list[str]:
    """The entity types that there are errors of, as a choice for people."""
    with read_session() as session:
        return sorted(session.exec(select(IntegrationError.entity_type).distinct()))


def mark_errors(ids: Sequence[int], status: ErrorStatus) -> list[int]:
    """Set the status that a person decided on. Returns the ids that no error has; the others are marked."""
    with tracking_session() as session:
        known = set(session.exec(select(IntegrationError.id).where(col(IntegrationError.id).in_(ids))))
        session.connection().execute(
            update(IntegrationError)
            .where(col(IntegrationError.id).in_(known), col(IntegrationError.status) != status)
            .values(status=status, updated_at=utc_now())
        )
    return [error_id for error_id in ids if error_id not in known]


def export_errors(file: TextIO, wanted: ErrorFilter) -> int:
    """Write the errors that fit as CSV. Returns how many."""
    errors = find_errors(wanted)
    write_csv(file, CSV_HEADER, ([getattr(error, name) for name in CSV_HEADER] for error in errors))
    return len(errors)
