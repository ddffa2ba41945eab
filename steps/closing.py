"""Closing and reopening months (docs/accrual-rules.md, Closing): what blocks a close, what it keeps, its proof."""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from hashlib import sha256
from importlib.metadata import version
from typing import Any

from sqlalchemy import func, or_, select
from sqlmodel import Session, col

from steps.catalog import ACCRUALS
from steps.engine.post import FIRST_MONTH
from steps.errors import SyncError, UsageError
from steps.ledger.accrual import (
    AccruedPeriod,
    ClosedMonth,
    ClosingAction,
    ClosingEvent,
    ContractAccrual,
    changed_policy,
    last_closed_month,
    policy_differences,
)
from steps.ledger.contract import Invoice
from steps.ledger.money import ZERO
from steps.ledger.months import last_of_month, next_month
from steps.ledger.movements import counted_amount, from_cents, read_movements, sum_of_cents
from steps.reports.groups import services_to_json
from steps.reports.roll_forward import RollForward, roll_forward, to_json
from steps.results import RecordedResult
from steps.settings import SyncSettings
from tracking.database import write_session
from tracking.models import ErrorStatus, ExecutionStatus, IntegrationError, SyncExecution, utc_now

_FETCHED_AT_ONCE = 1000


def fingerprint(session: Session, month: date, *, with_currency: bool = True) -> str:
    """SHA-256 over the month's postings in order of contract and period, every column that says something included.

    One line a posting, fields apart by `|`: it can be worked out again anywhere, on either database. Closes without a
    hash of their own were made when a posting had no currency.
    """
    columns = (
        col(ContractAccrual.contract_id),
        col(AccruedPeriod.service_period_id),
        col(AccruedPeriod.accrued_amount),
        *([col(AccruedPeriod.currency)] if with_currency else []),
        col(AccruedPeriod.accrual_portion),
        col(AccruedPeriod.sessions_accrued),
        col(AccruedPeriod.rule),
    )
    postings = (
        select(*columns)
        .join(ContractAccrual, col(ContractAccrual.id) == AccruedPeriod.contract_accrual_id)
        .where(col(AccruedPeriod.accrual_date) == month)
        # The two databases disagree on where a null sorts; a posting without a period comes first.
        .order_by(columns[0], columns[1].is_not(None), columns[1], col(AccruedPeriod.id))
        .execution_options(yield_per=_FETCHED_AT_ONCE)
    )
    digest = sha256()
    for contract, period, *others in session.execute(postings):
        line = "|".join([month.isoformat(), str(contract), str(period or ""), *map(str, others)])
        digest.update(f"{line}\n".encode())
    return digest.hexdigest()


def _digest(value: Any) -> str:
    """SHA-256 of a JSON value in its one canonical form: keys sorted, no blanks, everything beyond ASCII escaped."""
    return sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _proof(session: Session, close: ClosedMonth, previous: str) -> dict[str, str]:
    """What the hash of a close is made of, worked out from what is there now; the hash is the digest of this.

    `previous` is the hash of the close before it; empty for the first.
    """
    return {
        "month": close.month.isoformat(),
        "previous": previous,
        "postings": fingerprint(session, close.month),
        "roll_forward": _digest(close.roll_forward),
        "policy": _digest(close.policy),
        "version": close.version,
    }


_PARTS = {
    "month": "its month is",
    "previous": "the close before it is",
    "postings": "its postings are",
    "roll_forward": "its roll-forward is",
    "policy": "its policy is",
    "version": "the program's version is",
}


@dataclass(frozen=True, slots=True)
class Difference:
    """The first close that is not what it was made as."""

    month: date
    how: str


@dataclass(frozen=True, slots=True)
class Verification:
    """All closes, worked out again."""

    closes: tuple[ClosedMonth, ...]
    """Ascending."""
    difference: Difference | None
    """None: each is as it was made, and the trail says the same."""


def verify(session: Session) -> Verification:
    """Work out every close again from the ledger, in order, each on the hash of the one before it.

    The trail keeps the hash of each close too, so that one that was removed, put in or worked out anew contradicts it.
    What was changed together with the trail is found only by a hash that was kept elsewhere (`find_close`).
    """
    closes = tuple(session.scalars(select(ClosedMonth).order_by(col(ClosedMonth.month))))
    by_month = {close.month: close for close in closes}
    last_event = {event.month: event for event in closing_trail(session)}
    previous = ""
    for month in sorted(by_month.keys() | last_event.keys()):
        close, event = by_month.get(month), last_event.get(month)
        if how := _contradiction(close, event) or (_changed_part(session, close, previous) if close else None):
            return Verification(closes, Difference(month, how))
        if close is not None:
            previous = close.hash or close.postings_hash
    return Verification(closes, None)


