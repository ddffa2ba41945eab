"""Journal entries of a month: what was earned leaves deferred revenue and becomes revenue. Balanced by construction."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from sqlalchemy import select
from sqlmodel import Session, col

from steps.ledger.accrual import AccruedPeriod, ContractAccrual
from steps.ledger.contract import ServiceContract
from steps.ledger.money import ZERO
from steps.ledger.months import last_of_month
from steps.ledger.movements import from_cents, sum_of_cents
from steps.ledger.service import Service


class Account(NamedTuple):
    """An account of the books."""

    number: str
    name: str


DEFERRED = Account("485000", "Deferred revenue (ingresos anticipados)")
"""Group 485 of the Spanish chart of accounts (Plan General de Contabilidad), income received in advance."""


@dataclass(frozen=True, slots=True)
class JournalLine:
    """One line; one of debit and credit is zero, neither is ever negative."""

    entry: int
    """Lines with the same number belong together and balance."""
    day: date
    currency: str
    account: Account
    text: str
    debit: Decimal
    credit: Decimal


@dataclass(frozen=True, slots=True)
class Journal:
    """The entries of a month: one per currency, service and direction."""

    month: date
    lines: tuple[JournalLine, ...]

    @property
    def totals(self) -> dict[str, tuple[Decimal, Decimal]]:
        """Currency -> debit and credit."""
        sums: dict[str, tuple[Decimal, Decimal]] = defaultdict(lambda: (ZERO, ZERO))
        for line in self.lines:
            debit, credit = sums[line.currency]
            sums[line.currency] = debit + line.debit, credit + line.credit
        return dict(sums)

    @property
    def balanced(self) -> bool:
        """Whether debit and credit are equal in every currency."""
        return all(debit == credit for debit, credit in self.totals.values())


def journal(session: Session, month: date) -> Journal:
    """What was accrued in the month, by service; what was taken back (negative postings) is an entry the other way."""
    amount = col(AccruedPeriod.accrued_amount)
    number, name = col(Service.account_identifier), col(Service.name)
    keys = (col(AccruedPeriod.currency), number, name, col(Service.external_id))
    sums = (
        select(*keys, sum_of_cents(amount))
        .join(ContractAccrual, col(ContractAccrual.id) == AccruedPeriod.contract_accrual_id)
        .join(ServiceContract, col(ServiceContract.id) == ContractAccrual.contract_id)
        .join(Service, col(Service.id) == ServiceContract.service_id)
        .where(col(AccruedPeriod.accrual_date) == month)
        .order_by(*keys)
        .group_by(*keys)
    )
    found = [*session.execute(sums.where(amount > ZERO)), *session.execute(sums.where(amount < ZERO))]
    lines = (
        line
        for entry, (currency, account, service, external_id, cents) in enumerate(found, start=1)
        for line in _entry(entry, month, currency, Account(account or external_id, service), from_cents(cents))
    )
    return Journal(month, tuple(lines))


def _entry(entry: int, month: date, currency: str, revenue: Account, amount: Decimal) -> Iterator[JournalLine]:
    """Deferred revenue to revenue, or back again."""
    day, taken_back = last_of_month(month), amount < ZERO
    debit, credit = (revenue, DEFERRED) if taken_back else (DEFERRED, revenue)
    text = f"{'Reversal of accrued' if taken_back else 'Accrued'} revenue {day:%Y-%m}, {revenue.name}"
    yield JournalLine(entry, day, currency, debit, text, abs(amount), ZERO)
    yield JournalLine(entry, day, currency, credit, text, ZERO, abs(amount))
