"""Writes what happened to executions: plain functions, most with a short transaction each; they know no Prefect.

An execution only moves forward: pending -> running -> completed or failed. Each change is one conditional update, so
that a late or repeated call never reopens or overwrites an ended row.
"""

from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, update
from sqlalchemy import select as select_value
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, select

from tracking.columns import utc_now
from tracking.database import tracking_session, tracking_statement
from tracking.execution import OPEN_STATUSES, ExecutionStatus, SyncExecution
from tracking.lease import this_process
from tracking.redaction import redact_message
from tracking.statements import as_parameter, change

PROVED = "execution that has its window"
"""Key of `Session.info`: the execution of which this transaction knows that it has its window."""
claimed_at_start: ContextVar[int | None] = ContextVar("claimed_at_start", default=None)
"""The execution that got its window at its start: that of the task which runs in this context."""


@dataclass(frozen=True)
class PlannedExecution:
    """One cell of a run's plan: a step, and its month window if it has one."""

    step_name: str
    window_start: date | None = None
    window_end: date | None = None
    records: int | None = None
    """How many records it is limited to; None: the whole window."""


def plan_executions(flow_run_id: str, cells: Sequence[PlannedExecution]) -> list[int]:
    """Write the whole plan as `pending` rows, so that the history shows at once what is coming. Returns their ids."""
    rows = [
        SyncExecution(
            step_name=cell.step_name,
            window_start=cell.window_start,
            window_end=cell.window_end,
            records=cell.records,
            flow_run_id=flow_run_id,
        )
        for cell in cells
    ]
    with tracking_session() as session:
        session.add_all(rows)
        session.flush()
        return [row.id for row in rows if row.id is not None]


@dataclass(frozen=True)
class RunningTask:
    """What a task run says of itself when it starts."""

    task_run_id: str
    flow_run_id: str | None
    attempt: int
    cell: PlannedExecution


def start_execution(execution_id: int | None, task: RunningTask) -> None:
    """The task runs: its planned row becomes `running`; a task nobody planned gets a row of its own.

    Called again on each retry: `started_at` stays that of the first attempt, `attempts` is the task's own count.
    """
    if execution_id is not None and _start_planned(execution_id, task):
        return
    now = utc_now()
    with tracking_session() as session:
        row = _open_row(session, execution_id, task.task_run_id)
        if row is None:
            if _ended_or_foreign(session, execution_id, task.task_run_id):
                return
            row = SyncExecution(
                step_name=task.cell.step_name,
                window_start=task.cell.window_start,
                window_end=task.cell.window_end,
                records=task.cell.records,
                flow_run_id=task.flow_run_id,
            )
        row.task_run_id = task.task_run_id
        row.owner, row.alive_at = this_process(), database_now(session)
        row.status = ExecutionStatus.RUNNING
        row.started_at = row.started_at or now
        row.details = {**row.details, "attempts": task.attempt}
        row.updated_at = now
        session.add(row)


def _start_planned(execution_id: int, task: RunningTask) -> bool:
    """The usual start, in one statement that claims the window too if it is free. False when the row is not open."""
    try:
        started = _change_to_running("start and claim", execution_id, task)
    except IntegrityError:  # somebody has the window: `tracking/claims.py` says what to do about that
        return _change_to_running("start", execution_id, task)
    claimed_at_start.set(execution_id if started else None)
    return started


def _change_to_running(statement: str, execution_id: int, task: RunningTask) -> bool:
    with tracking_statement() as connection:
        return change(
            connection,
            statement,
            id_=execution_id,
            task_run_id_=task.task_run_id,
            owner_=this_process(),
            attempts_=task.attempt,
        )


def complete_execution(task_run_id: str, result: dict[str, Any]) -> bool:
    """The task completed with this result. False when its row was not open."""
    with tracking_statement() as connection:
        return change(connection, "complete", task_run_id_=task_run_id, result_=as_parameter(result))


