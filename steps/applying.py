"""The one transaction of a step: its records, its errors and its result, whole or not at all."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlmodel import Session

from steps.errors import ErrorBudgetError
from steps.report import StepReport
from steps.settings import SyncSettings
from tracking.database import write_session
from tracking.recorder import require_window


@contextmanager
def applying(report: StepReport, settings: SyncSettings, execution_id: int | None) -> Iterator[Session]:
    """A ledger transaction in which a step applies its records; what the report holds at its end is written with them.

    When too many records are in trouble nothing of the window is applied, but the errors are written down, in a
    transaction of their own, so that people see which and why.

    Raises:
        ErrorBudgetError: more records are in trouble than `SYNC_ERROR_BUDGET` allows.
    """
    try:
        with write_session() as session:
            yield session
            report.record(session, execution_id)
            report.refuse_if_over(settings.budget)
    except ErrorBudgetError:
        with write_session() as session:
            require_window(session, execution_id)
            report.record_found(session, execution_id)
        raise
