"""Settled contracts, told apart in SQL: they are counted, and neither read nor decided nor written.

A settled contract is one that row 4 of the decision table would skip without changing anything or telling anybody, in
whose rows nothing is wrong. The condition here is narrower than the table's, never wider: whatever it does not see
through makes a contract one to be decided, and then it is the table that decides.
"""

from collections.abc import Mapping
from datetime import date
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Float,
    Integer,
    String,
    and_,
    case,
    cast,
    exists,
    func,
    literal_column,
    not_,
    or_,
    select,
    true,
    type_coerce,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from steps.engine.contract_month import ACCRUED_WHOLE
from steps.engine.sessions import ServiceInputs, Span
from steps.ledger.accrual import AccrualStatus, AccruedPeriod, ContractAccrual
from steps.ledger.client import ClientExternalId, System
from steps.ledger.contract import ContractStatus, Invoice, ServiceContract
from steps.ledger.money import LARGEST, ZERO
from steps.ledger.movements import cents, sum_of_cents
from steps.ledger.service import PeriodStatus, ServicePeriod
from steps.ledger.upsert import table_of

# Tables and not models: rows come through the ORM half as fast.
CONTRACT = table_of(ServiceContract).c
STATE = table_of(ContractAccrual).c
POSTING = table_of(AccruedPeriod).c
PERIOD = table_of(ServicePeriod).c
DOCUMENT = table_of(Invoice).c
PAGE = table_of(ClientExternalId).c

_MOST_SESSIONS = 10**9
"""No text is between it and 0, and SQLite would let a column hold one."""


def settled_cents(
    month: Span, amount: ColumnElement[Any], services: Mapping[int, ServiceInputs | ValueError]
) -> ColumnElement[int]:
    """Of a contract with its state: the cents that are accrued if it is settled in the month, else null."""
    taught = [number for number, each in services.items() if isinstance(each, ServiceInputs) and each.is_usable]
    completed = and_(
        CONTRACT.status.in_([ContractStatus.CLOSED, ContractStatus.CANCELED]),
        CONTRACT.service_id.in_(taught),
        _is_day(CONTRACT.contract_date),
        STATE.accrual_status == AccrualStatus.COMPLETED,
        STATE.currency == CONTRACT.contract_currency,
        STATE.last_month < month.first,
        _is_day(STATE.last_month),
        STATE.remaining_amount_to_accrue == ZERO,
        STATE.accrued_amount == STATE.total_to_accrue,
        _is_whole_cents(STATE.total_to_accrue),
        STATE.sessions_accrued.between(0, _MOST_SESSIONS),
        STATE.sessions_accrued == cast(STATE.sessions_accrued, Integer),
        STATE.remaining_sessions_to_accrue == 0,
    )
    accrued = cents(STATE.total_to_accrue)
    even = and_(_sum_of_postings() == accrued, _sum_of_documents(amount, month.last) == accrued)
    # One inside the other: what costs a look into another table is asked last.
    return case((completed, case((and_(even, _periods_are_sound(), _page_is_sound()), accrued))))


def is_usable(amount: ColumnElement[Any]) -> ColumnElement[bool]:
    """Whether a column holds an amount at all; a contract with one that is none is among the failed."""
    return type_coerce(amount, Float).between(literal_column(f"-{LARGEST}"), literal_column(f"{LARGEST}"))


def _is_whole_cents(amount: ColumnElement[Any]) -> ColumnElement[bool]:
    return and_(is_usable(amount), type_coerce(amount, Float) == cents(amount) / literal_column("100.0", Float))


def as_text(column: ColumnElement[Any]) -> ColumnElement[str]:
    """A date or an amount as its digits, the same on both databases.

    So it is exact, quick, and garbage in one row is a text that cannot be read, not the failure of a whole query.
    """
    return cast(column, String)


class _Normalized(FunctionElement[str]):
    """The text of a date as the database's calendar has it; of what is none another text, or null."""

    inherit_cache = True


@compiles(_Normalized, "postgresql")
def _as_it_is(element: _Normalized, compiler: SQLCompiler, **options: Any) -> str:
    return f"CAST({compiler.process(element.clauses, **options)} AS VARCHAR)"


@compiles(_Normalized, "sqlite")
def _as_sqlite_reckons(element: _Normalized, compiler: SQLCompiler, **options: Any) -> str:
    # Only where it has to reckon does it see that there is no 31 February.
    return f"date({compiler.process(element.clauses, **options)}, '+0 days')"


def _is_day(column: ColumnElement[Any]) -> ColumnElement[bool]:
    """Whether a column holds a date (SQLite lets it hold anything, and PostgreSQL infinity)."""
    return and_(column.between(date.min, date.max), as_text(column) == _Normalized(column))


def _is_day_or_null(column: ColumnElement[Any]) -> ColumnElement[bool]:
    return or_(column.is_(None), _is_day(column))


def _sum_of_postings() -> ColumnElement[int]:
    """In cents; null if one may have to be told of, as there is an enrollment now, or cannot be added to the others."""
    accrued_whole = and_(POSTING.service_period_id.is_(None), POSTING.rule.in_(ACCRUED_WHOLE))
    enrolled = exists().where(PERIOD.contract_id == CONTRACT.id).correlate(table_of(ServiceContract))
    foreign = POSTING.currency != CONTRACT.contract_currency
    told = or_(and_(accrued_whole, enrolled), foreign, not_(is_usable(POSTING.accrued_amount)))
    of_contract = select(case((func.count(case((told, 1))) == 0, sum_of_cents(POSTING.accrued_amount))))
    return of_contract.where(POSTING.contract_accrual_id == STATE.id).scalar_subquery()


def _sum_of_documents(amount: ColumnElement[Any], last: date) -> ColumnElement[int]:
    """In cents up to the day `last`; null if any document is not as it should be, a later one too."""
    sound = and_(
        DOCUMENT.currency == CONTRACT.contract_currency, _is_whole_cents(amount), _is_day(DOCUMENT.invoice_date)
    )
    counted = case((sound, case((DOCUMENT.invoice_date <= last, cents(amount)), else_=0)))
    of_contract = DOCUMENT.service_contract_id == CONTRACT.id, DOCUMENT.voided_at.is_(None)
    all_sound = case((func.count() == func.count(counted), func.coalesce(func.sum(counted), 0)))
    return select(all_sound).select_from(table_of(Invoice)).where(*of_contract).scalar_subquery()


def _periods_are_sound() -> ColumnElement[bool]:
    sound = and_(
        PERIOD.status.in_(list(PeriodStatus)),
        _is_day(PERIOD.start_date),
        _is_day(PERIOD.end_date),
        PERIOD.start_date <= PERIOD.end_date,
        _is_day_or_null(PERIOD.status_change_date),
        _is_day_or_null(PERIOD.created_on),
    )
    return not_(exists().where(PERIOD.contract_id == CONTRACT.id, PERIOD.voided_at.is_(None), sound.is_not(true())))


def _page_is_sound() -> ColumnElement[bool]:
    sound = _is_day_or_null(PAGE.educational_status_date)
    of_client = PAGE.client_id == CONTRACT.client_id, PAGE.system == System.NOTION
    return not_(exists().where(*of_client, sound.is_not(true())))
