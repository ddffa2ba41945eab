"""Finds executions whose owner is dead and ends them: what the process could not say, said by whoever looks next."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from sqlmodel import col, select

from tracking.database import read_session, tracking_session
from tracking.execution import OPEN_STATUSES, ExecutionStatus, SyncExecution
from tracking.lease import describe_owner, is_dead, lives_here
from tracking.recorder import database_now, end_execution


@dataclass(frozen=True)
class Repair:
    """One execution that was ended for its owner."""

    execution_id: int
    flow_run_id: str | None
    step_name: str
    status: ExecutionStatus
    reason: str | None


def end_dead_executions() -> list[Repair]:
    """End every open execution whose owner is gone, with a reason that a person understands.

    A window whose transaction was committed is `completed`, whatever killed the process right after: its result was
    written in the same transaction. Everything else is `failed`: nothing of it is in the ledger.
    """
    with read_session() as session:
        now = database_now(session)
        query = (
            select(SyncExecution).where(col(SyncExecution.status).in_(OPEN_STATUSES)).order_by(col(SyncExecution.id))
        )
        ask = cache(lives_here)  # a run's executions have one owner, and asking the system takes a while
        dead = [row for row in session.exec(query) if is_dead(row.owner, row.alive_at, now, ask)]
    return list(_end_all(dead))


def _end_all(rows: Iterable[SyncExecution]) -> Iterable[Repair]:
    for row in rows:
        if row.id is None:
            continue
        status, reason = _verdict(row)
        with tracking_session() as session:
            ended = end_execution(session, row.id, status, reason)
        if ended:
            yield Repair(row.id, row.flow_run_id, row.step_name, status, reason)


def _verdict(row: SyncExecution) -> tuple[ExecutionStatus, str | None]:
    if row.result is not None:
        return ExecutionStatus.COMPLETED, None
    who = describe_owner(row.owner)
    if row.status == ExecutionStatus.PENDING:
        return ExecutionStatus.FAILED, f"never started: {who}, which ran it, was killed or lost before its turn"
    return ExecutionStatus.FAILED, f"{who} was killed or lost during {row.name}: nothing of it was kept, run it again"


@dataclass(frozen=True)
class OpenRun:
    """A flow run with executions that have not ended."""

    id: str
    owner_lives: bool


def open_runs() -> list[OpenRun]:
    """The flow runs that still have something open."""
    with read_session() as session:
        still_open = select(SyncExecution).where(
            col(SyncExecution.status).in_(OPEN_STATUSES), col(SyncExecution.flow_run_id).is_not(None)
        )
        now = database_now(session)
        lives: dict[str, bool] = {}
        for row in session.exec(still_open):
            run_id = str(row.flow_run_id)
            lives[run_id] = lives.get(run_id, False) or not is_dead(row.owner, row.alive_at, now)
    return [OpenRun(run_id, alive) for run_id, alive in lives.items()]


def run_is_dead(flow_run_id: str) -> bool | None:
    """Whether the process of a run is gone; None when the run has no execution to tell by."""
    with read_session() as session:
        query = select(SyncExecution).where(col(SyncExecution.flow_run_id) == flow_run_id)
        rows = list(session.exec(query))
        now = database_now(session)
    return all(is_dead(row.owner, row.alive_at, now) for row in rows) if rows else None
