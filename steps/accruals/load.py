"""The facts of a chunk of contracts, by a number of queries that does not depend on how many there are."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, select
from sqlmodel import Session

from steps.accruals.due import CONTRACT, Chunk, DueRow, Query, StoredRow, as_text
from steps.accruals.facts import ContractFacts, DocumentFacts, NotionFacts, PeriodFacts
from steps.accruals.outcome import AccrualState, ContractFailureError
from steps.accruals.periods import Span
from steps.accruals.posted import Posted, read_posted
from steps.accruals.service_facts import Services, service_of
from steps.accruals.stored import (
    ACCRUAL_STATUS,
    CONTRACT_STATUS,
    PERIOD_STATUS,
    read_amount,
    read_count,
    read_day,
    read_optional_day,
    read_status,
)
from steps.domain.client import ClientExternalId, System
from steps.domain.contract import ServiceContract
from steps.domain.invoice import Invoice
from steps.domain.period import ServicePeriod
from steps.domain.rows import table_of

DOCUMENT = table_of(Invoice).c
_PERIOD = table_of(ServicePeriod).c
_PAGE = table_of(ClientExternalId).c


@dataclass(frozen=True, slots=True)
class LoadedContract:
    """A contract's facts, and its state as the ledger has it now."""

    facts: ContractFacts
    accrual_id: int | None
    state: AccrualState | None


@dataclass(frozen=True)
class Loader:
    """Reads as of today what the engine then sees as of `month`."""

    session: Session
    month: Span
    amount: Any
    """The column of a document's amount (`SYNC_ACCRUAL_BASIS`)."""
    services: Services

    def load(self, chunk: Chunk) -> Iterator[LoadedContract | ContractFailureError]:
        """Each contract of the chunk in its order, or why it cannot be read (accruals.md, promise 6)."""
        known = _Known(
            self._by_contract(_documents(chunk, DOCUMENT[self.amount.key])),
            self._by_contract(_periods(chunk)),
            self._by_contract(_pages(chunk)),
            read_posted(self.session, chunk, self.month.first),
        )
        for row in chunk.rows:
            try:
                yield self._contract(row, known)
            except ValueError as reason:
                yield ContractFailureError(row.id, str(reason))

    def _by_contract(self, query: Query) -> dict[int, list[StoredRow]]:
        """Rows by their first column."""
        rows: dict[int, list[StoredRow]] = defaultdict(list)
        for row in self.session.execute(query).all():
            rows[row[0]].append(row)
        return rows

    def _contract(self, row: DueRow, known: "_Known") -> LoadedContract:
        state = _state(row)
        facts = ContractFacts(
            row.id,
            read_day(row.contract_date, "the contract's date"),
            row.currency,
            read_status(row.status, CONTRACT_STATUS, "the contract"),
            tuple(self._documents_until_now(known.documents.get(row.id, ()))),
            tuple(map(_period, known.periods.get(row.id, ()))),
            service_of(self.services, row.service_id),
            _page(known.pages.get(row.id, ())),
            known.posted.facts(row.id, state),
        )
        return LoadedContract(facts, row.accrual_id, state)

    def _documents_until_now(self, rows: Sequence[StoredRow]) -> Iterator[DocumentFacts]:
        """Without later ones: garbage in a document that does not exist yet must not fail the month."""
        for _, text, amount, currency in rows:
            day = read_day(text, "the date of a document")
            if day <= self.month.last:
                yield DocumentFacts(day, read_amount(amount, f"the amount of the document of {day}"), currency)


@dataclass(frozen=True, slots=True)
class _Known:
    """What belongs to the contracts of a chunk, by contract."""

    documents: dict[int, list[StoredRow]]
    periods: dict[int, list[StoredRow]]
    pages: dict[int, list[StoredRow]]
    posted: Posted


def _documents(chunk: Chunk, amount: ColumnElement[Any]) -> Query:
    contract_id = DOCUMENT.service_contract_id
    return (
        select(contract_id, as_text(DOCUMENT.invoice_date), as_text(amount), DOCUMENT.currency)
        .where(chunk.holds(contract_id), DOCUMENT.voided_at.is_(None))
        .order_by(contract_id, DOCUMENT.id)
    )


def _periods(chunk: Chunk) -> Query:
    contract_id, period = _PERIOD.contract_id, _PERIOD
    dates = period.start_date, period.end_date, period.status_change_date, period.created_on
    days = (as_text(day) for day in dates)
    return (
        select(contract_id, period.id, period.external_id, period.status, *days)
        .where(chunk.holds(contract_id), period.voided_at.is_(None))
        .order_by(contract_id, period.id)
    )


def _pages(chunk: Chunk) -> Query:
    return (
        select(CONTRACT.id, _PAGE.educational_status, as_text(_PAGE.educational_status_date))
        .join_from(table_of(ServiceContract), table_of(ClientExternalId), _PAGE.client_id == CONTRACT.client_id)
        .where(chunk.holds(CONTRACT.id), _PAGE.system == System.NOTION)
        .order_by(CONTRACT.id, _PAGE.id)
    )


def _period(row: StoredRow) -> PeriodFacts:
    _, period_id, external_id, status, start, end, changed, created = row
    return PeriodFacts(
        period_id,
        external_id,
        read_day(start, f"the start of period {external_id}"),
        read_day(end, f"the end of period {external_id}"),
        read_status(status, PERIOD_STATUS, f"period {external_id}"),
        read_optional_day(changed, f"the status change of period {external_id}"),
        read_optional_day(created, f"the creation of period {external_id}"),
    )


def _page(rows: Sequence[StoredRow]) -> NotionFacts | None:
    """Of the client's page; the first if the ledger has several."""
    if not rows:
        return None
    _, status, day = rows[0]
    return NotionFacts(status, read_optional_day(day, "the date of the Notion page"))


def _state(row: DueRow) -> AccrualState | None:
    if row.accrual_id is None:
        return None
    return AccrualState(
        read_amount(row.total, "the total to accrue"),
        read_amount(row.accrued, "the accrued amount"),
        read_amount(row.remaining, "the remaining amount"),
        read_count(row.sessions_accrued, "the sessions accrued"),
        read_count(row.sessions_remaining, "the sessions remaining"),
        read_status(row.accrual_status, ACCRUAL_STATUS, "the accrual"),
        read_optional_day(row.last_month, "the last month accrued"),
    )
