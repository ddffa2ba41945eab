"""What happened, for whoever asks: queries that the command line, the API and the page share."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import ColumnElement
from sqlmodel import col, func, select

from tracking.database import read_session
from tracking.execution import ExecutionStatus, SyncExecution
from tracking.integration_error import IntegrationError

DEFAULT_LIMIT = 100
MAX_LIMIT = 1000


@dataclass(frozen=True)
class HistoryFilter:
    """Which executions are wanted. Times are aware; `since` is included, `until` is not; both look at the creation."""

    step_name: str | None = None
    status: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    before_id: int | None = None
    limit: int = DEFAULT_LIMIT


def find_executions(wanted: HistoryFilter) -> list[SyncExecution]:
    """Executions that fit, newest first."""
    query = select(SyncExecution).order_by(col(SyncExecution.id).desc()).limit(min(wanted.limit, MAX_LIMIT))
    if wanted.step_name:
        query = query.where(col(SyncExecution.step_name) == wanted.step_name)
    if wanted.status:
        query = query.where(col(SyncExecution.status) == wanted.status)
    if wanted.since:
        query = query.where(col(SyncExecution.created_at) >= wanted.since)
    if wanted.until:
        query = query.where(col(SyncExecution.created_at) < wanted.until)
    if wanted.before_id:
        query = query.where(col(SyncExecution.id) < wanted.before_id)
    with read_session() as session:
        return list(session.exec(query))


def executions_of_run(flow_run_id: str) -> list[SyncExecution]:
    """Every execution of one flow run, in the order of its plan."""
    with read_session() as session:
        query = select(SyncExecution).where(col(SyncExecution.flow_run_id) == flow_run_id)
        return list(session.exec(query.order_by(col(SyncExecution.id))))


@dataclass(frozen=True)
class ErrorCount:
    """How many pending integration errors of one kind there are."""

    operation: str
    entity_type: str
    count: int


def pending_errors_by_kind(execution_ids: Sequence[int]) -> list[ErrorCount]:
    """Pending integration errors that these executions met, most frequent first."""
    amount = func.count(col(IntegrationError.id))
    query = (
        select(IntegrationError.operation, IntegrationError.entity_type, amount)
        .where(col(IntegrationError.sync_execution_id).in_(execution_ids), IntegrationError.status == "pending")
        .group_by(IntegrationError.operation, IntegrationError.entity_type)
        .order_by(amount.desc(), IntegrationError.operation, IntegrationError.entity_type)
    )
    with read_session() as session:
        return [ErrorCount(*row) for row in session.exec(query)]


CellKey = tuple[str, date | None]
"""Step id and first of the month (None: a step that is called once a run)."""


@dataclass(frozen=True)
class CellHistory:
    """The newest execution of a (step, month), and the newest that completed."""

    newest: SyncExecution
    newest_completed: SyncExecution | None


def cell_histories() -> dict[CellKey, CellHistory]:
    """What is known of every (step, month) that was ever executed."""
    newest = _newest_by_cell()
    completed = _newest_by_cell(col(SyncExecution.status) == ExecutionStatus.COMPLETED)
    return {key: CellHistory(row, completed.get(key)) for key, row in newest.items()}


def _newest_by_cell(*where: ColumnElement[bool]) -> dict[CellKey, SyncExecution]:
    newest = (
        select(func.max(col(SyncExecution.id)))
        .where(*where)
        .group_by(col(SyncExecution.step_name), col(SyncExecution.window_start))
    )
    with read_session() as session:
        rows = session.exec(select(SyncExecution).where(col(SyncExecution.id).in_(newest)))
        return {(row.step_name, row.window_start): row for row in rows}
