"""What was accrued month by month, per client, contract and period."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Any

from sqlalchemy import func, select
from sqlmodel import Session, col

from steps.ledger.accrual import ADJUSTMENT, AccruedPeriod, ContractAccrual
from steps.ledger.client import Client
from steps.ledger.contract import ServiceContract
from steps.ledger.money import ZERO
from steps.ledger.months import MonthWindow
from steps.ledger.service import Service, ServicePeriod
from steps.ledger.upsert import select_in


@dataclass(frozen=True, slots=True, order=True)
class ContractName:
    """Sorts as people look things up: by client, then contract."""

    client: str
    email: str
    id: int
    service: str
    currency: str
    contract_date: date
    account: str
    """The service's income account; its id, if it has no number."""


def contract_names(session: Session, contract_ids: Iterable[int]) -> dict[int, ContractName]:
    """The names of these contracts, by id; the number of queries grows by one for each 500."""
    columns: tuple[Any, ...] = (
        col(ServiceContract.id).label("id"),
        col(ServiceContract.contract_currency).label("currency"),
        col(Client.name).label("client"),
        col(Client.identifier).label("email"),
        col(Service.name).label("service"),
        col(ServiceContract.contract_date).label("contract_date"),
        func.coalesce(Service.account_identifier, Service.external_id).label("account"),
    )
    joined = Client.id == ServiceContract.client_id, Service.id == ServiceContract.service_id
    rows = select_in(session, columns, ServiceContract.id, contract_ids, *joined)
    return {row["id"]: ContractName(**row) for row in rows}


@dataclass(frozen=True, slots=True)
class ContractFilter:
    """Which contracts are wanted; what is not given lets all through. Case does not matter."""

    client: str | None = None
    """Part of the name or of the email."""
    service: str | None = None
    """Part of the name, or what the account begins with."""
    contract: int | None = None

    def admits(self, name: ContractName) -> bool:
        """Whether a contract is wanted."""
        client, service = (self.client or "").lower(), (self.service or "").lower()
        return (
            (client in name.client.lower() or client in name.email.lower())
            and (service in name.service.lower() or name.account.lower().startswith(service))
            and self.contract in (None, name.id)
        )


ALL_CONTRACTS = ContractFilter()

Amounts = Mapping[date, Decimal]
"""By first of month."""


@dataclass(frozen=True, slots=True)
class MonthlyRow:
    """One period of a contract, or what was accrued for the contract without a period."""

    contract: ContractName
    """With the currency of the postings."""
    period: str | None
    """The cohort's slug, or `adjustment`."""
    amounts: Amounts

    @property
    def total(self) -> Decimal:
        """Over the range."""
        return sum(self.amounts.values(), ZERO)


@dataclass(frozen=True, slots=True)
class MonthlyAccruals:
    """Every posting of a range of months, in order of currency, client, contract and period."""

    window: MonthWindow
    rows: tuple[MonthlyRow, ...]

    @property
    def months(self) -> tuple[date, ...]:
        """Every month of the range, with postings or without."""
        return tuple(each.start for each in self.window.months())

    @property
    def totals(self) -> dict[str, Amounts]:
        """Currency -> what each month comes to."""
        return {
            currency: total_amounts(row.amounts for row in self.rows if row.contract.currency == currency)
            for currency in sorted({row.contract.currency for row in self.rows})
        }


def total_amounts(rows: Iterable[Amounts]) -> Amounts:
    """Amounts of one currency added up, month by month."""
    totals: dict[date, Decimal] = defaultdict(lambda: ZERO)
    for amounts in rows:
        for month, amount in amounts.items():
            totals[month] += amount
    return dict(sorted(totals.items()))


def monthly_accruals(session: Session, window: MonthWindow, wanted: ContractFilter = ALL_CONTRACTS) -> MonthlyAccruals:
    """The postings of the window, or those of some contracts."""
    postings = (
        select(
            col(ContractAccrual.contract_id),
            col(ServicePeriod.external_id),
            col(AccruedPeriod.currency),
            col(AccruedPeriod.accrual_date),
            col(AccruedPeriod.accrued_amount),
            col(AccruedPeriod.rule),
        )
        .join(ContractAccrual, col(ContractAccrual.id) == AccruedPeriod.contract_accrual_id)
        .outerjoin(ServicePeriod, col(ServicePeriod.id) == AccruedPeriod.service_period_id)
        .where(col(AccruedPeriod.accrual_date) >= window.start, col(AccruedPeriod.accrual_date) < window.end)
    )
    amounts: dict[tuple[int, str | None, str], dict[date, Decimal]] = defaultdict(lambda: defaultdict(lambda: ZERO))
    for contract, period, currency, month, amount, rule in session.execute(postings):
        amounts[contract, ADJUSTMENT if rule == ADJUSTMENT else period, currency][month] += amount
    names = contract_names(session, (contract for contract, *_ in amounts))
    rows = (
        MonthlyRow(replace(names[contract], currency=currency), period, each)
        for (contract, period, currency), each in amounts.items()
        if wanted.admits(names[contract])
    )
    ordered = sorted(rows, key=lambda row: (row.contract.currency, row.contract, row.period or ""))
    return MonthlyAccruals(window, tuple(ordered))
