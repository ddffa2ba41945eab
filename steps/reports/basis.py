"""What every report says besides its figures: as of when, which months are closed, by which policy."""

from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import select
from sqlmodel import Session, col

from steps.ledger.accrual import AccruedPeriod, ClosingEvent, last_closed_month
from steps.settings import SyncSettings
from tracking.models import ExecutionStatus, SyncExecution


@dataclass(frozen=True, slots=True)
class Basis:
    """The state of the ledger that a report was made from."""

    as_of: datetime | None
    """When the ledger was last written to: a step that completed, a closing, an adjustment; in `SYNC_TIMEZONE`."""
    closed_to: date | None
    """The last closed month; it is closed with all before it."""
    policy: dict[str, str]
    """`SyncSettings.policy`."""

    @property
    def lines(self) -> tuple[str, ...]:
        """For people, a line each."""
        moment = "nothing was recorded yet" if self.as_of is None else f"{self.as_of:%Y-%m-%d %H:%M %Z}"
        closed = "no month" if self.closed_to is None else f"{self.closed_to:%Y-%m} and all before it"
        policy = ", ".join(f"{name.removeprefix('SYNC_')}={value or 'none'}" for name, value in self.policy.items())
        return f"As of: {moment}", f"Closed: {closed}", f"Policy: {policy}"


def read_basis(session: Session, settings: SyncSettings) -> Basis:
    """The basis of whatever is read in the same session."""
    completed = select(col(SyncExecution.completed_at)).where(col(SyncExecution.status) == ExecutionStatus.COMPLETED)
    moments = [
        session.scalar(completed.order_by(col(SyncExecution.id).desc()).limit(1)),
        session.scalar(select(col(ClosingEvent.at)).order_by(col(ClosingEvent.id).desc()).limit(1)),
        session.scalar(
            select(col(AccruedPeriod.made_at))
            .where(col(AccruedPeriod.adjustment) > 0)
            .order_by(col(AccruedPeriod.id).desc())
            .limit(1)
        ),
    ]
    last = max((moment for moment in moments if moment), default=None)
    return Basis(last and last.astimezone(settings.zone), last_closed_month(session), settings.policy)
