"""What a run leaves in Prefect for people to look at: a progress bar while it works, tables when it is done.

None of it is worth failing a run for: when Prefect's API does not take an artifact, that is logged and the run goes on.
"""

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any
from uuid import UUID

from prefect.artifacts import (
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from prefect.logging import get_run_logger

from steps.report import describe_result
from tracking.execution import SyncExecution
from tracking.history import pending_errors_by_kind

WHOLE = 100.0


class ProgressBar:
    """The share of a run's executions that have ended, as a progress artifact."""

    def __init__(self, total: int) -> None:
        self._total, self._done = max(total, 1), 0
        self._artifact: UUID | None = None

    def __enter__(self) -> "ProgressBar":
        self._artifact = leniently(
            lambda: create_progress_artifact(0.0, key="sync-progress", description="Executions that have ended")
        )
        return self

    def advance(self) -> None:
        """One more execution has ended."""
        self._done += 1
        share = WHOLE * self._done / self._total
        if (artifact := self._artifact) is not None:
            # Without an answer no more of them: each would take as long as a request may.
            self._artifact = leniently(lambda: update_progress_artifact(artifact, share))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """An interrupted bar stays where it was."""


def leave_summary(executions: Sequence[SyncExecution]) -> None:
    """The tables of a finished run: each execution with its counts, and the pending errors by kind."""
    leniently(
        lambda: create_table_artifact(
            [execution_row(execution) for execution in executions],
            key="sync-executions",
            description="Every step and month of the run, with its counts and duration",
        )
    )
    ids = [execution.id for execution in executions if execution.id is not None]
    if kinds := pending_errors_by_kind(ids):
        rows = [{"step": kind.operation, "record": kind.entity_type, "pending errors": kind.count} for kind in kinds]
        leniently(
            lambda: create_table_artifact(
                rows,
                key="sync-integration-errors",
                description="Records that could not be applied; see them with `sync-actions errors`",
            )
        )


def execution_row(execution: SyncExecution) -> dict[str, Any]:
    """One execution as people read it."""
    month = f"{execution.window_start:%Y-%m}" if execution.window_start else "-"
    return {
        "step": execution.step_name,
        "month": month,
        "status": execution.status,
        "seconds": _seconds(execution),
        "result": describe_result(execution.result) if execution.result else "-",
        "error": execution.error_message or "",
    }


def _seconds(execution: SyncExecution) -> float | None:
    if execution.started_at is None or execution.completed_at is None:
        return None
    return round((execution.completed_at - execution.started_at).total_seconds(), 2)


def leniently(leave: Callable[[], Any]) -> Any:
    """Leave an artifact, or a line in the log: it is never worth failing a run for."""
    try:
        return leave()
    except Exception as error:  # noqa: BLE001 - whatever Prefect's API answers, the run's work is done
        get_run_logger().warning("Prefect did not take an artifact: %s", error)
        return None
