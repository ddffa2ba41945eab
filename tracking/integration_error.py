"""The `integration_error` table: one row per record that a step could not apply, and why."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Column, Index
from sqlmodel import Field, SQLModel

from tracking.columns import UtcDateTime, utc_now
from tracking.execution import SyncExecution
from tracking.sealed import SealedJson, SealedText


class ErrorStatus(StrEnum):
    """`pending` until the cause is mended (`resolved`) or a person says it does not matter (`ignored`)."""

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
    error_message: str = Field(sa_type=SealedText)
    error_details: dict[str, Any] = Field(default_factory=dict, sa_column=Column(SealedJson, nullable=False))
    """The vendor's own record, without secrets."""
    status: str = ErrorStatus.PENDING
    sync_execution_id: int | None = Field(default=None, foreign_key=f"{SyncExecution.__tablename__}.id", index=True)
    """The execution that met it, when the row last changed."""
    fingerprint: str = ""
    """The same for the same trouble of the same record (`tracking/fingerprint.py`)."""
    first_seen_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)
    last_seen_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)
    """Moves each time it is met; `updated_at` only when something else changed."""
    occurrences: int = 1
    created_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)
    updated_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)