def verification_json(found: Verification) -> dict[str, Any]:
    """As command line and API answer it."""
    shown = ("hash", "closed_by", "reason", "policy", "version")
    closes = [
        {"month": f"{close.month:%Y-%m}", "closed_at": close.closed_at.isoformat()}
        | {name: getattr(close, name) for name in shown}
        for close in found.closes
    ]
    how = found.difference and {"month": f"{found.difference.month:%Y-%m}", "how": found.difference.how}
    return {"verified": how is None, "difference": how, "closes": closes}


def _contradiction(close: ClosedMonth | None, event: ClosingEvent | None) -> str | None:
    """What the last event of a month says against its close, or its absence."""
    if event is None:
        return "it is closed, but the trail has no closing of it"
    signed = f"{event.who} on {event.at:%Y-%m-%d}"
    if close is None:
        removed = event.action == ClosingAction.CLOSED
        return f"its close was removed: {signed} closed it, and nobody reopened it" if removed else None
    if event.action != ClosingAction.CLOSED:
        return f"it is closed, but {signed} reopened it"
    if close.hash != event.hash:
        return f"its hash is {close.hash or 'none'}, the trail of closings has {event.hash or 'none'}"
    return None


def _changed_part(session: Session, close: ClosedMonth, previous: str) -> str | None:
    """Which part is not what the close was made with."""
    if not close.hash:
        same = fingerprint(session, close.month, with_currency=False) == close.postings_hash
        return None if same else _how(session, close, "postings")
    found = _proof(session, close, previous)
    changed = next((part for part, digest in found.items() if digest != close.proof.get(part)), None)
    if changed is None and found["postings"] != close.postings_hash:
        changed = "postings"
    if changed is not None:
        return _how(session, close, changed)
    return None if _digest(found) == close.hash else f"its hash is {close.hash}, and {_digest(found)} when worked out"


def _how(session: Session, close: ClosedMonth, part: str) -> str:
    said = f"{_PARTS[part]} not what it was closed with"
    if part not in ("postings", "roll_forward"):
        return said
    currency, amount = col(AccruedPeriod.currency), sum_of_cents(AccruedPeriod.accrued_amount)
    posted = select(currency, amount).where(col(AccruedPeriod.accrual_date) == close.month).group_by(currency)
    now = ", ".join(f"{from_cents(cents)} {of}" for of, cents in session.execute(posted.order_by(currency)))
    lines = close.roll_forward.get("currencies", [])
    stored = ", ".join(f"{line.get('accrued')} {line.get('currency')}" for line in lines)
    return f"{said} (posted are {now or 'none'}, its roll-forward says {stored or 'none'})"


def find_close(session: Session, verification: Verification, kept: str) -> str:
    """What became of the close whose hash somebody kept elsewhere, in a line that names the month.

    Raises:
        UsageError: it is not the form of a hash.
        SyncError: no close that stands has it.
    """
    wanted = kept.strip().lower()
    if not re.fullmatch(r"[0-9a-f]{64}", wanted):
        raise UsageError(f"--expect {kept!r} is no hash of a close: 64 hexadecimal digits are expected")
    for close in verification.closes:
        if close.hash == wanted:
            return f"The hash expected is that of {close.month:%Y-%m}, which {close.closed_by} closed."
    for event in reversed(closing_trail(session)):
        if event.hash == wanted:
            raise SyncError(f"{wanted} was the hash of {event.month:%Y-%m}: {event.who} {event.action} it since")
    raise SyncError(f"no close has the hash {wanted}: what was closed with it was removed or changed")


class BlockerKind(StrEnum):
    """Why a month cannot be closed."""

    ALREADY_CLOSED = "already_closed"
    NOT_OVER = "not_over"
    EARLIER_OPEN = "earlier_open"
    EXECUTION = "execution"
    NOT_ACCRUED = "not_accrued"
    PENDING_ERRORS = "pending_errors"
    CONTRACT_FAILURE = "contract_failure"
    POLICY = "policy"
    CONTRACT_TOTALS = "contract_totals"
    ROLL_FORWARD = "roll_forward"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class Blocker:
    """One reason, in a line for people, and what it is about."""

    kind: BlockerKind
    message: str
    month: date | None = None
    contract_id: int | None = None
    error_id: int | None = None
    execution_id: int | None = None


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


