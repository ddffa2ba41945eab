"""Closing and reopening months (docs/accrual-rules.md, Closing): what blocks a close, what it keeps, its hash."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from hashlib import sha256

from sqlalchemy import func, or_, select
from sqlmodel import Session, col

from steps.catalog import ACCRUALS
from steps.errors import SyncError, UsageError
from steps.ledger.accrual import (
    AccruedPeriod,
    ClosedMonth,
    ClosingAction,
    ClosingEvent,
    ContractAccrual,
    last_closed_month,
)
from steps.ledger.contract import Invoice
from steps.ledger.money import ZERO
from steps.ledger.months import last_of_month, next_month
from steps.ledger.movements import counted_amount, from_cents, read_movements, sum_of_cents
from steps.reports.roll_forward import RollForward, roll_forward, to_json
from steps.settings import SyncSettings
from tracking.database import write_session
from tracking.models import ErrorStatus, ExecutionStatus, IntegrationError, SyncExecution, utc_now

_FETCHED_AT_ONCE = 1000


def fingerprint(session: Session, month: date) -> str:
    """SHA-256 over the month's postings in order of contract and period, every column that says something included.

    One line a posting, fields apart by `|`: it can be worked out again anywhere, on either database.
    """
    columns = (
        col(ContractAccrual.contract_id),
        col(AccruedPeriod.service_period_id),
        col(AccruedPeriod.accrued_amount),
        col(AccruedPeriod.accrual_portion),
        col(AccruedPeriod.sessions_accrued),
        col(AccruedPeriod.rule),
    )
    postings = (
        select(*columns)
        .join(ContractAccrual, col(ContractAccrual.id) == AccruedPeriod.contract_accrual_id)
        .where(col(AccruedPeriod.accrual_date) == month)
        # The two databases disagree on where a null sorts; a posting without a period comes first.
        .order_by(columns[0], columns[1].is_not(None), columns[1])
        .execution_options(yield_per=_FETCHED_AT_ONCE)
    )
    digest = sha256()
    for contract, period, *others in session.execute(postings):
        line = "|".join([month.isoformat(), str(contract), str(period or ""), *map(str, others)])
        digest.update(f"{line}\n".encode())
    return digest.hexdigest()


def find_changed_months(session: Session) -> list[date]:
    """Every closed month whose postings were changed since it was closed, ascending; none, if all is well."""
    closed = select(col(ClosedMonth.month), col(ClosedMonth.postings_hash)).order_by(col(ClosedMonth.month))
    return [month for month, stored in session.execute(closed).all() if fingerprint(session, month) != stored]


class BlockerKind(StrEnum):
    """Why a month cannot be closed."""

    ALREADY_CLOSED = "already_closed"
    NOT_OVER = "not_over"
    EARLIER_OPEN = "earlier_open"
    EXECUTION = "execution"
    NOT_ACCRUED = "not_accrued"
    PENDING_ERRORS = "pending_errors"
    CONTRACT_TOTALS = "contract_totals"
    ROLL_FORWARD = "roll_forward"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class Blocker:
    """One reason, in a line for people."""

    kind: BlockerKind
    message: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """A month that somebody wants to close."""

    month: date
    today: date
    """In `SYNC_TIMEZONE`."""
    settings: SyncSettings

    @property
    def last(self) -> date:
        """Its last day."""
        return last_of_month(self.month)


Check = Callable[[Session, Candidate], Iterator[str]]
"""A message for each thing that is in the way."""


def find_blockers(session: Session, candidate: Candidate) -> list[Blocker]:
    """Everything that is in the way; none: the month can be closed."""
    return [Blocker(kind, message) for kind, check in CHECKS.items() for message in check(session, candidate)]


def _already_closed(session: Session, candidate: Candidate) -> Iterator[str]:
    last = last_closed_month(session)
    if last is not None and last >= candidate.month:
        what = "is closed already" if last == candidate.month else f"was closed with {last:%Y-%m}"
        yield f"{candidate.month:%Y-%m} {what}"


def _not_over(_: Session, candidate: Candidate) -> Iterator[str]:
    if candidate.today <= candidate.last:
        yield f"{candidate.month:%Y-%m} is not over: its last day is {candidate.last}"


def _earlier_open(session: Session, candidate: Candidate) -> Iterator[str]:
    """Months without a document or posting need no closing: they are closed with this one."""
    closed = last_closed_month(session)
    movements = read_movements(session, candidate.last, candidate.settings)
    for month in sorted({month for month, _ in movements if month < candidate.month}):
        if closed is None or month > closed:
            yield f"{month:%Y-%m} comes before it and is still open"


def _executions(session: Session, candidate: Candidate) -> Iterator[str]:
    latest = (
        select(func.max(col(SyncExecution.id)))
        .where(col(SyncExecution.window_start) == candidate.month)
        .where(col(SyncExecution.window_end) == next_month(candidate.month))
        .group_by(col(SyncExecution.step_name))
    )
    undone = select(SyncExecution).where(
        col(SyncExecution.id).in_(latest), col(SyncExecution.status) != ExecutionStatus.COMPLETED
    )
    for row in session.scalars(undone.order_by(col(SyncExecution.id))):
        why = f": {row.error_message}" if row.error_message else ""
        yield f"execution {row.id} of {row.step_name} is {row.status}{why}"


def _not_accrued(session: Session, candidate: Candidate) -> Iterator[str]:
    done = select(col(SyncExecution.id)).where(
        col(SyncExecution.step_name) == ACCRUALS.id,
        col(SyncExecution.window_start) == candidate.month,
        col(SyncExecution.status) == ExecutionStatus.COMPLETED,
    )
    if session.scalar(done.limit(1)) is None:
        yield f"the accruals of {candidate.month:%Y-%m} were never completed"


def _pending_errors(session: Session, candidate: Candidate) -> Iterator[str]:
    pending = (
        select(IntegrationError)
        .join(SyncExecution, col(SyncExecution.id) == IntegrationError.sync_execution_id)
        .where(col(IntegrationError.status) == ErrorStatus.PENDING)
        .where(col(SyncExecution.window_start) == candidate.month)
        .order_by(col(IntegrationError.id))
    )
    for error in session.scalars(pending):
        what = f"{error.operation}, {error.entity_type} {error.entity_external_id}: {error.error_message}"
        yield f"integration error {error.id} is pending: {what}"


def _contract_totals(session: Session, candidate: Candidate) -> Iterator[str]:
    """Accrued + remaining = total, and accrued = its postings, for each contract (docs/accrual-rules.md, Promise 1)."""
    accrual, contract = col(ContractAccrual.id), col(ContractAccrual.contract_id)
    postings = sum_of_cents(AccruedPeriod.accrued_amount).label("cents")
    of_accrual = col(AccruedPeriod.contract_accrual_id)
    sums = select(of_accrual, postings).group_by(of_accrual).subquery()
    total = sum_of_cents(ContractAccrual.total_to_accrue)  # of one row: a contract has one state
    accrued = sum_of_cents(ContractAccrual.accrued_amount)
    remaining = sum_of_cents(ContractAccrual.remaining_amount_to_accrue)
    posted = func.coalesce(func.max(sums.c.cents), 0)
    wrong = (
        select(contract, total, accrued, remaining, posted)
        .outerjoin(sums, sums.c.contract_accrual_id == accrual)
        .group_by(contract)
        .having(or_(total != accrued + remaining, accrued != posted))
        .order_by(contract)
    )
    for contract_id, *amounts in session.execute(wrong):
        asked, had, left, posted_sum = map(from_cents, amounts)
        what = f"accrued {had} + remaining {left} against a total of {asked}, and postings of {posted_sum}"
        yield f"contract {contract_id} does not tie out: {what}"
    yield from _never_processed(session, candidate)


def _never_processed(session: Session, candidate: Candidate) -> Iterator[str]:
    contract = col(Invoice.service_contract_id)
    documents = (
        select(contract, sum_of_cents(counted_amount(candidate.settings)))
        .outerjoin(ContractAccrual, col(ContractAccrual.contract_id) == contract)
        .where(col(ContractAccrual.id).is_(None), contract.is_not(None))
        .where(col(Invoice.voided_at).is_(None), col(Invoice.invoice_date) <= candidate.last)
        .group_by(contract)
        .order_by(contract)
    )
    for contract_id, amount in session.execute(documents):
        what = f"{from_cents(amount)} in documents, and the accruals never processed it"
        yield f"contract {contract_id} does not tie out: {what}"


def _roll_forward(session: Session, candidate: Candidate) -> Iterator[str]:
    report = roll_forward(session, candidate.month, candidate.settings)
    for line in report.lines:
        if line.difference != ZERO:
            what = f"{line.difference} {line.currency} between opening and closing"
            yield f"the roll-forward does not tie out: {what}"


def _changed(session: Session, _: Candidate) -> Iterator[str]:
    for month in find_changed_months(session):
        yield f"{month:%Y-%m} was changed behind its back: its postings are not those it was closed with"


CHECKS: dict[BlockerKind, Check] = {
    BlockerKind.ALREADY_CLOSED: _already_closed,
    BlockerKind.NOT_OVER: _not_over,
    BlockerKind.EARLIER_OPEN: _earlier_open,
    BlockerKind.EXECUTION: _executions,
    BlockerKind.NOT_ACCRUED: _not_accrued,
    BlockerKind.PENDING_ERRORS: _pending_errors,
    BlockerKind.CONTRACT_TOTALS: _contract_totals,
    BlockerKind.ROLL_FORWARD: _roll_forward,
    BlockerKind.CHANGED: _changed,
}


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
