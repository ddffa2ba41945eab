"""Executions of import steps as a run leaves them, without a run."""

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import insert, update
from sqlmodel import col

from steps.catalog import CRM_CLIENTS, INVOICES, NOTION_EXTERNAL_ID, SERVICE_PERIODS, SERVICES, STEPS
from steps.ledger.months import MonthWindow
from steps.progress import PROGRESS_LOGGER
from tracking.database import tracking_session
from tracking.locks import run_lock
from tracking.models import ExecutionStatus, SyncExecution
from tracking.recorder import Overlap, PlannedExecution, hold_window, plan_executions

IMPORT_STEPS = (SERVICES, INVOICES, CRM_CLIENTS, SERVICE_PERIODS, NOTION_EXTERNAL_ID)
MARCH = MonthWindow.of(date(2024, 3, 1))
NOON = datetime(2029, 1, 1, 12, tzinfo=UTC)
"""When every month of these tests was over."""


_alive = ExitStack()
"""The locks of runs that live, until `release_runs`."""


def planned(step_id: str, window: MonthWindow = MARCH, *, records: int | None = None) -> int:
    """An execution that this process, whose run lives, is about to begin."""
    run_id = f"import {uuid4()}"
    _alive.enter_context(run_lock(run_id))
    return _plan(run_id, step_id, window, records)


def begun(step_id: str, window: MonthWindow = MARCH) -> int:
    """An execution that has its window, of a run that lives."""
    execution_id = planned(step_id, window)
    hold_window(execution_id, Overlap.refuse, print)
    return execution_id


def release_runs() -> None:
    """Let the runs of `planned` be dead, and their locks free."""
    _alive.close()


def _plan(run_id: str, step_id: str, window: MonthWindow, records: int | None) -> int:
    start, end = (window.start, window.end) if STEPS[step_id].by_month else (None, None)
    (execution_id,) = plan_executions(run_id, [PlannedExecution(step_id, start, end, records)])
    return execution_id


def executed(step_id: str, window: MonthWindow = MARCH, *, records: int | None = None, **columns: Any) -> int:
    """An execution that took a minute, completed unless `columns` say otherwise; `result` is what it answered."""
    execution_id = _plan(f"import {uuid4()}", step_id, window, records)
    end_as(execution_id, **columns)
    return execution_id


def end_as(execution_id: int, *, at: datetime = NOON, result: dict[str, Any] | None = None, **columns: Any) -> None:
    """Let an execution be over."""
    values = {
        "status": ExecutionStatus.COMPLETED,
        "started_at": at,
        "completed_at": at + timedelta(minutes=1),
        "details": {"result": result or {}},
        **columns,
    }
    with tracking_session() as session:
        session.execute(update(SyncExecution).where(col(SyncExecution.id) == execution_id).values(values))


def failed(step_id: str, why: str = "the vendor is down", window: MonthWindow = MARCH) -> int:
    """An execution that failed."""
    return executed(step_id, window, status=ExecutionStatus.FAILED, error_message=why)


@contextmanager
def when_told(act: Callable[[str], None]) -> Iterator[list[str]]:
    """What the accruals say they wait for; each time `act` hears it, in the midst of the wait."""
    waits: list[str] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            message = record.getMessage()
            if "waiting until its import has ended" in message:
                waits.append(message)
                act(message)

    listener = Listener()
    PROGRESS_LOGGER.addHandler(listener)
    try:
        yield waits
    finally:
        PROGRESS_LOGGER.removeHandler(listener)


def sound_import(window: MonthWindow = MARCH) -> None:
    """Each import step of one month or of several completed, and wrote nothing."""
    cells = [(step.id, month) for step in IMPORT_STEPS for month in (window.months() if step.by_month else (None,))]
    shared = {"status": ExecutionStatus.COMPLETED, "started_at": NOON, "completed_at": NOON, "details": {"result": {}}}
    with tracking_session() as session:
        session.execute(
            insert(SyncExecution),
            [
                {
                    "step_name": step_id,
                    "window_start": month.start if month else None,
                    "window_end": month.end if month else None,
                    **shared,
                }
                for step_id, month in cells
            ],
        )
