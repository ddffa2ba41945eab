"""What a run leaves in Prefect for people to look at: progress while it works, tables and charts when it is done."""

from base64 import b64encode
from collections.abc import Callable, Sequence
from datetime import date
from functools import partial
from typing import Any
from uuid import UUID

from prefect.artifacts import (
    create_image_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from prefect.logging import get_run_logger

from steps.ledger.months import MonthWindow
from steps.reports.roll_forward import RollForwardChain, draw_roll_forward, roll_forwards
from steps.results import RecordedResult
from steps.settings import SyncSettings
from tracking.database import read_session
from tracking.history import pending_errors_by_kind
from tracking.models import SyncExecution


class ProgressBar:
    """The share of a run's executions that have ended, as a progress artifact."""

    def __init__(self, total: int) -> None:
        self._total, self._done = max(total, 1), 0
        self._artifact: UUID | None = best_effort(
            lambda: create_progress_artifact(0.0, key="sync-progress", description="Executions that have ended")
        )

    def advance(self) -> None:
        """One more execution has ended."""
        self._done += 1
        share = 100.0 * self._done / self._total
        if (artifact := self._artifact) is not None:
            # Without an answer no more of them: each would take as long as a request may.
            self._artifact = best_effort(lambda: update_progress_artifact(artifact, share))


def leave_summary(executions: Sequence[SyncExecution]) -> None:
    """The tables of a finished run: each execution with its counts, and the pending errors by kind."""
    best_effort(
        lambda: create_table_artifact(
            [execution_row(execution) for execution in executions],
            key="sync-executions",
            description="Every step and month of the run, with its counts and duration",
        )
    )
    ids = [execution.id for execution in executions if execution.id is not None]
    if kinds := pending_errors_by_kind(ids):
        rows = [{"step": kind.operation, "record": kind.entity_type, "pending errors": kind.count} for kind in kinds]
        best_effort(
            lambda: create_table_artifact(
                rows,
                key="sync-integration-errors",
                description="Records that could not be applied; see them with `sync-actions errors`",
            )
        )


def execution_row(execution: SyncExecution) -> dict[str, Any]:
    """One execution as people read it."""
    started, ended = execution.started_at, execution.completed_at
    return {
        "step": execution.step_name,
        "month": f"{execution.window_start:%Y-%m}" if execution.window_start else "-",
        "status": execution.status,
        "seconds": round((ended - started).total_seconds(), 2) if started and ended else None,
        "result": RecordedResult(execution.result).line if execution.result else "-",
        "error": execution.error_message or "",
    }


def best_effort(leave: Callable[[], Any]) -> Any:
    """Leave an artifact or an event, or a line in the log: it is never worth failing a run for."""
    try:
        return leave()
    except Exception as error:  # noqa: BLE001 - whatever Prefect's API answers, the run's work is done
        get_run_logger().warning("Prefect did not take an artifact or an event: %s", error)
        return None


def leave_accrual_pictures(span: MonthWindow, settings: SyncSettings) -> None:
    """Draw the years that the run touched, up to its last month: a single month alone shows nothing."""
    window = MonthWindow(date(span.start.year, 1, 1), span.end)
    with read_session() as session:
        report = roll_forwards(session, window, settings)
    for currency in filter(report.moves, report.currencies):
        best_effort(partial(_leave, report, currency))


def _leave(report: RollForwardChain, currency: str) -> None:
    picture = b64encode(draw_roll_forward(report, currency)).decode()
    create_image_artifact(
        image_url=f"data:image/png;base64,{picture}",
        key=f"sync-accruals-{currency.lower()}",
        description=f"Accrued and deferred revenue, {report.window}, in {currency}",
    )
