"""Redo: an open month is processed again, with every later one (docs/accrual-rules.md, The way back).

Everything happens in one transaction: the postings of these months are set aside, each contract is put back to the end
of the month before, and the months are processed by the same code as ever. A preview does the same and keeps nothing of
it. What a redo changed can be read again later: what was set aside stays (`read_redone`).

What a posting cannot tell, the transitions do (`AccrualTransition`): whether a contract was completed, and its status.
Adjustments are a person's, and no redo makes them again: they stay, and each is applied before its month is processed.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple

from sqlalchemy import Select, case, delete, func, insert, literal, or_, select, update
from sqlmodel import Session, col

from steps.accruals import MonthResult, post_month
from steps.catalog import ACCRUALS
from steps.closing import Signature
from steps.context import StepContext
from steps.corrections import Adjusted, Adjustment, bring_up_to_date
from steps.engine.decision_table import TABLE
from steps.engine.gate import ImportRunningError, require_none_running, wait_for_import
from steps.errors import UsageError
from steps.ledger.accrual import (
    ADJUSTMENT,
    AccrualStatus,
    AccrualTransition,
    AccruedPeriod,
    ContractAccrual,
    Redo,
    SetAsidePosting,
    last_closed_month,
)
from steps.ledger.contract import ContractStatus, Invoice, ServiceContract
from steps.ledger.money import ZERO
from steps.ledger.months import MonthWindow, last_of_month
from steps.ledger.movements import counted_amount, from_cents, sum_of_cents
from steps.ledger.upsert import Row, chunks, table_of, write_many
from steps.reports.monthly import ContractName, contract_names
from tracking.database import read_session, scratch_session, write_session
from tracking.models import ExecutionStatus, SyncExecution
from tracking.recorder import Overlap, WindowBusyError, hold_window, record_result

POSTING = table_of(AccruedPeriod).c
STATE = table_of(ContractAccrual).c
TRANSITION = table_of(AccrualTransition).c
CONTRACT_TABLE = table_of(ServiceContract)
CONTRACT = CONTRACT_TABLE.c
_BY_TABLE = POSTING.rule != ADJUSTMENT
_CONDITIONS = {rule.name: f"{rule.name.replace('-', ' ')} ({rule.condition})" for rule in TABLE}


@dataclass(frozen=True, slots=True)
class RedoneMonth:
    """What a contract has in a month by the decision table, before and after."""

    month: date
    old: Decimal
    new: Decimal


@dataclass(frozen=True, slots=True)
class RedoneContract:
    """A contract that comes out differently; its amounts are of all the months together."""

    contract: ContractName
    currency: str
    old: Decimal
    new: Decimal
    difference: Decimal
    """New less old."""
    months: tuple[RedoneMonth, ...]
    """Those that differ."""
    why: str


@dataclass(frozen=True, slots=True)
class RedoneTotal:
    """All contracts of a currency, those that come out the same too."""

    currency: str
    old: Decimal
    new: Decimal
    difference: Decimal


@dataclass(frozen=True, slots=True)
class Redone:
    """What a redo did, or would do."""

    month: date
    months: tuple[date, ...]
    """Those that are processed again, ascending."""
    contracts: tuple[RedoneContract, ...]
    """In order of client."""
    totals: tuple[RedoneTotal, ...]
    redo_id: int | None
    """None: a preview."""

    @property
    def line(self) -> str:
        """What comes of it, for people."""
        months = ", ".join(f"{each:%Y-%m}" for each in self.months)
        totals = (
            f"{each.old:,.2f} {each.currency} become {each.new:,.2f}"
            if each.difference
            else f"{each.new:,.2f} {each.currency} as before"
            for each in self.totals
        )
        return "; ".join([f"{months} processed again: {self.outcome}", *totals])

    @property
    def outcome(self) -> str:
        """How many contracts come out differently, in a few words."""
        count = len(self.contracts)
        return f"{count} contract{'s differ' if count > 1 else ' differs'}" if count else "nothing changes"


@dataclass(frozen=True, slots=True)
class AskedRedo:
    """Which months, ascending, who asks and why, and the day in `SYNC_TIMEZONE`."""

    months: tuple[date, ...]
    by: Signature
    today: date

    @classmethod
    def of(cls, month: date, by: Signature, today: date) -> "AskedRedo":
        """An open month and every later one that was accrued.

        Raises:
            UsageError: the month is closed, not over, or before anything that was accrued.
        """
        with read_session() as session:
            return cls(_months(session, month, today), by, today)

    def require_reason(self) -> None:
        """Refuse to do without a reason what a preview may show without one.

        Raises:
            UsageError: there is none.
        """
        if not self.by.reason.strip():
            raise UsageError("a redo needs a reason: it stays in the books")


def preview_redo(context: StepContext, asked: AskedRedo) -> Redone:
    """What a redo would change. Nothing is written, and on SQLite nobody waits for it (`scratch_session`).

    Raises:
        WindowBusyError: a month of it is imported just now.
        BrokenImportError, PolicyChangedError, ErrorBudgetError, AccrualError: as of the accruals.
    """
    try:
        with scratch_session() as session:
            return replace(_do_again(session, context, asked, {}), redo_id=None)
    except _ImportRunsError as error:
        raise WindowBusyError(f"{error.window} is imported just now: look again when that has ended") from None


def redo(context: StepContext, asked: AskedRedo, execution_ids: Mapping[date, int]) -> Redone:
    """Process these months again, each with an execution of the accruals, which holds the month until it ends.

    So no other run works on them at the same time, and the history shows it. While an import step of a month is open,
    it waits.

    Raises:
        WindowBusyError: another month was accrued since it was asked for.
        BrokenImportError, PolicyChangedError, ErrorBudgetError, AccrualError: as of the accruals; nothing was written.
    """
    for month in asked.months:
        hold_window(execution_ids[month], Overlap.wait, context.progress.log)
    while True:
        try:
            with write_session() as session:
                return _do_again(session, context, asked, execution_ids)
        except _ImportRunsError as error:
            wait_for_import(error.window, execution_ids[error.window.start], context.progress)


def _months(session: Session, month: date, today: date) -> tuple[date, ...]:
    closed = last_closed_month(session)
    if closed is not None and month <= closed:
        raise UsageError(f"{month:%Y-%m} is closed: reopen it first, with `sync-actions reopen {month:%Y-%m}`")
    if today <= last_of_month(month):
        raise UsageError(f"{month:%Y-%m} is not over: there is nothing to do again")
    window = col(SyncExecution.window_start)
    done = (
        select(window)
        .where(col(SyncExecution.step_name) == ACCRUALS.id, col(SyncExecution.status) == ExecutionStatus.COMPLETED)
        .where(window >= month, window < today)
    )
    posted = select(POSTING.accrual_date).where(_BY_TABLE, POSTING.accrual_date >= month)
    months = {*session.scalars(done.distinct()), *session.scalars(posted.distinct())}
    if not months:
        raise UsageError(f"neither {month:%Y-%m} nor a later month was accrued: there is nothing to do again")
    return tuple(sorted({month, *months}))


class _ImportRunsError(Exception):
    """An import step of this month has not ended; nothing was written."""

    def __init__(self, window: MonthWindow) -> None:
        self.window = window


def _do_again(session: Session, context: StepContext, asked: AskedRedo, execution_ids: Mapping[date, int]) -> Redone:
    first, settings = asked.months[0], context.settings
    if _months(session, first, asked.today) != asked.months:
        raise WindowBusyError(f"another run accrued a month since {first:%Y-%m} was asked to be done again: ask again")
    noted = Redo(month=first, who=asked.by.who, reason=asked.by.reason.strip())
    session.add(noted)
    session.flush()
    note = {"redo": {"id": noted.id, "month": f"{first:%Y-%m}", "by": noted.who, "reason": noted.reason}}
    states = _read_states(session, first)
    adjustments = _set_aside(session, first, noted.id or 0)
    _put_back(session, first, states, {row["contract_accrual_id"] for row in adjustments}, counted_amount(settings))
    results = dict[date, Any]()
    for month in asked.months:
        adjustments = _adjust_until(session, adjustments, month)
        one = context.of_execution(execution_ids.get(month), override=context.override)
        try:
            done = post_month(session, one, MonthResult(month, policy=settings.policy))
            require_none_running(session, MonthWindow.of(month))
        except ImportRunningError:
            raise _ImportRunsError(MonthWindow.of(month)) from None
        results[month] = done.as_json() | note
        record_result(session, execution_ids.get(month), results[month])
    _adjust_until(session, adjustments, date.max)
    return _redone(session, noted.id or 0, results)


def read_redone(executions: Iterable[SyncExecution]) -> Redone:
    """What a redo changed, from the completed executions of its run; to be asked before its months change again."""
    results = {each.window_start: each.result for each in executions if each.window_start and each.result}
    with read_session() as session:
        return _redone(session, next(iter(results.values()))["redo"]["id"], results)


def _redone(session: Session, redo_id: int, results: Mapping[date, Any]) -> Redone:
    """From what was set aside and what is posted now; `results` are those of the accruals, by month, ascending."""
    whys = {
        (note["contract_id"] or 0, month): note["message"]
        for month, result in results.items()
        for note in result["notifications"]
    } | {
        (each["contract_id"], month): f"it cannot be processed: {each['reason']}"
        for month, result in results.items()
        for each in result["failures"]
    }
    old, new = _posted(session, _aside(redo_id)), _posted(session, _posted_now(results))
    names = contract_names(session, {contract for contract, *_ in (*old, *new)})
    contracts = _with_changes(session, redo_id, _compare(old, new, names, whys))
    return Redone(min(results), tuple(results), contracts, _totals(old, new), redo_id)


def _read_states(session: Session, month: date) -> list[Row]:
    """The states, with their contracts, of all that began or had anything decided in the month or later."""
    changed = select(TRANSITION.contract_id).where(TRANSITION.month >= month)
    posted = select(POSTING.contract_accrual_id).where(POSTING.accrual_date >= month)
    columns = (
        STATE.id,
        STATE.contract_id,
        (STATE.accrual_status == AccrualStatus.COMPLETED).label("completed"),
        CONTRACT.status,
        CONTRACT.contract_currency,
    )
    query = select(*columns).join(CONTRACT_TABLE, CONTRACT.id == STATE.contract_id)
    begun = CONTRACT.contract_date >= month  # perhaps since its first document changed: no month considers it before
    touched = or_(begun, STATE.last_month >= month, STATE.id.in_(posted), STATE.contract_id.in_(changed))
    return [dict(row) for row in session.execute(query.where(touched)).mappings()]


def _set_aside(session: Session, month: date, redo_id: int) -> list[Row]:
    """Take every posting from the month on out of the ledger. The adjustments among them, as they were."""
    aside, later = table_of(SetAsidePosting), POSTING.accrual_date >= month
    names = [column.name for column in aside.c if column.name in POSTING and column.name != "id"]
    kept = (
        select(literal(redo_id), STATE.contract_id, *(POSTING[name] for name in names))
        .join_from(table_of(AccruedPeriod), table_of(ContractAccrual), STATE.id == POSTING.contract_accrual_id)
        .where(_BY_TABLE, later)
        .order_by(POSTING.id)
    )
    session.execute(insert(aside).from_select(["redo_id", "contract_id", *names], kept))
    adjustments = session.execute(select(*POSTING).where(~_BY_TABLE, later).order_by(POSTING.id)).mappings()
    found = [dict(row) for row in adjustments]
    session.execute(delete(table_of(AccruedPeriod)).where(later))
    return found


def _put_back(session: Session, month: date, states: Sequence[Row], adjusted: Collection[int], amount: Any) -> None:
    """Let states and contracts say what they said before the month; one of which nothing was known then goes.

    The postings from the month on are gone by now; states that are `adjusted` stay, for adjustments still to come.
    """
    changed, known = _read_transitions(session, month), _read_sums(session, month, amount)
    session.execute(delete(table_of(AccrualTransition)).where(TRANSITION.month >= month))
    gone, rows, statuses = list[int](), list[Row](), defaultdict[str, list[int]](list)
    for state in states:
        contract_id, before = state["contract_id"], known[state["contract_id"]]
        completed, status = changed.first.get(contract_id, (state["completed"], state["status"]))
        if not before.documented:  # as the import leaves a contract that has lost its documents
            completed, status = True, ContractStatus.CANCELED.value
        months = [each for each in (before.last_posting, changed.last.get(contract_id)) if each]
        if status != state["status"]:
            statuses[status].append(contract_id)
        if not months and not completed and state["id"] not in adjusted:
            gone.append(state["id"])
            continue
        rows.append(
            {
                "contract_id": contract_id,
                "total_to_accrue": before.total,
                "accrued_amount": before.accrued,
                "remaining_amount_to_accrue": before.total - before.accrued,
                "total_sessions_to_accrue": before.sessions,
                "sessions_accrued": before.sessions,
                "remaining_sessions_to_accrue": 0,
                "accrual_status": (AccrualStatus.COMPLETED if completed else AccrualStatus.ACTIVE).value,
                "last_month": max(months, default=None),
                "currency": before.currency or state["contract_currency"],
            }
        )
    for ids in chunks(gone):
        session.execute(delete(table_of(ContractAccrual)).where(STATE.id.in_(ids)))
    write_many(session, ContractAccrual, rows, ("contract_id",))
    for status, contract_ids in statuses.items():
        for ids in chunks(contract_ids):
            session.execute(update(CONTRACT_TABLE).where(CONTRACT.id.in_(ids)).values(status=status))
    session.expire_all()


class _Transitions(NamedTuple):
    """Of each contract that has any."""

    first: Mapping[int, tuple[bool, str]]
    """What was before the first change of the month or later: completed, and the contract's status."""
    last: Mapping[int, date]
    """The month of the last change before the month."""


