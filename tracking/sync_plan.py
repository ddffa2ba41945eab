"""The `sync_plan` table: a plan that a person looked at, to be run exactly as it was or not at all."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import JSON, Column
from sqlmodel import Field, SQLModel, col, select

from tracking.columns import UtcDateTime, utc_now
from tracking.database import read_session, tracking_session


class SyncPlan(SQLModel, table=True):
    """One plan: the cells to run, and what was known of each when it was made."""

    __tablename__ = "sync_plan"

    id: int | None = Field(default=None, primary_key=True)
    span_start: date
    span_end: date
    """Exclusive."""
    cells: list[dict[str, Any]] = Field(sa_column=Column(JSON, nullable=False))
    """Each with `step`, `month` (or null), `state` and `execution_id` (or null), in order."""
    created_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)


def save_plan(plan: SyncPlan) -> int:
    """Keep a plan. Returns its id."""
    with tracking_session() as session:
        session.add(plan)
        session.flush()
        return plan.id or 0


def find_plan(plan_id: int) -> SyncPlan | None:
    """A plan by its id."""
    with read_session() as session:
        return session.exec(select(SyncPlan).where(col(SyncPlan.id) == plan_id)).first()