def find_blockers(session: Session, candidate: Candidate) -> list[Blocker]:
    """Everything that is in the way; none: the month can be closed."""
    return [blocker for check in _CHECKS for blocker in check(session, candidate)]


def _already_closed(session: Session, candidate: Candidate) -> Iterator[Blocker]:
    last = last_closed_month(session)
    if last is not None and last >= candidate.month:
        what = "is closed already" if last == candidate.month else f"was closed with {last:%Y-%m}"
        yield Blocker(BlockerKind.ALREADY_CLOSED, f"{candidate.month:%Y-%m} {what}", month=candidate.month)


def _not_over(_: Session, candidate: Candidate) -> Iterator[Blocker]:
    if candidate.today <= candidate.last:
        yield Blocker(
            BlockerKind.NOT_OVER,
            f"{candidate.month:%Y-%m} is not over: its last day is {candidate.last}",
            month=candidate.month,
        )


def _earlier_open(session: Session, candidate: Candidate) -> Iterator[Blocker]:
    """Months without a document or posting need no closing: they are closed with this one."""
    closed = last_closed_month(session)
    movements = read_movements(session, candidate.last, candidate.settings)
    for month in sorted({month for month, _ in movements if month < candidate.month}):
        if closed is None or month > closed:
            yield Blocker(BlockerKind.EARLIER_OPEN, f"{month:%Y-%m} comes before it and is still open", month=month)


def _executions(session: Session, candidate: Candidate) -> Iterator[Blocker]:
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
        yield Blocker(
            BlockerKind.EXECUTION, f"execution {row.id} of {row.step_name} is {row.status}{why}", execution_id=row.id
        )


def _last_run(session: Session, month: date) -> SyncExecution | None:
    """The accruals of a month that completed last."""
    done = select(SyncExecution).where(
        col(SyncExecution.step_name) == ACCRUALS.id,
        col(SyncExecution.window_start) == month,
        col(SyncExecution.status) == ExecutionStatus.COMPLETED,
    )
    return session.scalar(done.order_by(col(SyncExecution.id).desc()).limit(1))


def _not_accrued(session: Session, candidate: Candidate) -> Iterator[Blocker]:
    if _last_run(session, candidate.month) is None:
        yield Blocker(
            BlockerKind.NOT_ACCRUED,
            f"the accruals of {candidate.month:%Y-%m} were never completed",
            month=candidate.month,
        )


def _pending_errors(session: Session, candidate: Candidate) -> Iterator[Blocker]:
    """Of the month's executions; and contracts that the accruals could not process in this or an earlier month."""
    month, window_start = candidate.month, col(SyncExecution.window_start)
    of_accruals = col(IntegrationError.operation) == ACCRUALS.id
    pending = (
        select(IntegrationError, window_start)
        .outerjoin(SyncExecution, col(SyncExecution.id) == IntegrationError.sync_execution_id)
        .where(col(IntegrationError.status) == ErrorStatus.PENDING, or_(window_start == month, of_accruals))
        .order_by(col(IntegrationError.id))
    )
    for error, met_in in session.execute(pending):
        first = (error.error_details or {}).get(FIRST_MONTH) or str(met_in or "")
        if first <= month.isoformat():
            record, why = f"{error.entity_type} {error.entity_external_id}", error.error_message
            what = f"{error.operation}, {why if why.startswith(record) else f'{record}: {why}'}"
            yield Blocker(
                BlockerKind.PENDING_ERRORS, f"integration error {error.id} is pending: {what}", error_id=error.id
            )


def _failed_contracts(session: Session, candidate: Candidate) -> Iterator[Blocker]:
    """Those of the month's last run, whatever became of their integration errors."""
    run = _last_run(session, candidate.month)
    failures = (run.result or {}).get("failures") if run else None
    for failure in failures if isinstance(failures, list) else ():
        what = f"contract {failure['contract_id']} was not accrued: {failure['reason']}"
        yield Blocker(
            BlockerKind.CONTRACT_FAILURE,
            f"{what} (execution {run.id if run else ''})",
            contract_id=failure["contract_id"],
        )


