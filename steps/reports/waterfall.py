"""What is still deferred, by the month in which it is expected to be earned."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum

from sqlalchemy import select
from sqlmodel import Session, col

from steps.engine.contract_month import (
    AccrualInputs,
    AccrualRules,
    ContractFailureError,
    ContractInputs,
    ContractMonth,
    Outcome,
)
from steps.engine.decision_table import decide, refuse_bad_data
from steps.engine.load import Loader, due_chunks, load_rules, load_services
from steps.engine.sessions import Span, change_date
from steps.ledger.accrual import AccrualStatus, AccruedPeriod, ContractAccrual
from steps.ledger.contract import ContractStatus, Invoice
from steps.ledger.money import ZERO
from steps.ledger.months import MonthWindow, last_of_month, next_month
from steps.ledger.movements import counted_amount, from_cents, sum_of_cents
from steps.ledger.service import PeriodStatus
from steps.reports.monthly import Amounts, ContractName, contract_names, total_amounts
from steps.reports.roll_forward import roll_forward
from steps.settings import SyncSettings

MOST_MONTHS = 120
"""A course that ends later than in ten years is a typing mistake, and what is left of it waits for a person."""
_PUT_OFF_TOO_LONG, _RESIGNED = 10, 14
"""Rows of the decision table that end a wait: what happens if nobody does anything, not what is expected."""


class Reason(StrEnum):
    """Why an amount has no month."""

    POSTPONED = "postponed"
    PERIOD_OVER = "period over but active"
    NO_ENROLLMENT = "no enrollment"
    NOT_CONGRUENT = "status not congruent"
    OTHER_CURRENCY = "in another currency than the contract"
    FAILURE = "contract in failure"
    TOO_FAR = "course longer than ten years"


_REASONS = {
    10: Reason.POSTPONED,
    11: Reason.TOO_FAR,
    12: Reason.PERIOD_OVER,
    13: Reason.NO_ENROLLMENT,
    14: Reason.NO_ENROLLMENT,
    17: Reason.NOT_CONGRUENT,
    18: Reason.NOT_CONGRUENT,
    22: Reason.NOT_CONGRUENT,
}
"""By the row of the decision table that goes on deciding when nothing more can happen."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """What is put off, or waits for a person."""

    reason: Reason
    since: date
    """Of a period that was put off or is over: that day. Else the contract's date."""


@dataclass(frozen=True, slots=True)
class Projection:
    """The engine run forward over one contract."""

    expected: dict[date, Decimal]
    """By month; what is in none waits."""
    waiting: Waiting | None
    """None: nothing does."""


def project(inputs: ContractInputs, month: date, rules: AccrualRules) -> Projection:
    """The months after `month` in which the contract's remaining amount is expected to be earned.

    Args:
        inputs: As seen from the month after `month`: what was accrued before counts the postings up to `month`.
        month: The first day of the last month that counts as processed; later documents do not exist yet.
        rules: The settings.

    Raises:
        ContractFailureError: The contract has bad data: all of it waits for a person.
    """
    return _run_forward(known_after(inputs, month), month, rules)


def _run_forward(known: ContractInputs, month: date, rules: AccrualRules) -> Projection:
    recent = known.contract_date >= last_of_month(month) - timedelta(days=rules.recent_days)
    expected: dict[date, Decimal] = {}
    for outcome in _outcomes(known, month, rules):
        waits = outcome.row == _PUT_OFF_TOO_LONG or (outcome.row == _RESIGNED and recent)
        if waits or (outcome.row in _REASONS and not outcome.postings):
            waiting: Waiting | None = _waiting(known, outcome, rules)
        elif outcome.state is not None and outcome.state.remaining != ZERO:
            waiting = Waiting(_REASONS[11], known.contract_date)
        else:
            waiting = None
        if waits:
            break
        if outcome.postings:
            expected[outcome.month] = outcome.amount
    return Projection(expected, waiting)


def expected_amount(known: ContractInputs, month: date, rules: AccrualRules) -> Decimal:
    """The sum of what `project` expects; most contracts are simply taught, and their months need no deciding for it.

    Args:
        known: What `known_after` answers.
        month: As for `project`.
        rules: As for `project`.

    Raises:
        ContractFailureError: As for `project`.
    """
    if not _is_taught_to_its_end(known, month):
        return sum(_run_forward(known, month, rules).expected.values(), ZERO)
    refuse_bad_data(known, last_of_month(month))
    return sum([document.amount for document in known.documents], -known.accrual.accrued_before)