def _read_transitions(session: Session, month: date) -> _Transitions:
    numbers = select(func.min(TRANSITION.id)).where(TRANSITION.month >= month).group_by(TRANSITION.contract_id)
    before = TRANSITION.contract_id, TRANSITION.completed_before, TRANSITION.contract_status_before
    first = session.execute(select(*before).where(TRANSITION.id.in_(numbers)))
    last = select(TRANSITION.contract_id, func.max(TRANSITION.month)).where(TRANSITION.month < month)
    return _Transitions(
        {contract_id: (bool(completed), status) for contract_id, completed, status in first},
        {row[0]: row[1] for row in session.execute(last.group_by(TRANSITION.contract_id))},
    )


@dataclass(slots=True)
class _Sums:
    """A contract's documents and postings before a month."""

    documented: bool = False
    """Whether it has any document at all, then or later."""
    total: Decimal = ZERO
    accrued: Decimal = ZERO
    sessions: int = 0
    last_posting: date | None = None
    currency: str = ""
    """Of the postings; empty: there are none."""


def _read_sums(session: Session, month: date, amount: Any) -> dict[int, _Sums]:
    sums: dict[int, _Sums] = defaultdict(_Sums)
    contract, day = col(Invoice.service_contract_id), col(Invoice.invoice_date)
    documents = (
        select(contract, sum_of_cents(case((day < month, amount), else_=0)))
        .where(contract.is_not(None), col(Invoice.voided_at).is_(None))
        .group_by(contract)
    )
    for contract_id, cents in session.execute(documents):
        sums[contract_id].documented, sums[contract_id].total = True, from_cents(cents)
    postings = (
        select(
            STATE.contract_id,
            sum_of_cents(POSTING.accrued_amount),
            func.sum(POSTING.sessions_accrued),
            func.max(POSTING.accrual_date),
            func.max(POSTING.currency),
        )
        .join_from(table_of(AccruedPeriod), table_of(ContractAccrual), STATE.id == POSTING.contract_accrual_id)
        .where(POSTING.accrual_date < month)
        .group_by(STATE.contract_id)
    )
    for contract_id, cents, sessions, last, currency in session.execute(postings):
        own = sums[contract_id]
        own.accrued, own.sessions, own.last_posting, own.currency = from_cents(cents), int(sessions), last, currency
    return sums