def fail_execution(task_run_id: str, message: str, error_type: str = "") -> bool:
    """The task failed, for this reason, with an error of this class. False when its row was not open.

    What was interrupted after its commit is `completed` all the same: its records are in the ledger.
    """
    with tracking_session() as session:
        row = _open_row(session, None, task_run_id)
        if row is not None and row.result is not None:
            return _end(session.connection(), _of_task(task_run_id), ExecutionStatus.COMPLETED) > 0
        details = {**(row.details if row else {}), **({"error_type": error_type} if error_type else {})}
        values = {"error_message": redact_message(message, emails=True), "metadata": details}
        return _end(session.connection(), _of_task(task_run_id), ExecutionStatus.FAILED, **values) > 0


def end_open_executions(flow_run_id: str, reason: str) -> int:
    """End what a run planned or began and will never finish, as `failed` for this reason. Returns how many failed.

    One whose result is known is `completed`: its records were committed, only nobody was left to say so.
    """
    with tracking_session() as session:
        of_run = col(SyncExecution.flow_run_id) == flow_run_id
        rows = session.exec(select(SyncExecution).where(of_run, col(SyncExecution.status).in_(OPEN_STATUSES))).all()
        done = [row.id for row in rows if row.result is not None]
        _end(session.connection(), col(SyncExecution.id).in_(done), ExecutionStatus.COMPLETED)
        return _end(session.connection(), of_run, ExecutionStatus.FAILED, error_message=redact_message(reason))


def end_execution(session: Session, execution_id: int, status: ExecutionStatus, reason: str | None) -> bool:
    """End one open execution from outside. False when it had ended meanwhile."""
    return _end(session.connection(), col(SyncExecution.id) == execution_id, status, error_message=reason) > 0


def record_result(session: Session, execution_id: int | None, result: dict[str, Any]) -> None:
    """Keep a step's result in the transaction of its records.

    Whatever kills the process next, it is known that the window is in the ledger. Where the execution has its window,
    that it still has it is proved by the same statement (`tracking/claims.py`): its row is locked from here on.
    """
    if execution_id is None:
        return
    values = {"id_": execution_id, "result_": as_parameter(result)}
    if change(session.connection(), "keep result and prove", **values):
        session.info[PROVED] = execution_id
    else:
        change(session.connection(), "keep result", **values)


def database_now(session: Session) -> datetime:
    """The present moment by the clock that all machines share: PostgreSQL's, or that of SQLite's one machine."""
    if session.get_bind().dialect.name == "postgresql":
        moment: datetime = session.execute(select_value(func.clock_timestamp())).scalar_one()
        return moment
    return utc_now()


def _of_task(task_run_id: str) -> ColumnElement[bool]:
    return col(SyncExecution.task_run_id) == task_run_id


def _open_row(session: Session, execution_id: int | None, task_run_id: str) -> SyncExecution | None:
    which = _of_task(task_run_id) if execution_id is None else col(SyncExecution.id) == execution_id
    return session.exec(select(SyncExecution).where(which, col(SyncExecution.status).in_(OPEN_STATUSES))).first()


def _ended_or_foreign(session: Session, execution_id: int | None, task_run_id: str) -> bool:
    """Whether this task's row exists but has ended: a late start must not make a second one."""
    known = _of_task(task_run_id)
    if execution_id is not None:
        known = known | (col(SyncExecution.id) == execution_id)
    return session.exec(select(SyncExecution.id).where(known)).first() is not None


def _end(connection: Connection, which: ColumnElement[bool], status: ExecutionStatus, **values: Any) -> int:
    now = utc_now()
    statement = (
        update(SyncExecution)
        .where(which, col(SyncExecution.status).in_(OPEN_STATUSES))
        .values({"status": status, "completed_at": now, "updated_at": now, "holds_window": False, **values})
    )
    return connection.execute(statement).rowcount
