"""Months that a person closed: nothing is ever posted to them again."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import JSON, Column
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
