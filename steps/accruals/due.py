"""Which contracts are due in a month, read in chunks by ascending id: rows as they are stored, not yet believed."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Column, ColumnElement, Join, Select, String, and_, cast, not_, select
from sqlmodel import Session

from steps.domain.accrual import ContractAccrual
from steps.domain.contract import ServiceContract
from steps.domain.rows import table_of

# Tables and not models: rows come through the ORM half as fast.
CONTRACT = table_of(ServiceContract).c
STATE = table_of(ContractAccrual).c

CHUNK = 2_000
"""Contracts held in memory at a time, with all that belongs to them."""


StoredRow = tuple[Any, ...]
Query = Select[*tuple[Any, ...]]
"""Of stored rows, whose columns the reader takes apart."""


class DueRow(NamedTuple):
    """A contract with its accrual state, if it has one."""

    id: int
    client_id: int
    service_id: int
    contract_date: str
    currency: str
    status: str
    accrual_id: int | None
    accrual_status: str | None
    last_month: str | None
    total: str | None
    accrued: str | None
    remaining: str | None
    sessions_accrued: int | None
    sessions_remaining: int | None


@dataclass(frozen=True)
class Chunk:
    """Contracts with neighbouring ids."""

    rows: list[DueRow]
    last_day: date

    def holds(self, contract_id: Column[Any]) -> ColumnElement[bool]:
        """Whether a column is the id of one of them.

        The range lets either database walk an index, whatever it guesses; the subquery leaves out what lies between.
        """
        bounds = self.rows[0].id, self.rows[-1].id
        due = select(CONTRACT.id).where(CONTRACT.id.between(*bounds), is_due(self.last_day))
        return and_(contract_id.between(*bounds), contract_id.in_(due))


def with_state() -> Join:
    """Contracts with their accrual state, those without one too."""
    return table_of(ServiceContract).outerjoin(table_of(ContractAccrual), STATE.contract_id == CONTRACT.id)


def as_text(column: ColumnElement[Any]) -> ColumnElement[str]:
    """A date or an amount as its digits, the same on both databases.

    So it is exact, quick, and garbage in one row is a text that cannot be read, not the failure of a whole query.
    """
    return cast(column, String)


def is_due(last_day: date) -> ColumnElement[bool]:
    """Whether a contract had begun by then; a date that is none is due too, to be refused and reported."""
    return not_(CONTRACT.contract_date.between(last_day + timedelta(days=1), date.max))


_COLUMNS = (
    CONTRACT.id,
    CONTRACT.client_id,
    CONTRACT.service_id,
    as_text(CONTRACT.contract_date),
    CONTRACT.contract_currency,
    CONTRACT.status,
    STATE.id,
    STATE.accrual_status,
    as_text(STATE.last_month),
    as_text(STATE.total_to_accrue),
    as_text(STATE.accrued_amount),
    as_text(STATE.remaining_amount_to_accrue),
    STATE.sessions_accrued,
    STATE.remaining_sessions_to_accrue,
)


def due_chunks(session: Session, last_day: date, size: int = CHUNK) -> Iterator[Chunk]:
    """The contracts that had begun on a month's last day, a query per chunk."""
    query = _due_rows(last_day).limit(size)
    page = session.execute(query).all()
    while page:
        yield Chunk([DueRow._make(row) for row in page], last_day)
        if len(page) < size:
            return
        page = session.execute(query.where(CONTRACT.id > page[-1][0])).all()


def due_contract(session: Session, last_day: date, contract_id: int) -> Chunk | None:
    """One contract alone, as a chunk; None if it had not begun, or is none."""
    row = session.execute(_due_rows(last_day).where(CONTRACT.id == contract_id)).first()
    return None if row is None else Chunk([DueRow._make(row)], last_day)


def _due_rows(last_day: date) -> Query:
    return select(*_COLUMNS).select_from(with_state()).where(is_due(last_day)).order_by(CONTRACT.id)
