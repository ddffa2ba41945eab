"""No two runs at the same (step, window): whoever holds the claim works, the others wait or are refused.

A claim is the column `holds_window` of a running execution; a partial unique index of the database lets one execution
of a (step, window) have it, across processes and machines. It ends with the execution. A dead owner's execution is
ended by whoever comes next, so that its claim is free at once.

A claim is also a fence: a ledger transaction of somebody whose execution was ended meanwhile (a laptop that slept, a
machine that was cut off) does not commit.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from time import sleep

from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, select

from tracking.database import before_commit, read_session, tracking_statement
from tracking.execution import SyncExecution
from tracking.lease import describe_owner
from tracking.recorder import PROVED, claimed_at_start
from tracking.repair import end_dead_executions
from tracking.statements import change

_POLL_SECONDS = 0.5


class Overlap(StrEnum):
    """What a run does about a window that another one is working on."""

    wait = "wait"
    refuse = "refuse"


class WindowBusyError(Exception):
    """Another run works on the window; the message names it."""


class ClaimLostError(Exception):
    """The execution was ended from outside while it worked; nothing of it may be committed."""


@dataclass(frozen=True)
class Holder:
    """Who has a window."""

    execution_id: int
    flow_run_id: str | None
    owner: str | None

    def __str__(self) -> str:
        return f"run {self.flow_run_id or 'unknown'} ({describe_owner(self.owner)}, execution {self.execution_id})"


@contextmanager
def claimed(execution_id: int | None, overlap: Overlap, tell: Callable[[str], None]) -> Iterator[None]:
    """Hold the execution's (step, window) inside the block; ledger transactions in it are fenced.

    Args:
        execution_id: A running execution; None (a step called by itself) claims nothing.
        overlap: Wait for whoever holds it, however long that one lives, or be refused.
        tell: Hears once whom is waited for.

    Raises:
        WindowBusyError: it is held, and `overlap` says refuse.
        ClaimLostError: the execution was ended while it waited or worked.
    """
    if execution_id is None:
        yield
        return
    if claimed_at_start.get() != execution_id:
        _claim(execution_id, overlap, tell)
    with before_commit(lambda session: _prove(session, execution_id)):
        yield


def _claim(execution_id: int, overlap: Overlap, tell: Callable[[str], None]) -> None:
    told: Holder | None = None
    while not _try_to_claim(execution_id):
        holder = _holder_of_window(execution_id)
        if holder is None or holder.execution_id == execution_id:
            continue
        if overlap is Overlap.refuse:
            raise WindowBusyError(f"refused: {holder} is working on it; run again when that has ended, or wait for it")
        if holder != told:
            tell(f"waiting for {holder}")
            told = holder
        sleep(_POLL_SECONDS)
        end_dead_executions()


def _try_to_claim(execution_id: int) -> bool:
    """One conditional update; a unique index refuses it while somebody else has the window."""
    try:
        with tracking_statement() as connection:
            if change(connection, "claim", id_=execution_id):
                return True
    except IntegrityError:
        end_dead_executions()
        return False
    raise ClaimLostError("the execution was ended from outside before it began")


def _holder_of_window(execution_id: int) -> Holder | None:
    with read_session() as session:
        mine = session.get_one(SyncExecution, execution_id)
        same_window = (
            col(SyncExecution.window_start).is_(None)
            if mine.window_start is None
            else col(SyncExecution.window_start) == mine.window_start
        )
        query = select(SyncExecution).where(
            col(SyncExecution.step_name) == mine.step_name, same_window, col(SyncExecution.holds_window)
        )
        row = session.exec(query).first()
        return None if row is None or row.id is None else Holder(row.id, row.flow_run_id, row.owner)


def _prove(session: Session, execution_id: int) -> None:
    """The fence: in the very transaction that is about to commit, the claim is still ours."""
    if session.info.get(PROVED) != execution_id and not change(session.connection(), "prove", id_=execution_id):
        raise ClaimLostError("the execution was ended from outside while it worked: nothing of it was committed")
