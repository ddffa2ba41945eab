"""Journal entries of a month, balanced by construction (docs/accrual-rules.md, Reports).

Holded books an invoice line to the service's income account at once. So what was invoiced less credited is deferred,
and what was accrued is released: a pair each per service and currency, from the roll-forward by service. What a closed
month is booked with does not change any more: what came late for it is an entry of the first open month.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

from sqlmodel import Session

from steps.ledger.money import ZERO
from steps.ledger.months import MonthWindow, last_of_month
from steps.reports.groups import service_chains
from steps.reports.roll_forward import RollForward, RollForwardLine
from steps.settings import SyncSettings


class Account(NamedTuple):
    """An account of the books."""

    number: str
    name: str


DEFERRED_NAME = "Deferred revenue (ingresos anticipados)"


class EntryKind(StrEnum):
    """What an entry books; the first two go from income to deferred revenue, the others back."""

    LATE = "late"
    DEFERRAL = "deferral"
    RELEASE = "release"
    ADJUSTMENT = "adjustment"


_TEXTS = {
    EntryKind.LATE: "Documents of closed months that came late",
    EntryKind.DEFERRAL: "Invoiced less credited",
    EntryKind.RELEASE: "Accrued revenue",
    EntryKind.ADJUSTMENT: "Adjusted revenue",
}


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
    kind: EntryKind


@dataclass(frozen=True, slots=True)
class Journal:
    """The entries of a month: up to one of a kind per currency and service."""

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


def journal(session: Session, month: date, settings: SyncSettings) -> Journal:
    """The entries of one month."""
    return journals(session, MonthWindow.of(month), settings)[0]


def journals(session: Session, window: MonthWindow, settings: SyncSettings) -> tuple[Journal, ...]:
    """The entries of each month of the window."""
    deferred = Account(settings.deferred_account, DEFERRED_NAME)
    services = [
        (Account(service.account_identifier or service.external_id, service.name), chain.months)
        for service, chain in service_chains(session, window, settings)
    ]
    return tuple(
        _journal(month.start, [(income, months[number]) for income, months in services], deferred)
        for number, month in enumerate(window.months())
    )


class _Entry(NamedTuple):
    income: Account
    currency: str
    kind: EntryKind
    amount: Decimal
    """What goes to deferred revenue; negative: what leaves it."""


def _journal(month: date, services: Sequence[tuple[Account, RollForward]], deferred: Account) -> Journal:
    lines = [(income, line) for income, report in services for line in report.lines]
    entries = [
        _Entry(income, line.currency, kind, amount)
        for income, line in sorted(lines, key=lambda each: each[1].currency)
        for kind, amount in _amounts(line)
        if amount
    ]
    pairs = (_lines(number, month, deferred, entry) for number, entry in enumerate(entries, start=1))
    return Journal(month, tuple(line for pair in pairs for line in pair))


def _amounts(line: RollForwardLine) -> Iterator[tuple[EntryKind, Decimal]]:
    yield EntryKind.LATE, line.late
    yield EntryKind.DEFERRAL, line.invoiced - line.credited
    yield EntryKind.RELEASE, -line.accrued
    yield EntryKind.ADJUSTMENT, -line.adjusted


def _lines(number: int, month: date, deferred: Account, entry: _Entry) -> Iterator[JournalLine]:
    text = f"{_TEXTS[entry.kind]} {month:%Y-%m}, {entry.income.name}"
    debit, credit = (entry.income, deferred) if entry.amount > ZERO else (deferred, entry.income)
    for account, is_debit in ((debit, True), (credit, False)):
        amounts = (abs(entry.amount), ZERO) if is_debit else (ZERO, abs(entry.amount))
        yield JournalLine(number, last_of_month(month), entry.currency, account, text, *amounts, entry.kind)
