"""Which contracts are due in a month, read in chunks by ascending id: rows as they are stored, not yet believed."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, String, and_, cast, not_, select
from sqlmodel import Session, col

from steps.domain.accrual import ContractAccrual
from steps.domain.contract import ServiceContract

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

    def holds(self, contract_id: Any) -> ColumnElement[bool]:
        """Whether a column is the id of one of them.

        The range lets either database walk an index, whatever it guesses; the subquery leaves out what lies between.
        """
        bounds = self.rows[0].id, self.rows[-1].id
        due = select(col(ServiceContract.id)).where(col(ServiceContract.id).between(*bounds), is_due(self.last_day))
        return and_(col(contract_id).between(*bounds), col(contract_id).in_(due))


def as_text(column: Any) -> ColumnElement[str]:
    """A date or an amount as its digits, the same on both databases.

    So it is exact, quick, and garbage in one row is a text that cannot be read, not the failure of a whole query.
    """
    return cast(col(column), String)


def is_due(last_day: date) -> ColumnElement[bool]:
    """Whether a contract had begun by then; a date that is none is due too, to be refused and reported."""
    return not_(col(ServiceContract.contract_date).between(last_day + timedelta(days=1), date.max))


_COLUMNS: tuple[Any, ...] = (
    ServiceContract.id,
    ServiceContract.client_id,
    ServiceContract.service_id,
    as_text(ServiceContract.contract_date),
    ServiceContract.contract_currency,
    ServiceContract.status,
    ContractAccrual.id,
    ContractAccrual.accrual_status,
    as_text(ContractAccrual.last_month),
    as_text(ContractAccrual.total_to_accrue),
    as_text(ContractAccrual.accrued_amount),
    as_text(ContractAccrual.remaining_amount_to_accrue),
    ContractAccrual.sessions_accrued,
    ContractAccrual.remaining_sessions_to_accrue,
)


def due_chunks(session: Session, last_day: date, size: int = CHUNK) -> Iterator[Chunk]:
    """The contracts that had begun on a month's last day, a query per chunk."""
    query: Query = (
        select(*_COLUMNS)
        .join(ContractAccrual, col(ContractAccrual.contract_id) == ServiceContract.id, isouter=True)
        .where(is_due(last_day))
        .order_by(col(ServiceContract.id))
        .limit(size)
    )
    page = list(session.execute(query))
    while page:
        yield Chunk([DueRow._make(row) for row in page], last_day)
        if len(page) < size:
            return
        page = list(session.execute(query.where(col(ServiceContract.id) > page[-1][0])))
