"""The tables of tracking, and the column types that every table shares."""

from datetime import UTC, date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, Column, DateTime, Dialect, Index, Numeric, text
from sqlalchemy.dialects.sqlite import DATETIME as SQLITE_DATETIME
from sqlalchemy.types import TypeDecorator, TypeEngine, UserDefinedType
from sqlmodel import Field, SQLModel

from tracking.encryption import EncryptedJson, EncryptedText


class _SqliteNumeric(UserDefinedType[str]):
    """NUMERIC with text bound to it: SQLite keeps up to 15 digits exactly and no binary float is made on the way."""

    cache_ok = True

    def __init__(self, precision: int, scale: int) -> None:
        self.precision, self.scale = precision, scale

    def get_col_spec(self, **_: object) -> str:
        return f"NUMERIC({self.precision}, {self.scale})"


class ExactNumeric(TypeDecorator[Decimal]):
    """`NUMERIC(precision, scale)` that is a `Decimal` on both sides of either database."""

    impl = Numeric
    cache_ok = True

    def __init__(self, precision: int, scale: int) -> None:
        super().__init__(precision, scale)
        self.precision, self.scale = precision, scale
        self._quantum = Decimal(1).scaleb(-scale)

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """SQLite gets text: its driver would make a float of a Decimal."""
        if dialect.name == "sqlite":
            return dialect.type_descriptor(_SqliteNumeric(self.precision, self.scale))
        return dialect.type_descriptor(Numeric(self.precision, self.scale))

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> Any:
        """A Decimal with more digits than the column holds is a programming error, never a silent rounding."""
        if value is None:
            return None
        exact = value.quantize(self._quantum)
        if exact != value:
            raise ValueError(f"{value} has more than {self.scale} decimals")
        return str(exact) if dialect.name == "sqlite" else exact

    def process_result_value(self, value: Any, dialect: Dialect) -> Decimal | None:  # noqa: ARG002
        """The shortest text of SQLite's number is the number that was stored."""
        return None if value is None else Decimal(str(value)).quantize(self._quantum)


def money() -> ExactNumeric:
    """Cents, up to 999,999,999,999.99 (docs/interfaces.md, Tables)."""
    return ExactNumeric(14, 2)


class UtcDateTime(TypeDecorator[datetime]):
    """An aware UTC time. SQLite stores it with its `+00:00`, so that nobody who reads the file has to guess."""

    impl = DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """PostgreSQL has the type; SQLite stores text that sorts by time."""
        if dialect.name == "sqlite":
            return dialect.type_descriptor(
                SQLITE_DATETIME(  # type: ignore[no-untyped-call]
                    storage_format=(
                        "%(year)04d-%(month)02d-%(day)02d %(hour)02d:%(minute)02d:%(second)02d.%(microsecond)06d+00:00"
                    ),
                    regexp=r"(\d+)-(\d+)-(\d+) (\d+):(\d+):(\d+)\.(\d+)",
                )
            )
        return dialect.type_descriptor(DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Naive times are refused: nobody knows which hour they mean."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value} has no time zone")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Whatever session zone the database speaks, what comes out is UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class WrittenJson(TypeDecorator[Any]):
    """A JSON column that is given one line of text which is JSON already, and answers what it says."""

    impl = JSON
    cache_ok = True

    def bind_processor(self, dialect: Dialect) -> None:
        """The text as it is."""


def utc_now() -> datetime:
    """The present moment, aware."""
    return datetime.now(UTC)


class ExecutionStatus(StrEnum):
    """The four statuses (docs/interfaces.md, Tables); a crashed or cancelled execution is `failed` with the reason."""

    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"


OPEN_STATUSES = (ExecutionStatus.PENDING, ExecutionStatus.RUNNING)


def execution_name(step_name: str, window_start: date | None) -> str:
    """The name of a task run: `services`, or `invoices 2024-03` (docs/interfaces.md, Prefect)."""
    return f"{step_name} {window_start:%Y-%m}" if window_start else step_name


