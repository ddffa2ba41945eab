"""The `sync_execution` table: one row per step and month window that was planned, whatever became of it."""

from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, Column, Index, text
from sqlmodel import Field, SQLModel

from tracking.columns import UtcDateTime, utc_now


class ExecutionStatus(StrEnum):
    """The four statuses of sync-management.md; a crashed or cancelled execution is `failed` with the reason."""

    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"


OPEN_STATUSES = (ExecutionStatus.PENDING, ExecutionStatus.RUNNING)


def execution_name(step_name: str, window_start: date | None) -> str:
    """The name of a task run: `services`, or `invoices 2024-03` (interfaces.md, Prefect)."""
    return f"{step_name} {window_start:%Y-%m}" if window_start else step_name


class SyncExecution(SQLModel, table=True):
    """One planned or executed (step, window). Times are aware UTC; the window is null for once-per-run steps."""

    __tablename__ = "sync_execution"
    __table_args__ = (
        Index(
            "uq_sync_execution_month_held",
            "step_name",
            "window_start",
            unique=True,
            sqlite_where=text("holds_window"),
            postgresql_where=text("holds_window"),
        ),
        Index(
            "uq_sync_execution_once_held",
            "step_name",
            unique=True,
            sqlite_where=text("holds_window AND window_start IS NULL"),
            postgresql_where=text("holds_window AND window_start IS NULL"),
        ),
        Index("ix_sync_execution_step", "step_name", "id"),
        Index("ix_sync_execution_status", "status", "id"),
        Index("ix_sync_execution_step_status", "step_name", "status", "id"),
        Index("ix_sync_execution_started", "started_at", "id"),
        Index("ix_sync_execution_step_started", "step_name", "started_at", "id"),
        Index("ix_sync_execution_status_started", "status", "started_at", "id"),
        Index("ix_sync_execution_step_status_started", "step_name", "status", "started_at", "id"),
        Index("ix_sync_execution_created", "created_at", "id"),
    )

    id: int | None = Field(default=None, primary_key=True)
    step_name: str
    status: str = ExecutionStatus.PENDING
    window_start: date | None = None
    window_end: date | None = None
    """Exclusive."""
    flow_run_id: str | None = Field(default=None, index=True)
    task_run_id: str | None = Field(default=None, unique=True)
    started_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    completed_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    error_message: str | None = None
    details: dict[str, Any] = Field(default_factory=dict, sa_column=Column("metadata", JSON, nullable=False))
    """Column `metadata` (SQLAlchemy reserves that attribute name): `result`, `attempts`, `error_type`."""
    attempt: int = 1
    """Of the flow run: one that is retried or resumed in Prefect plans anew, under the same id."""
    holds_window: bool = False
    """Whether it has the right to work on its (step, window): at most one execution has (`hold_window`)."""
    records: int | None = None
    """How many records it was limited to, if it retried just some; null: the whole window."""
    created_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)
    updated_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)

    @property
    def name(self) -> str:
        """As the task run is called."""
        return execution_name(self.step_name, self.window_start)

    @property
    def result(self) -> dict[str, Any] | None:
        """What the step answered, once it completed; what is no object (an old row's) stands below `result`."""
        result = self.details.get("result") if isinstance(self.details, dict) else None
        return result if isinstance(result, dict) or result is None else {"result": result}