def _is_taught_to_its_end(known: ContractInputs, month: date) -> bool:
    """Whether row 11 decides the month in which the last period ends, at the latest: it posts all that is left by then.

    For each month before, rows 7, 11 and 12 alone can.
    """
    last, status = last_of_month(month), known.accrual.status
    return (
        known.status is ContractStatus.ACTIVE
        and status is not AccrualStatus.COMPLETED
        and known.contract_date <= last
        and all(period.status is PeriodStatus.ACTIVE and period.was_known(last) for period in known.periods)
        and last < max([period.end for period in known.periods], default=last) < next_month(month, MOST_MONTHS)
        and sum([document.amount for document in known.documents], ZERO) > known.accrual.accrued_before >= ZERO
    )


def known_after(inputs: ContractInputs, month: date) -> ContractInputs:
    """The contract after the month, of which only what was known on its last day counts."""
    documents = tuple([each for each in inputs.documents if each.day <= last_of_month(month)])
    return replace(undecided(inputs, next_month(month)), documents=documents)


def _waiting(inputs: ContractInputs, outcome: Outcome, rules: AccrualRules) -> Waiting:
    reason, period = _REASONS[outcome.row], ContractMonth.of(inputs, outcome.month, rules, closed=False).last_period
    if period is None or reason is Reason.NOT_CONGRUENT:
        return Waiting(reason, inputs.contract_date)
    if period.status is PeriodStatus.POSTPONED:
        return Waiting(Reason.POSTPONED, change_date(period.inputs))
    return Waiting(reason, period.effective_end)


def undecided(inputs: ContractInputs, month: date) -> ContractInputs:
    """The contract as it was before `month` (its first day) was decided, as far as the ledger remembers.

    It keeps no history of states: a contract that was decided in the month or later counts as active until then.
    """
    accrual = replace(inputs.accrual, has_posting_in_month=False)
    if accrual.last_month is None or accrual.last_month < month:
        return replace(inputs, accrual=accrual)
    active = replace(accrual, status=AccrualStatus.ACTIVE, last_month=None)
    return replace(inputs, status=ContractStatus.ACTIVE, accrual=active)


def _outcomes(inputs: ContractInputs, month: date, rules: AccrualRules) -> Iterator[Outcome]:
    """Each month's outcome built on the one before, until nothing is left or nothing more can happen."""
    end = _last_eventful_day(inputs, rules)
    for ahead in range(1, MOST_MONTHS + 1):
        outcome = decide(inputs, next_month(month, ahead), rules, closed=False)
        yield outcome
        if last_of_month(outcome.month) >= end or (outcome.state is not None and outcome.state.remaining == ZERO):
            return
        inputs = _after(inputs, outcome)


def _after(inputs: ContractInputs, outcome: Outcome) -> ContractInputs:
    """The inputs as the loader would fill them for the next month."""
    state = outcome.state
    if state is None:
        return inputs
    accrual = AccrualInputs(state.status, state.last_month, state.accrued, state.sessions_accrued)
    return replace(inputs, status=outcome.contract_status, accrual=accrual)


def _last_eventful_day(inputs: ContractInputs, rules: AccrualRules) -> date:
    """After it no day is in force, no status changes and nobody is new any more: what waits then goes on waiting."""
    days = [inputs.contract_date + timedelta(days=rules.recent_days)]
    for period in inputs.periods:
        days += [period.end, change_date(period)]
    if inputs.notion is not None and inputs.notion.day is not None:
        days.append(inputs.notion.day)
    return max(days)


Deferred = dict[tuple[int, str], Decimal]
"""By contract and currency."""


@dataclass(frozen=True, slots=True)
class WaterfallRow:
    """What is deferred of one contract."""

    contract: ContractName
    currency: str
    """The contract's, unless a document is in another, which no month is expected to earn."""
    deferred: Decimal
    expected: Amounts
    waiting: Waiting | None
    """Why and since when some of it has no month."""

    @property
    def not_scheduled(self) -> Decimal:
        """What has no month: put off, or waiting for a person."""
        return self.deferred - sum(self.expected.values(), ZERO)


@dataclass(frozen=True, slots=True)
class WaterfallTotal:
    """All contracts of a currency."""

    currency: str
    deferred: Decimal
    expected: Amounts
    not_scheduled: Decimal
    late: Decimal
    """What came late for a closed month, and so is in `deferred` but not in the closing it was stored with."""


