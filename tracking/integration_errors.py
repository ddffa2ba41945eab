"""The integration error store: one row per record that a step could not apply, kept from run to run."""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from hashlib import sha256
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, insert, update
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, func, select

from tracking.database import read_session, tracking_session
from tracking.history import DEFAULT_LIMIT, MAX_LIMIT
from tracking.models import ErrorDecision, ErrorStatus, IntegrationError, SyncExecution, utc_now

_WORD = re.compile(r"\S+")
_DIGIT = re.compile(r"\d")


def error_fingerprint(operation: str, entity_type: str, external_id: str, message: str) -> str:
    """The same for the same trouble of the same record, in every run and on every machine.

    Figures of the message that vary (words with a digit: an amount, a date, an id) do not count.
    """
    known = message.replace(external_id, "#") if external_id else message
    kind = _WORD.sub(lambda word: "#" if _DIGIT.search(word[0]) else word[0], known)
    return sha256("\0".join((operation, entity_type, external_id, kind)).encode()).hexdigest()[:32]


_CHUNK = 500
Value = TypeVar("Value", int, str)
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
    now; nothing else of a row that already says all this is written. `passed` are records that are fine now.
    """
    rows, now = _rows(session, operation, {error.external_id for error in found}), utc_now()
    by = {"integration_name": integration, "operation": operation, "sync_execution_id": execution_id}
    new = []
    for error in found:
        fingerprint = error_fingerprint(operation, *error.key, error.message)
        wrong = {"error_message": error.message, "error_details": error.details, "fingerprint": fingerprint}
        if (row := rows.pop(error.key, None)) is None:
            record = {"entity_type": error.entity_type, "entity_external_id": error.external_id}
            new.append({**by, **record, **wrong, "first_seen_at": now, "last_seen_at": now})
            continue
        for name, value in wrong.items():
            setattr(row, name, value)
        if row.status == ErrorStatus.RESOLVED:
            row.status = ErrorStatus.PENDING
        _stamp(session, row, execution_id)
        row.occurrences, row.last_seen_at = row.occurrences + 1, now
    if new:  # in one statement: the unit of work would take one for each
        session.execute(insert(IntegrationError), new)
    for key, row in rows.items():
        if row.status == ErrorStatus.PENDING and key in passed:
            row.status = ErrorStatus.RESOLVED
            _stamp(session, row, execution_id)
    session.flush()


def unresolved_errors(session: Session, operation: str) -> dict[RecordKey, IntegrationError]:
    """What a step last said of each record that is in trouble, whatever a person decided about it since."""
    found = select(IntegrationError).where(
        IntegrationError.operation == operation, IntegrationError.status != ErrorStatus.RESOLVED
    )
    return {(each.entity_type, each.entity_external_id): each for each in session.exec(found)}


def known_records(session: Session, operation: str) -> set[RecordKey]:
    """The records of a step whose errors are still pending, or ignored for good."""
    query = select(IntegrationError.entity_type, IntegrationError.entity_external_id).where(
        col(IntegrationError.operation) == operation, col(IntegrationError.status) != ErrorStatus.RESOLVED
    )
    return set(session.exec(query))


def records_of_window(session: Session, execution_id: int | None) -> set[RecordKey]:
    """The records whose pending errors were written by executions of the same step and window as this one."""
    this, that = aliased(SyncExecution), aliased(SyncExecution)
    query = (
        select(IntegrationError.entity_type, IntegrationError.entity_external_id)
        .join(that, col(IntegrationError.sync_execution_id) == that.id)
        .join(this, (col(this.step_name) == that.step_name) & (col(this.window_start) == that.window_start))
        .where(this.id == execution_id, col(IntegrationError.status) == ErrorStatus.PENDING)
        .where(col(IntegrationError.operation) == this.step_name)
    )
    return set(session.exec(query))


def _stamp(session: Session, row: IntegrationError, execution_id: int | None) -> None:
    """Say when and by which execution a row was written, but only if there is something to write."""
    if session.is_modified(row):
        row.sync_execution_id = execution_id
        row.updated_at = utc_now()


def _rows(session: Session, operation: str, external_ids: Collection[str]) -> dict[RecordKey, IntegrationError]:
    """The rows that may change: those still pending, and those of the records that were met."""
    of_step = select(IntegrationError).where(col(IntegrationError.operation) == operation)
    rows = list(session.exec(of_step.where(col(IntegrationError.status) == ErrorStatus.PENDING)))
    for some in _chunks(external_ids):
        rows += session.exec(of_step.where(col(IntegrationError.entity_external_id).in_(some)))
    return {(row.entity_type, row.entity_external_id): row for row in rows}


def _chunks(values: Collection[Value]) -> Iterator[list[Value]]:
    """Ascending, so many at once as any database takes in one statement."""
    ordered = sorted(values)
    return (ordered[start : start + _CHUNK] for start in range(0, len(ordered), _CHUNK))


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


def mark_errors(ids: Sequence[int], status: ErrorStatus, *, by: str, reason: str = "") -> list[int]:
    """Set the status that a person decided on, and keep who decided and why. Returns the ids that no error has.

    One that has the status already stays as it is, and so does the trail.
    """
    now = utc_now()
    with tracking_session() as session:
        found = session.exec(select(IntegrationError.id, IntegrationError.status).where(_is_one_of(ids)))
        before = {number: old for number, old in found if number is not None}
        changed = [number for number, old in before.items() if old != status]
        if changed:
            session.connection().execute(
                update(IntegrationError).where(_is_one_of(changed)).values(status=status, updated_at=now)
            )
            kept = {"status": status, "made_by": by, "reason": reason, "made_at": now}
            session.execute(
                insert(ErrorDecision), [{"error_id": each, "status_before": before[each], **kept} for each in changed]
            )
    return [error_id for error_id in ids if error_id not in before]


def _is_one_of(ids: Collection[int]) -> ColumnElement[bool]:
    return col(IntegrationError.id).in_(ids)


def recent_decisions(limit: int = DEFAULT_LIMIT) -> list[ErrorDecision]:
    """What persons decided, newest first."""
    with read_session() as session:
        return list(session.exec(select(ErrorDecision).order_by(col(ErrorDecision.id).desc()).limit(limit)))


@dataclass(frozen=True)
class MetError:
    """An error, and the execution that met it; None if none was tracked."""

    error: IntegrationError
    execution: SyncExecution | None


def pending_errors(operation: str | None = None) -> list[MetError]:
    """Every pending error, or those of one step; oldest first."""
    of_step = [] if operation is None else [col(IntegrationError.operation) == operation]
    return _met(col(IntegrationError.status) == ErrorStatus.PENDING, *of_step)


def find_met(ids: Collection[int]) -> list[MetError]:
    """The errors of these ids, as far as there are such; oldest first."""
    return [each for some in _chunks(set(ids)) for each in _met(col(IntegrationError.id).in_(some))]


def _met(*which: ColumnElement[bool]) -> list[MetError]:
    query = select(IntegrationError, SyncExecution).join(SyncExecution, isouter=True).where(*which)
    with read_session() as session:
        return [MetError(*row) for row in session.exec(query.order_by(col(IntegrationError.id)))]


def span_of_runs(step_name: str, flow_run_ids: Sequence[str]) -> tuple[date, date] | None:
    """The months that these runs worked on with a step, as `[start, end)`; None if it has no months."""
    start, end = col(SyncExecution.window_start), col(SyncExecution.window_end)
    query = select(func.min(start), func.max(end)).where(
        col(SyncExecution.step_name) == step_name, col(SyncExecution.flow_run_id).in_(flow_run_ids)
    )
    with read_session() as session:
        first, last = session.exec(query).one()
    return None if first is None or last is None else (first, last)