def _of_those(which: str) -> dict[str, Any]:
    """A partial index, on either database."""
    return {"sqlite_where": text(which), "postgresql_where": text(which)}


class SyncExecution(SQLModel, table=True):
    """One planned or executed (step, window). Times are aware UTC; the window is null for once-per-run steps."""

    __tablename__ = "sync_execution"
    __table_args__ = (
        Index(
            "uq_sync_execution_month_held",
            "step_name",
            "window_start",
            unique=True,
            **_of_those("holds_window"),
        ),
        Index(
            "uq_sync_execution_once_held",
            "step_name",
            unique=True,
            **_of_those("holds_window AND window_start IS NULL"),
        ),
        Index("ix_sync_execution_step", "step_name", "id"),
        Index("ix_sync_execution_status", "status", "id"),
        Index("ix_sync_execution_step_status", "step_name", "status", "id"),
        Index("ix_sync_execution_started", "started_at", "id"),
        Index("ix_sync_execution_step_started", "step_name", "started_at", "id"),
        Index("ix_sync_execution_status_started", "status", "started_at", "id"),
        Index("ix_sync_execution_step_status_started", "step_name", "status", "started_at", "id"),
        Index("ix_sync_execution_created", "created_at", "id"),
        *(
            Index(f"ix_sync_execution_{name}", "step_name", "window_start", "id", **_of_those(which))
            for name, which in (
                ("month", "records IS NULL"),
                ("month_completed", "records IS NULL AND status = 'completed'"),
                ("month_retried", "records IS NOT NULL AND status = 'completed'"),
            )
        ),
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


class ErrorStatus(StrEnum):
    """`pending` until the cause is corrected (`resolved`) or a person says it does not matter (`ignored`)."""

    PENDING = "pending"
    RESOLVED = "resolved"
    IGNORED = "ignored"


class IntegrationError(SQLModel, table=True):
    """One refused record. The same record with the same trouble keeps its row from run to run."""

    __tablename__ = "integration_error"
    __table_args__ = (
        Index("ix_integration_error_entity", "operation", "entity_type", "entity_external_id"),
        Index("ix_integration_error_status", "status"),
        Index("ix_integration_error_kind", "integration_name", "id"),
        Index("ix_integration_error_fingerprint", "fingerprint"),
    )

    id: int | None = Field(default=None, primary_key=True)
    integration_name: str
    operation: str
    """The step id."""
    entity_type: str
    entity_external_id: str
    error_message: str = Field(sa_type=EncryptedText("integration_error.error_message"))
    error_details: dict[str, Any] = Field(
        default_factory=dict, sa_column=Column(EncryptedJson("integration_error.error_details"), nullable=False)
    )
    """The vendor's own record, without secrets."""
    status: str = ErrorStatus.PENDING
    sync_execution_id: int | None = Field(default=None, foreign_key=f"{SyncExecution.__tablename__}.id", index=True)
    """The execution that met it, when the row last changed."""
    fingerprint: str = ""
    """The same for the same trouble of the same record (`tracking/integration_errors.py`)."""
    first_seen_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)
    last_seen_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)
    """Moves each time it is met; `updated_at` only when something else changed."""
    occurrences: int = 1
    created_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)
    updated_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)


class ErrorDecision(SQLModel, table=True):
    """What a person decided about an integration error; never changed, never deleted. Many at once have one time."""

    __tablename__ = "error_decision"
    __table_args__ = (Index("ix_error_decision_error", "error_id"),)

    id: int | None = Field(default=None, primary_key=True)
    error_id: int = Field(foreign_key=f"{IntegrationError.__tablename__}.id")
    status_before: str
    status: str
    """`pending`: what was decided before is taken back."""
    made_by: str
    reason: str = ""
    made_at: datetime = Field(sa_type=UtcDateTime)
