"""The waterfall: what is still deferred after a month, by the month in which it is expected to be earned."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from sqlalchemy import select
from sqlmodel import Session, col

from steps.accruals.due import due_chunks
from steps.accruals.load import Loader
from steps.accruals.outcome import ContractFailureError
from steps.accruals.periods import Span
from steps.accruals.reports.contracts import ContractName, contract_names
from steps.accruals.reports.monthly import Amounts, total_amounts
from steps.accruals.reports.movements import counted_amount
from steps.accruals.reports.projection import expected_months
from steps.accruals.reports.roll_forward import roll_forward
from steps.accruals.reports.sums import from_cents, sum_of_cents
from steps.accruals.rules import load_rules
from steps.accruals.service_facts import load_services
from steps.domain.accrual import AccruedPeriod, ContractAccrual
from steps.domain.contract import ServiceContract
from steps.domain.invoice import Invoice
from steps.domain.money import ZERO
from steps.domain.months import MonthWindow, last_of_month, next_month
from steps.settings import SyncSettings

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
    expected = dict(_expected(session, month, settings, {contract for contract, _ in deferred}))
    rows = (
        WaterfallRow(names[contract], currency, amount, expected.get((contract, currency), {}))
        for (contract, currency), amount in deferred.items()
    )
    closing = {line.currency: line.closing for line in roll_forward(session, month, settings).lines}
    return Waterfall(month, tuple(sorted(rows, key=lambda row: (row.currency, row.contract))), closing)


def read_deferred(session: Session, until: date, settings: SyncSettings) -> Deferred:
    """Documents less postings up to the day `until`, where anything is left; straight from the tables."""
    contract, currency = col(Invoice.service_contract_id), col(Invoice.currency)
    documents = (
        select(contract, currency, sum_of_cents(counted_amount(settings)))
        .where(contract.is_not(None), col(Invoice.voided_at).is_(None), col(Invoice.invoice_date) <= until)
        .group_by(contract, currency)
    )
    own_currency = col(ServiceContract.contract_currency)
    postings = (
        select(col(ServiceContract.id), own_currency, sum_of_cents(AccruedPeriod.accrued_amount))
        .join(ContractAccrual, col(ContractAccrual.contract_id) == ServiceContract.id)
        .join(AccruedPeriod, col(AccruedPeriod.contract_accrual_id) == ContractAccrual.id)
        .where(col(AccruedPeriod.accrual_date) <= until)
        .group_by(col(ServiceContract.id), own_currency)
    )
    deferred: Deferred = defaultdict(lambda: ZERO)
    for contract_id, of, cents in session.execute(documents):
        deferred[contract_id, of] += from_cents(cents)
    for contract_id, of, cents in session.execute(postings):
        deferred[contract_id, of] -= from_cents(cents)
    return {key: amount for key, amount in deferred.items() if amount != ZERO}


def _expected(
    session: Session, month: date, settings: SyncSettings, wanted: Iterable[int]
) -> Iterator[tuple[tuple[int, str], Amounts]]:
    """By contract and its currency; a contract that cannot be processed is expected in no month."""
    contracts, ahead, rules = set(wanted), next_month(month), load_rules(session, settings)
    loader = Loader(session, Span(ahead, last_of_month(ahead)), counted_amount(settings), load_services(session))
    for chunk in due_chunks(session, last_of_month(month)):
        for loaded in loader.load(chunk):
            if isinstance(loaded, ContractFailureError) or loaded.facts.id not in contracts:
                continue
            try:
                yield (loaded.facts.id, loaded.facts.currency), expected_months(loaded.facts, month, rules)
            except ContractFailureError:
                continue
