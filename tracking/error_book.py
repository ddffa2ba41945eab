"""The book of integration errors: one row per record in trouble, kept from run to run, closed when it is mended."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import insert, update
from sqlalchemy.orm import Mapped
from sqlmodel import Session, col, select

from tracking.columns import utc_now
from tracking.fingerprint import error_fingerprint
from tracking.integration_error import ErrorStatus, IntegrationError

_CHUNK = 500

RecordKey = tuple[str, str]
"""Entity type and external id."""


@dataclass(frozen=True)
class FoundError:
    """One record that a step could not apply, and why."""

    entity_type: str
    external_id: str
    message: str
    details: dict[str, Any] = field(default_factory=dict)
    """JSON-like, without secrets."""

    @property
    def key(self) -> RecordKey:
        """What the row is found by, next to the operation."""
        return self.entity_type, self.external_id


def record_errors(
    session: Session,
    *,
    integration: str,
    operation: str,
    execution_id: int | None,
    found: Sequence[FoundError],
    passed: Collection[RecordKey],
) -> None:
    """Write down what a step met, in its own transaction, so that the errors are there if and only if the records are.

    A record in trouble keeps its row. A `resolved` one that is met again is `pending` again, an `ignored` one stays
    `ignored`; a `pending` one that passed is `resolved` by itself. Each that is met again is counted, and last seen
    now; nothing else of a row that already says all this is written.

    Args:
        session: an open write session; nothing is committed.
        integration: `integration_error.integration_name`.
        operation: the step id; other steps' errors are not looked at.
        execution_id: the execution that met them, if one is tracked.
        found: at most one error for each record.
        passed: the records that were looked at and are fine now.
    """
    rows = _rows(session, operation, [error.external_id for error in found])
    for error in found:
        if (row := rows.get(error.key)) is not None:
            row.error_message, row.error_details = error.message, error.details
            row.fingerprint = error_fingerprint(operation, *error.key, error.message)
            if row.status == ErrorStatus.RESOLVED:
                row.status = ErrorStatus.PENDING
            _stamp(session, row, execution_id)
    new = [error for error in found if error.key not in rows]
    if new:
        by = {"integration_name": integration, "operation": operation, "sync_execution_id": execution_id}
        session.execute(insert(IntegrationError), [{**by, **_columns(operation, error)} for error in new])
    in_trouble = {error.key for error in found}
    for key, row in rows.items():
        if row.status == ErrorStatus.PENDING and key in passed and key not in in_trouble:
            row.status = ErrorStatus.RESOLVED
            _stamp(session, row, execution_id)
    session.flush()
    _count(session, [row.id for key, row in rows.items() if key in in_trouble])


def known_records(session: Session, operation: str) -> set[RecordKey]:
    """The records of a step whose errors are still pending, or ignored for good."""
    query = select(IntegrationError.entity_type, IntegrationError.entity_external_id).where(
        col(IntegrationError.operation) == operation, col(IntegrationError.status) != ErrorStatus.RESOLVED
    )
    return set(session.exec(query))


def _count(session: Session, ids: Sequence[int | None]) -> None:
    """Say that these were met once more, a statement per chunk."""
    seen = {"occurrences": col(IntegrationError.occurrences) + 1, "last_seen_at": utc_now()}
    for start in range(0, len(ids), _CHUNK):
        met = update(IntegrationError).where(col(IntegrationError.id).in_(ids[start : start + _CHUNK])).values(seen)
        session.connection().execute(met)


def _columns(operation: str, error: FoundError) -> dict[str, Any]:
    now = utc_now()
    return {
        "first_seen_at": now,
        "last_seen_at": now,
        "fingerprint": error_fingerprint(operation, *error.key, error.message),
        "entity_type": error.entity_type,
        "entity_external_id": error.external_id,
        "error_message": error.message,
        "error_details": error.details,
    }


def _stamp(session: Session, row: IntegrationError, execution_id: int | None) -> None:
    """Say when and by which execution a row was written, but only if there is something to write."""
    if session.is_modified(row):
        row.sync_execution_id = execution_id
        row.updated_at = utc_now()


def _rows(session: Session, operation: str, external_ids: Iterable[str]) -> dict[RecordKey, IntegrationError]:
    """The rows that may change: those still pending, and those of the records that were met."""
    rows = _select(session, operation, col(IntegrationError.status), [ErrorStatus.PENDING])
    rows += _select(session, operation, col(IntegrationError.entity_external_id), set(external_ids))
    return {(row.entity_type, row.entity_external_id): row for row in rows}


def _select(session: Session, operation: str, column: Mapped[str], values: Iterable[str]) -> list[IntegrationError]:
    wanted = sorted(values)
    rows: list[IntegrationError] = []
    for start in range(0, len(wanted), _CHUNK):
        query = select(IntegrationError).where(
            col(IntegrationError.operation) == operation, column.in_(wanted[start : start + _CHUNK])
        )
        rows += session.exec(query)
    return rows