@dataclass(frozen=True, slots=True)
class Waterfall:
    """Rows in order of currency and contract; contracts with nothing deferred are left out."""

    month: date
    rows: tuple[WaterfallRow, ...]
    closing: dict[str, Decimal]
    """Closing deferred by the month's roll-forward, by currency."""

    @property
    def months(self) -> tuple[date, ...]:
        """The months to come, up to the last one that is expected to earn anything."""
        last = max((month for row in self.rows for month in row.expected), default=self.month)
        if last == self.month:
            return ()
        return tuple(each.start for each in MonthWindow(next_month(self.month), next_month(last)).months())

    @property
    def waiting(self) -> tuple[tuple[WaterfallRow, int], ...]:
        """The contracts with an amount that has no month, and how many days they waited at the end of the month."""
        last = last_of_month(self.month)
        return tuple((row, max((last - row.waiting.since).days, 0)) for row in self.rows if row.waiting)

    @property
    def totals(self) -> tuple[WaterfallTotal, ...]:
        """One per currency."""
        currencies = sorted({row.currency for row in self.rows} | {c for c, closing in self.closing.items() if closing})
        return tuple(self._total(currency) for currency in currencies)

    def _total(self, currency: str) -> WaterfallTotal:
        rows = [row for row in self.rows if row.currency == currency]
        deferred = sum((row.deferred for row in rows), ZERO)
        return WaterfallTotal(
            currency,
            deferred,
            total_amounts(row.expected for row in rows),
            sum((row.not_scheduled for row in rows), ZERO),
            deferred - self.closing.get(currency, ZERO),
        )


def waterfall(session: Session, month: date, settings: SyncSettings) -> Waterfall:
    """What is deferred at the end of `month`, and the engine's view of when it will be earned, as known now."""
    deferred = read_deferred(session, last_of_month(month), settings)
    names = contract_names(session, (contract for contract, _ in deferred))
    found = dict(_projections(session, month, settings, {contract for contract, _ in deferred}))
    rows = (
        _row(names[contract], currency, amount, found.get(contract))
        for (contract, currency), amount in deferred.items()
    )
    closing = {line.currency: line.closing for line in roll_forward(session, month, settings).lines}
    return Waterfall(month, tuple(sorted(rows, key=lambda row: (row.currency, row.contract))), closing)


def _row(name: ContractName, currency: str, deferred: Decimal, found: tuple[str, Projection] | None) -> WaterfallRow:
    """A contract's amount in one currency; what is in another than the contract's is expected in no month."""
    of, projection = found or (currency, Projection({}, None))
    if of != currency:
        waiting = Waiting(Reason.OTHER_CURRENCY, name.contract_date)
        return WaterfallRow(name, currency, deferred, {}, waiting)
    row = WaterfallRow(name, currency, deferred, projection.expected, projection.waiting)
    if not row.not_scheduled:
        return replace(row, waiting=None)
    return row if row.waiting else replace(row, waiting=Waiting(Reason.FAILURE, name.contract_date))


def read_deferred(session: Session, until: date, settings: SyncSettings) -> Deferred:
    """Documents less postings up to the day `until`, where anything is left; straight from the tables."""
    contract, currency = col(Invoice.service_contract_id), col(Invoice.currency)
    documents = (
        select(contract, currency, sum_of_cents(counted_amount(settings)))
        .where(contract.is_not(None), col(Invoice.voided_at).is_(None), col(Invoice.invoice_date) <= until)
        .group_by(contract, currency)
    )
    keys = col(ContractAccrual.contract_id), col(AccruedPeriod.currency)
    postings = (
        select(*keys, sum_of_cents(AccruedPeriod.accrued_amount))
        .join(AccruedPeriod, col(AccruedPeriod.contract_accrual_id) == ContractAccrual.id)
        .where(col(AccruedPeriod.accrual_date) <= until)
        .group_by(*keys)
    )
    deferred: Deferred = defaultdict(lambda: ZERO)
    for contract_id, of, cents in session.execute(documents):
        deferred[contract_id, of] += from_cents(cents)
    for contract_id, of, cents in session.execute(postings):
        deferred[contract_id, of] -= from_cents(cents)
    return {key: amount for key, amount in deferred.items() if amount != ZERO}


def _projections(
    session: Session, month: date, settings: SyncSettings, wanted: Iterable[int]
) -> Iterator[tuple[int, tuple[str, Projection]]]:
    """Contract -> its currency, and what is expected; a contract that cannot be processed is expected in no month."""
    contracts, ahead, rules = set(wanted), next_month(month), load_rules(session, settings)
    loader = Loader(session, Span(ahead, last_of_month(ahead)), counted_amount(settings), load_services(session))
    for chunk in due_chunks(session, last_of_month(month)):
        for loaded in loader.load(chunk):
            if isinstance(loaded, ContractFailureError) or loaded.inputs.id not in contracts:
                continue
            with suppress(ContractFailureError):
                yield loaded.inputs.id, (loaded.inputs.currency, project(loaded.inputs, month, rules))
