"""Which errors are to be tried again, and what the runs that met them had read."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date

from sqlmodel import col, func, select

from tracking.database import read_session
from tracking.execution import SyncExecution
from tracking.integration_error import ErrorStatus, IntegrationError


@dataclass(frozen=True)
class MetError:
    """An error, and the execution that met it; None if none was tracked."""

    error: IntegrationError
    execution: SyncExecution | None


def pending_errors(operation: str | None = None) -> list[MetError]:
    """Every pending error, or those of one step; oldest first."""
    query = select(IntegrationError.id).where(col(IntegrationError.status) == ErrorStatus.PENDING)
    if operation is not None:
        query = query.where(col(IntegrationError.operation) == operation)
    with read_session() as session:
        ids = [each for each in session.exec(query) if each is not None]
    return find_met(ids)


def find_met(ids: Collection[int]) -> list[MetError]:
    """The errors of these ids, as far as there are such; oldest first."""
    wanted = sorted(set(ids))
    found: list[MetError] = []
    chunk = 500
    with read_session() as session:
        for start in range(0, len(wanted), chunk):
            query = (
                select(IntegrationError, SyncExecution)
                .join(SyncExecution, isouter=True)
                .where(col(IntegrationError.id).in_(wanted[start : start + chunk]))
                .order_by(col(IntegrationError.id))
            )
            found += [MetError(error, execution) for error, execution in session.exec(query)]
    return found


def span_of_runs(step_name: str, flow_run_ids: Sequence[str]) -> tuple[date, date] | None:
    """The months that these runs worked on with a step, as `[start, end)`; None if it has no months."""
    start, end = col(SyncExecution.window_start), col(SyncExecution.window_end)
    query = select(func.min(start), func.max(end)).where(
        col(SyncExecution.step_name) == step_name, col(SyncExecution.flow_run_id).in_(flow_run_ids)
    )
    with read_session() as session:
        first, last = session.exec(query).one()
    return None if first is None or last is None else (first, last)