def _policy(session: Session, candidate: Candidate) -> Iterator[Blocker]:
    """A close freezes the policy that its month was accrued with; only an override of that run changed it."""
    run = _last_run(session, candidate.month)
    result = RecordedResult(run.result if run else None)
    accrued_with = result.as_json().get("policy")
    month, policy = candidate.month, candidate.settings.policy
    if isinstance(accrued_with, dict) and (differences := policy_differences(policy, accrued_with)):
        yield Blocker(
            BlockerKind.POLICY,
            f"{' and '.join(differences)} when {month:%Y-%m} was accrued: set it back, or accrue it again",
            month=candidate.month,
        )
    elif run is not None and result.override is None and (change := changed_policy(session, month, policy)):
        yield Blocker(
            BlockerKind.POLICY,
            f'{change}: set it back, or accrue {month:%Y-%m} with --override "REASON"',
            month=candidate.month,
        )


def _contract_totals(session: Session, candidate: Candidate) -> Iterator[Blocker]:
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
        yield Blocker(
            BlockerKind.CONTRACT_TOTALS, f"contract {contract_id} does not tie out: {what}", contract_id=contract_id
        )
    yield from _never_processed(session, candidate)


def _never_processed(session: Session, candidate: Candidate) -> Iterator[Blocker]:
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
        yield Blocker(
            BlockerKind.CONTRACT_TOTALS, f"contract {contract_id} does not tie out: {what}", contract_id=contract_id
        )


def _roll_forward(session: Session, candidate: Candidate) -> Iterator[Blocker]:
    report = roll_forward(session, candidate.month, candidate.settings)
    for line in report.lines:
        if line.difference != ZERO:
            what = f"{line.difference} {line.currency} between opening and closing"
            yield Blocker(BlockerKind.ROLL_FORWARD, f"the roll-forward does not tie out: {what}", month=candidate.month)


def _changed(session: Session, _: Candidate) -> Iterator[Blocker]:
    if changed := verify(session).difference:
        yield Blocker(
            BlockerKind.CHANGED,
            f"{changed.month:%Y-%m} was changed after it was closed: {changed.how}",
            month=changed.month,
        )


_CHECKS: tuple[Callable[[Session, Candidate], Iterator[Blocker]], ...] = (
    _already_closed,
    _not_over,
    _earlier_open,
    _executions,
    _not_accrued,
    _pending_errors,
    _failed_contracts,
    _policy,
    _contract_totals,
    _roll_forward,
    _changed,
)


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


@dataclass(frozen=True, slots=True)
class Close:
    """What a close stored."""

    roll_forward: RollForward
    hash: str
    """To be kept elsewhere: whoever changes the ledger can change what is kept in it."""


def close_month(candidate: Candidate, by: Signature) -> Close:
    """Freeze a month: its roll-forward, policy and a hash over its postings, these and the close before it.

    In one transaction that holds the ledger.

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
        close = ClosedMonth(
            month=month,
            closed_by=by.who,
            closed_at=now,
            reason=by.reason.strip(),
            roll_forward=to_json(frozen) | services_to_json(session, month, candidate.settings),
            postings_hash=fingerprint(session, month),
            policy=candidate.settings.policy,
            version=version("sync-management"),
        )
        before = select(ClosedMonth).where(col(ClosedMonth.month) < month).order_by(col(ClosedMonth.month).desc())
        last = session.scalars(before.limit(1)).first()
        close.proof = _proof(session, close, (last.hash or last.postings_hash) if last else "")
        close.hash = _digest(close.proof)
        session.add(close)
        _note(session, close, ClosingAction.CLOSED, by)
        return Close(frozen, close.hash)


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
            _note(session, row, ClosingAction.REOPENED, by)
            session.delete(row)
        return sorted(row.month for row in closed)


def _note(session: Session, close: ClosedMonth, action: ClosingAction, by: Signature) -> None:
    noted = ClosingEvent(month=close.month, action=action, who=by.who, reason=by.reason.strip(), hash=close.hash)
    session.add(noted)


def closing_trail(session: Session) -> list[ClosingEvent]:
    """Every closing and reopening there ever was, in their order."""
    return list(session.scalars(select(ClosingEvent).order_by(col(ClosingEvent.id))))


def trail_json(session: Session) -> list[dict[str, str]]:
    """The same as JSON: month, at (UTC), action, who, reason, hash."""
    return [
        {
            "month": f"{event.month:%Y-%m}",
            "at": event.at.isoformat(),
            "action": event.action,
            "who": event.who,
            "reason": event.reason,
            "hash": event.hash,
        }
        for event in closing_trail(session)
    ]
