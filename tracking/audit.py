"""Who did what: every act that changes something, and every wrong token, before its effect and with its end."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import update
from sqlmodel import Field, SQLModel, col, select

from tracking.database import read_session, tracking_session
from tracking.history import DEFAULT_LIMIT
from tracking.models import UtcDateTime, utc_now
from tracking.redaction import redact_message

LONGEST_ASKED = 2_000
LONGEST_OUTCOME = 500
BEGUN, DONE, REFUSED = "begun", "done", "refused"
"""How an act stands; of a refused one the reason follows. One that stays `begun` was cut off, or is at work."""


class Door(StrEnum):
    """Where somebody came in."""

    API = "api"
    PAGE = "page"


class AuditEvent(SQLModel, table=True):
    """One act. Only its outcome is ever written again, once; nothing is deleted."""

    __tablename__ = "audit_event"

    id: int | None = Field(default=None, primary_key=True)
    at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime, index=True)
    door: str
    who: str
    """The name of the token; empty: it was a wrong one."""
    role: str = ""
    address: str = ""
    """The client's."""
    action: str
    asked: str = ""
    """In the words that were sent, without secrets and emails."""
    outcome: str = BEGUN


@dataclass(frozen=True)
class AuditFilter:
    """Which acts are wanted; None means any. `since` is included, `until` is not."""

    since: datetime | None = None
    until: datetime | None = None
    who: str | None = None
    older_than: int | None = None
    """Only those with a smaller id."""
    limit: int | None = DEFAULT_LIMIT


def record(event: AuditEvent) -> int:
    """Write an act down before it is done. Returns its id."""
    event.asked = redact_message(event.asked.replace("\0", ""), LONGEST_ASKED, emails=True)
    with tracking_session() as session:
        session.add(event)
        session.flush()
        return event.id or 0


def record_outcome(event_id: int, outcome: str) -> None:
    """Write down what came of it."""
    told = redact_message(outcome.replace("\0", ""), LONGEST_OUTCOME, emails=True)
    with tracking_session() as session:
        session.execute(update(AuditEvent).where(col(AuditEvent.id) == event_id).values(outcome=told))


def audit_trail(wanted: AuditFilter = AuditFilter()) -> Sequence[AuditEvent]:
    """The acts that fit, newest first."""
    found = select(AuditEvent).order_by(col(AuditEvent.id).desc()).limit(wanted.limit)
    if wanted.since is not None:
        found = found.where(col(AuditEvent.at) >= wanted.since)
    if wanted.until is not None:
        found = found.where(col(AuditEvent.at) < wanted.until)
    if wanted.who is not None:
        found = found.where(col(AuditEvent.who) == wanted.who)
    if wanted.older_than is not None:
        found = found.where(col(AuditEvent.id) < wanted.older_than)
    with read_session() as session:
        return session.exec(found).all()
