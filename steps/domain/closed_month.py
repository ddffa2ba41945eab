"""Months that a person closed: nothing is ever posted to them again; and who closed and reopened what, and why."""

from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, Column, Index
from sqlmodel import Field, SQLModel

from tracking.columns import UtcDateTime, utc_now


class ClosedMonth(SQLModel, table=True):
    """One closed month, with the roll-forward and the fingerprint of its postings at that moment."""

    __tablename__ = "closed_month"

    id: int | None = Field(default=None, primary_key=True)
    month: date = Field(unique=True)
    closed_by: str
    closed_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)
    reason: str = ""
    roll_forward: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    postings_hash: str
    """SHA-256 of the month's postings in a fixed order."""


class ClosingAction(StrEnum):
    """What a person did to a month."""

    CLOSED = "closed"
    REOPENED = "reopened"


class ClosingEvent(SQLModel, table=True):
    """The audit trail: one row for each month each time it was closed or reopened; never changed, never deleted."""

    __tablename__ = "closing_event"
    __table_args__ = (Index("ix_closing_event_month", "month"),)

    id: int | None = Field(default=None, primary_key=True)
    month: date
    action: str
    who: str
    at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)
    reason: str = ""
