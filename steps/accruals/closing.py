"""Closing a month, and reopening it: the only ways in which a month is closed or opened (accruals.md, Words)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import select
from sqlmodel import Session, col

from steps.accruals.closing_checks import Blocker, Candidate, find_blockers
from steps.accruals.fingerprint import fingerprint
from steps.accruals.reports.roll_forward import RollForward, roll_forward, to_json
from steps.domain.closed_month import ClosedMonth, ClosingAction, ClosingEvent
from steps.errors import SyncError, UsageError
from tracking.columns import utc_now
from tracking.database import write_session


class ClosingRefusedError(SyncError):
    """A month that cannot be closed, with everything that is in the way."""

    def __init__(self, month: date, blockers: Sequence[Blocker]) -> None:
        self.month, self.blockers = month, tuple(blockers)
        reasons = "; ".join(blocker.message for blocker in blockers)
        super().__init__(f"{month:%Y-%m} cannot be closed: {reasons}")


@dataclass(frozen=True, slots=True)
class Signature:
    """Who asks, and why."""

    who: str
    reason: str = ""


def close_month(candidate: Candidate, by: Signature) -> RollForward:
    """Freeze a month: its roll-forward and the fingerprint of its postings, in one transaction that holds the ledger.

    Returns:
        The roll-forward that was stored.

    Raises:
        ClosingRefusedError: with everything that is in the way; nothing was written.
    """
    month = candidate.month
    with write_session() as session:
        if blockers := find_blockers(session, candidate):
            raise ClosingRefusedError(month, blockers)
        report = roll_forward(session, month, candidate.settings)
        now = utc_now()
        frozen = RollForward(month, closed=True, lines=report.lines)
        session.add(
            ClosedMonth(
                month=month,
                closed_by=by.who,
                closed_at=now,
                reason=by.reason.strip(),
                roll_forward=to_json(frozen),
                postings_hash=fingerprint(session, month),
            )
        )
        _note(session, month, ClosingAction.CLOSED, by)
    return frozen


def reopen_month(month: date, by: Signature) -> list[date]:
    """Open a closed month again, and all closed ones after it: they were built on it. Returns them, ascending.

    Raises:
        UsageError: no reason was given, or the month is not closed.
    """
    if not by.reason.strip():
        raise UsageError("reopening a month needs a reason: it stays in the books")
    with write_session() as session:
        later = select(ClosedMonth).where(col(ClosedMonth.month) >= month).order_by(col(ClosedMonth.month).desc())
        closed = list(session.scalars(later))
        if not closed:
            raise UsageError(f"{month:%Y-%m} is not closed")
        for row in closed:
            _note(session, row.month, ClosingAction.REOPENED, by)
            session.delete(row)
        return sorted(row.month for row in closed)


def _note(session: Session, month: date, action: ClosingAction, by: Signature) -> None:
    session.add(ClosingEvent(month=month, action=action, who=by.who, at=utc_now(), reason=by.reason.strip()))


def closing_trail(session: Session) -> list[ClosingEvent]:
    """Every closing and reopening there ever was, in their order."""
    return list(session.scalars(select(ClosingEvent).order_by(col(ClosingEvent.id))))