def _adjust_until(session: Session, adjustments: Sequence[Row], month: date) -> list[Row]:
    """Apply the adjustments of the month and before it; the others, which are still to come."""
    due = [row for row in adjustments if row["accrual_date"] <= month]
    wanted = col(ContractAccrual.id).in_({row["contract_accrual_id"] for row in due})
    query = select(ContractAccrual, ServiceContract).join(ServiceContract, CONTRACT.id == STATE.contract_id)
    known = {state.id: (state, contract) for state, contract in (session.execute(query.where(wanted)) if due else ())}
    if due:
        session.execute(insert(table_of(AccruedPeriod)), due)
    for row in due:
        state, contract = known[row["contract_accrual_id"]]
        asked = Adjustment(contract.id or 0, row["accrued_amount"], row["corrects"])
        done = Adjusted.of(asked, state, row["accrual_date"], row["currency"])
        bring_up_to_date(session, state, contract, done)
    session.flush()
    session.expire_all()
    return [row for row in adjustments if row["accrual_date"] > month]


class _Posted(NamedTuple):
    """A contract's postings of a month by the decision table."""

    amount: Decimal
    rule: str
    sessions: int
    portion: Decimal


Ledger = Mapping[tuple[int, str, date], _Posted]
"""By contract, currency and month."""


