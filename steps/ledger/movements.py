"""What was invoiced, credited and accrued, as sums by SQL."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Executable,
    Float,
    case,
    cast,
    func,
    literal_column,
    null,
    select,
    type_coerce,
)
from sqlalchemy.orm import Mapped
from sqlmodel import Session, col

from steps.ledger.accrual import ADJUSTMENT, AccruedPeriod, ContractAccrual
from steps.ledger.contract import OPENING_BALANCE, DocumentKind, Invoice, ServiceContract
from steps.ledger.money import ZERO
from steps.ledger.months import first_of_month
from steps.settings import SyncSettings

_TOO_LARGE: ColumnElement[float] = literal_column("1e13")


def cents(column: Any) -> ColumnElement[int]:
    """A money column in whole cents; exact, since either database keeps amounts of up to 15 digits apart.

    What is no amount that the column may hold (a text, a not-a-number) counts 0: its contract is reported elsewhere.
    """
    # Coerced, because the column's own type would bind numbers as texts with two decimals.
    number = type_coerce(column, Float)
    whole = cast(func.round(number * literal_column("100")), BigInteger)
    return case((func.abs(number) < _TOO_LARGE, whole), else_=literal_column("0", BigInteger))


def sum_of_cents(column: Any) -> ColumnElement[int]:
    """The sum of a money column, in cents; 0 of no rows."""
    return cast(func.coalesce(func.sum(cents(column)), 0), BigInteger)


def from_cents(amount: int | None) -> Decimal:
    """Cents as an amount with two decimals; none of them are 0.00."""
    return Decimal(amount or 0).scaleb(-2)


@dataclass(slots=True)
class Movement:
    """What happened in one month in one currency; nothing is ever added across currencies."""

    invoiced: Decimal = ZERO
    credited: Decimal = ZERO
    """What credit notes took away, as a positive number."""
    accrued: Decimal = ZERO
    """By the decision table."""
    unlinked: Decimal = ZERO
    """Documents without a contract, credit notes negative: in no other figure."""
    adjusted: Decimal = ZERO
    """By a person; negative: given back."""
    brought_forward: Decimal = ZERO
    """Opening balances of the ledger."""

    @property
    def documents(self) -> Decimal:
        """Brought forward, and invoiced less credited."""
        return self.brought_forward + self.invoiced - self.credited

    @property
    def posted(self) -> Decimal:
        """Accrued and adjusted."""
        return self.accrued + self.adjusted


Movements = Mapping[tuple[date, str], Movement]
"""By first of month and currency."""


def counted_amount(settings: SyncSettings) -> Mapped[Decimal]:
    """The column of a document's amount, by `SYNC_ACCRUAL_BASIS`."""
    return col(settings.amount_counted(total=Invoice.total_amount, net=Invoice.net_amount))


def read_movements(session: Session, until: date, settings: SyncSettings) -> Movements:
    """All movements up to the day `until`, included; void documents count nowhere."""
    return read_movements_by(session, until, settings, None).get(None, {})


def read_movements_by(
    session: Session, until: date, settings: SyncSettings, group: Mapped[Any] | None
) -> dict[int | None, Movements]:
    """The same for each value of a column of `service_contract`; what has no contract has None."""
    found: dict[int | None, dict[tuple[date, str], Movement]] = defaultdict(lambda: defaultdict(Movement))
    for of, day, currency, kind, without_contract, amount in session.execute(_documents(until, settings, group)):
        movement = found[of][first_of_month(day), currency]
        if without_contract:
            movement.unlinked += from_cents(amount)
        elif kind == OPENING_BALANCE:
            movement.brought_forward += from_cents(amount)
        elif kind == DocumentKind.CREDIT_NOTE:
            movement.credited -= from_cents(amount)
        else:
            movement.invoiced += from_cents(amount)
    for of, month, currency, rule, amount in session.execute(_accrued(until, group)):
        if rule == ADJUSTMENT:
            found[of][month, currency].adjusted += from_cents(amount)
        else:
            found[of][month, currency].accrued += from_cents(amount)
    return {of: dict(movements) for of, movements in found.items()}


def _documents(until: date, settings: SyncSettings, group: Mapped[Any] | None) -> Executable:
    contract = col(Invoice.service_contract_id)
    keys = (col(Invoice.invoice_date), col(Invoice.currency), col(Invoice.kind), contract.is_(None).label("unlinked"))
    counted = col(Invoice.voided_at).is_(None), col(Invoice.invoice_date) <= until
    amount = sum_of_cents(counted_amount(settings))
    if group is None:
        return select(null(), *keys, amount).where(*counted).group_by(*keys)
    of_contract = col(ServiceContract.id) == contract
    return (
        select(group, *keys, amount)
        .select_from(Invoice)
        .outerjoin(ServiceContract, of_contract)
        .where(*counted)
        .group_by(group, *keys)
    )


def _accrued(until: date, group: Mapped[Any] | None) -> Executable:
    keys = (col(AccruedPeriod.accrual_date), col(AccruedPeriod.currency), col(AccruedPeriod.rule))
    amount, known = sum_of_cents(AccruedPeriod.accrued_amount), col(AccruedPeriod.accrual_date) <= until
    if group is None:
        return select(null(), *keys, amount).where(known).group_by(*keys)
    return (
        select(group, *keys, amount)
        .select_from(AccruedPeriod)
        .join(ContractAccrual, col(ContractAccrual.id) == AccruedPeriod.contract_accrual_id)
        .join(ServiceContract, col(ServiceContract.id) == ContractAccrual.contract_id)
        .where(known)
        .group_by(group, *keys)
    )
