"""The `idempotency_key` table: which run answers a request that may be sent twice.

Only the run is kept, not its answer: what became of a run is read from its executions, the same each time, also when
the process that answered first is long gone.
"""

from datetime import datetime, timedelta

from sqlalchemy import delete
from sqlalchemy.exc import IntegrityError
from sqlmodel import Field, Session, SQLModel, col

from tracking.database import tracking_session
from tracking.models import UtcDateTime, utc_now

KEPT = timedelta(days=7)
"""Nobody repeats a request later than that."""
_STARTING = timedelta(minutes=1)
"""Nobody needs longer to start a run: after that the process that took the key is dead."""
_BUSY = "the first request with this Idempotency-Key is just being started"


class IdempotencyKey(SQLModel, table=True):
    """One key that a client chose."""

    __tablename__ = "idempotency_key"

    key: str = Field(primary_key=True)
    request: str
    """A hash of what was asked: a key is for one request."""
    flow_run_id: str | None = None
    """None until the run has begun."""
    created_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime, index=True)


class KeyReusedError(Exception):
    """The key was used for another request."""


class KeyBusyError(Exception):
    """The first request with this key is just being started by somebody else."""


def claim_key(key: str, request: str) -> str | None:
    """Take a key for a request.

    Returns:
        The run that answers it already; None when the caller is the first and is to start one.

    Raises:
        KeyReusedError: it stands for another request.
        KeyBusyError: somebody is about to start its run.
    """
    try:
        with tracking_session() as session:
            now = utc_now()
            session.execute(delete(IdempotencyKey).where(col(IdempotencyKey.created_at) < now - KEPT))
            row = session.get(IdempotencyKey, key, with_for_update=True)
            if row is not None:
                return _known(session, row, request, now)
            session.add(IdempotencyKey(key=key, request=request, created_at=now))
    except IntegrityError:  # somebody else's row came between
        raise KeyBusyError(_BUSY) from None
    return None


def _known(session: Session, row: IdempotencyKey, request: str, now: datetime) -> str | None:
    if row.request != request:
        raise KeyReusedError("this Idempotency-Key was used for another request: choose a new one")
    if row.flow_run_id is None and now - row.created_at > _STARTING:
        row.created_at = now
        session.add(row)
        return None
    if row.flow_run_id is None:
        raise KeyBusyError(_BUSY)
    return row.flow_run_id


def keep_run(key: str, flow_run_id: str) -> None:
    """The key's run has begun."""
    with tracking_session() as session:
        row = session.get_one(IdempotencyKey, key)
        row.flow_run_id = flow_run_id
        session.add(row)


def release_key(key: str) -> None:
    """No run could be started: the key is free for another try."""
    with tracking_session() as session:
        session.execute(delete(IdempotencyKey).where(col(IdempotencyKey.key) == key))