def _aside(redo_id: int) -> Select[Any]:
    """The postings that a redo set aside, as `_posted` takes them."""
    aside = table_of(SetAsidePosting).c
    return select(aside.contract_id, *(aside[name] for name in _POSTED)).where(aside.redo_id == redo_id)


def _posted_now(months: Iterable[date]) -> Select[Any]:
    return (
        select(STATE.contract_id, *(POSTING[name] for name in _POSTED))
        .join_from(table_of(AccruedPeriod), table_of(ContractAccrual), STATE.id == POSTING.contract_accrual_id)
        .where(_BY_TABLE, POSTING.accrual_date.in_(list(months)))
    )


_POSTED = "currency", "accrual_date", "accrued_amount", "rule", "sessions_accrued", "accrual_portion"


def _posted(session: Session, postings: Select[Any]) -> Ledger:
    row = postings.subquery().c
    keys = row.contract_id, row.currency, row.accrual_date
    sums = func.sum(row.sessions_accrued), func.sum(row.accrual_portion)
    query = select(*keys, sum_of_cents(row.accrued_amount), func.min(row.rule), *sums).group_by(*keys)
    return {
        (contract, currency, of): _Posted(from_cents(cents), rule, int(sessions), portion)
        for contract, currency, of, cents, rule, sessions, portion in session.execute(query)
    }


def _compare(
    old: Ledger, new: Ledger, names: Mapping[int, ContractName], whys: Mapping[tuple[int, date], str]
) -> tuple[RedoneContract, ...]:
    months: dict[tuple[int, str], list[date]] = defaultdict(list)
    for contract, currency, month in sorted(old.keys() | new.keys()):
        months[contract, currency].append(month)
    found = []
    for (contract, currency), all_months in months.items():
        pairs = {
            month: (old.get((contract, currency, month)), new.get((contract, currency, month))) for month in all_months
        }
        amounts = [
            RedoneMonth(month, *(each.amount if each else ZERO for each in pair)) for month, pair in pairs.items()
        ]
        differing = tuple(each for each in amounts if each.old != each.new)
        if differing:
            first = differing[0].month
            why = f"{first:%Y-%m}: {_why(*pairs[first], whys.get((contract, first)))}"
            before, after = sum((each.old for each in amounts), ZERO), sum((each.new for each in amounts), ZERO)
            found.append(RedoneContract(names[contract], currency, before, after, after - before, differing, why))
    return tuple(sorted(found, key=lambda each: (each.contract, each.currency)))


_CHANGED = {
    "documents": "documents",
    "periods": "enrollments",
    "notion": "Notion page",
    "contract": "date or status of the contract",
    "before": "what was accrued before",
    "service": "sessions of the service",
    "holidays": "holidays",
    "policy": "policy",
}
"""What is kept with a posting (docs/accrual-rules.md, Worked out from) -> as people call it."""


def _with_changes(session: Session, redo_id: int, contracts: Sequence[RedoneContract]) -> tuple[RedoneContract, ...]:
    """Say in each `why` what is another of that which the posting of the first differing month was worked out from."""
    first = {each.contract.id: each.months[0].month for each in contracts}
    aside = table_of(SetAsidePosting).c
    old, new = dict[int, Any](), dict[int, Any]()
    for ids in chunks(first):
        of_old = select(aside.contract_id, aside.accrual_date, aside.worked_out).where(aside.redo_id == redo_id)
        of_new = (
            select(STATE.contract_id, POSTING.accrual_date, POSTING.worked_out)
            .join_from(table_of(AccruedPeriod), table_of(ContractAccrual), STATE.id == POSTING.contract_accrual_id)
            .where(_BY_TABLE, POSTING.accrual_date >= min(first.values()))
        )
        for kept, query in (
            (old, of_old.where(aside.contract_id.in_(ids))),
            (new, of_new.where(STATE.contract_id.in_(ids))),
        ):
            kept.update(
                (contract, inputs) for contract, month, inputs in session.execute(query) if month == first[contract]
            )
    return tuple(
        replace(each, why=each.why + _changes(*(kept.get(each.contract.id) for kept in (old, new))))
        for each in contracts
    )


def _changes(old: Any, new: Any) -> str:
    if not old or not new:
        return ""
    names = [name for key, name in _CHANGED.items() if old.get(key) != new.get(key)]
    return f"; changed since: {', '.join(names)}" if names else ""


def _why(old: _Posted | None, new: _Posted | None, told: str | None) -> str:
    """What is another in the first month that differs, as far as postings tell."""
    if new is None:
        return told or "nothing is posted now"
    rule = _CONDITIONS.get(new.rule, new.rule)
    if old is None:
        return f"{rule} posts where nothing was"
    if new.rule != old.rule:
        return f"{rule} decides, and not {_CONDITIONS.get(old.rule, old.rule)}"
    if new.sessions != old.sessions:
        return f"{rule}, with {new.sessions} sessions and not {old.sessions}"
    if new.portion != old.portion:
        return f"{rule}, with another number of sessions that remain: portion {new.portion} and not {old.portion}"
    return f"{rule}, of another amount that remained"


def _totals(old: Ledger, new: Ledger) -> tuple[RedoneTotal, ...]:
    sums: dict[str, list[Decimal]] = defaultdict(lambda: [ZERO, ZERO])
    for at, ledger in enumerate((old, new)):
        for (_, currency, _), posted in ledger.items():
            sums[currency][at] += posted.amount
    return tuple(
        RedoneTotal(currency, before, after, after - before) for currency, (before, after) in sorted(sums.items())
    )
