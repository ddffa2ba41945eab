"""Contracts with everything that decides about them, read in chunks, a few queries each."""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from functools import lru_cache
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import (
    ARRAY,
    Column,
    ColumnElement,
    Integer,
    Join,
    Select,
    and_,
    bindparam,
    exists,
    func,
    not_,
    null,
    or_,
    select,
)
from sqlmodel import Session

from steps.engine.contract_month import (
    ACCRUED_WHOLE,
    AccrualInputs,
    AccrualRules,
    AccrualState,
    ContractFailureError,
    ContractInputs,
    DocumentInputs,
    NotionInputs,
    WholeAccrual,
)
from steps.engine.sessions import PeriodInputs, ServiceInputs, Span
from steps.engine.settled import CONTRACT, DOCUMENT, PAGE, PERIOD, POSTING, STATE, as_text
from steps.ledger.accrual import ADJUSTMENT, AccrualStatus, AccruedPeriod, ContractAccrual, Dismissal
from steps.ledger.client import ClientExternalId, System
from steps.ledger.contract import ContractStatus, ServiceContract
from steps.ledger.money import ZERO
from steps.ledger.movements import from_cents, sum_of_cents
from steps.ledger.service import PeriodStatus, Service, ServicePeriod
from steps.ledger.upsert import table_of
from steps.settings import AccrualMethod, SyncSettings

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
    accrual_currency: str | None
    settled: int | None
    """The cents accrued of a contract that is settled (`settled.py`); None: it is to be decided."""


@dataclass
class Chunk:
    """Contracts in order of their ids."""

    rows: list[DueRow] = field(default_factory=list)
    """Those to be decided."""
    settled: list[DueRow] = field(default_factory=list)

    def holds(self, session: Session, contract_id: Column[Any]) -> ColumnElement[bool]:
        """Whether a column is the id of one that is to be decided: one parameter, however many there are.

        The range lets either database walk an index of contracts, whatever it guesses; the list leaves out what lies
        between.
        """
        ids = [row.id for row in self.rows] or [0]
        between = contract_id.between(ids[0], ids[-1])
        if session.get_bind().dialect.name == "postgresql":
            return and_(between, contract_id == func.any(bindparam(None, ids, type_=ARRAY(Integer))))
        listed = func.json_each(json.dumps(ids)).table_valued("value")
        return and_(between, contract_id.in_(select(listed.c.value)))


def with_state() -> Join:
    """Contracts with their accrual state, those without one too."""
    return table_of(ServiceContract).outerjoin(table_of(ContractAccrual), STATE.contract_id == CONTRACT.id)


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
    STATE.currency,
)
_NOBODY: ColumnElement[Any] = null()


def due_chunks(
    session: Session, last_day: date, size: int = CHUNK, settled: ColumnElement[Any] = _NOBODY
) -> Iterator[Chunk]:
    """The contracts that had begun on a month's last day.

    Args:
        session: Is asked once for each `size` contracts.
        last_day: Of the month.
        size: How many contracts of a chunk are to be decided, at least, but for the last chunk.
        settled: Which are not to be decided (`settled_cents`); nobody: all are.
    """
    query, chunk = _due_rows(last_day, settled).limit(size), Chunk()
    page = session.execute(query).all()
    while page:
        for row in map(DueRow._make, page):
            (chunk.rows if row.settled is None else chunk.settled).append(row)
        if len(chunk.rows) >= size:
            yield chunk
            chunk = Chunk()
        page = session.execute(query.where(CONTRACT.id > page[-1][0])).all() if len(page) == size else []
    if chunk.rows or chunk.settled:
        yield chunk


def due_contract(session: Session, last_day: date, contract_id: int) -> Chunk | None:
    """One contract alone, as a chunk; None if it had not begun, or is none."""
    row = session.execute(_due_rows(last_day, _NOBODY).where(CONTRACT.id == contract_id)).first()
    return None if row is None else Chunk([DueRow._make(row)])


def _due_rows(last_day: date, settled: ColumnElement[Any]) -> Query:
    return select(*_COLUMNS, settled).select_from(with_state()).where(is_due(last_day)).order_by(CONTRACT.id)


Status = TypeVar("Status", bound=StrEnum)

CONTRACT_STATUS = {status.value: status for status in ContractStatus}
PERIOD_STATUS = {status.value: status for status in PeriodStatus}
ACCRUAL_STATUS = {status.value: status for status in AccrualStatus}


def read_day(text: str | None, what: str) -> date:
    """A date that must be there.

    Raises:
        ValueError: it is none; `what` names it.
    """
    try:
        return date.fromisoformat(text or "")
    except ValueError:
        raise ValueError(f"{what} is not a date: {text!r}") from None


def read_optional_day(text: str | None, what: str) -> date | None:
    """A date that may be missing."""
    return None if text is None else read_day(text, what)


def read_amount(text: str | None, what: str) -> Decimal:
    """An exact, finite amount: SQLite lets a column hold `sNaN`, with which nothing can even be compared."""
    try:
        amount = Decimal(text or "")
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite():
        raise ValueError(f"{what} is not a number: {text!r}")
    return amount


def read_count(number: object, what: str) -> int:
    """A whole number that is not negative (SQLite lets a column hold anything)."""
    if not isinstance(number, int) or number < 0:
        raise ValueError(f"{what} is not a count: {number!r}")
    return number


def read_status(text: str | None, known: Mapping[str, Status], what: str) -> Status:
    """One of the statuses of docs/accrual-rules.md, Words."""
    status = known.get(text or "")
    if status is None:
        raise ValueError(f"{what} has the unknown status {text!r}")
    return status


@dataclass(frozen=True)
class Posted:
    """The postings of a chunk as seen from a month."""

    month: date
    in_month: Set[int]
    """Contracts with a posting in the month."""
    earlier: Mapping[int, tuple[Decimal, int]]
    """Amount and sessions of the postings before the month, where the state is that of the month or a later one."""
    whole: Mapping[int, tuple[Decimal, str]]
    """Of contracts with an enrollment: what was accrued whole without one, and the date of the first such posting."""
    foreign: Mapping[int, tuple[str, ...]]
    """Of contracts whose documents are in another currency than what is posted: that."""

    def inputs(self, contract_id: int, state: AccrualState | None) -> AccrualInputs:
        """Seen from the month; `ledger_check.py` sees to it that a state is the sum of its postings."""
        if state is None:
            return AccrualInputs()
        if state.last_month is None or state.last_month < self.month:
            accrued, sessions = state.accrued, state.sessions_accrued
        else:
            accrued, sessions = self.earlier.get(contract_id, (ZERO, 0))
        posted, whole = contract_id in self.in_month, self._whole(contract_id)
        foreign = self.foreign.get(contract_id, ())
        return AccrualInputs(state.status, state.last_month, accrued, sessions, posted, whole, foreign)

    def _whole(self, contract_id: int) -> WholeAccrual | None:
        if contract_id not in self.whole:
            return None
        amount, first = self.whole[contract_id]
        return WholeAccrual(amount, read_day(first, "the month of a posting"))


def read_posted(session: Session, chunk: Chunk, month: date) -> Posted:
    """Three queries; of a month that is processed in its turn the second finds nothing to sum up.

    A fourth is needed only where documents came to another currency than their contract's state has.
    """
    adjusted = POSTING.rule == ADJUSTMENT
    # By contract and not by month, of which there are as many as there are contracts in all chunks before.
    posted = exists().where(POSTING.contract_accrual_id == STATE.id, POSTING.accrual_date == month, ~adjusted)
    wanted = chunk.holds(session, STATE.contract_id)
    in_month = select(STATE.contract_id).where(wanted, posted)
    sums = sum_of_cents(POSTING.accrued_amount), func.sum(POSTING.sessions_accrued)
    earlier = (
        _postings(wanted, STATE.contract_id, *sums)
        # An adjustment comes before what the table posts in its month.
        .where(STATE.last_month >= month, POSTING.accrual_date <= month)
        .where(or_(POSTING.accrual_date < month, adjusted))
        .group_by(STATE.contract_id)
    )
    return Posted(
        month,
        set(session.execute(in_month).scalars()),
        {
            contract_id: (from_cents(cents), int(sessions))
            for contract_id, cents, sessions in session.execute(earlier).all()
        },
        {
            contract_id: (from_cents(cents), first)
            for contract_id, cents, first in session.execute(accrued_whole(wanted, month)).all()
        },
        _posted_in_other_currencies(session, chunk),
    )


def _posted_in_other_currencies(session: Session, chunk: Chunk) -> dict[int, tuple[str, ...]]:
    """What adds up to 0.00 was given back (`adjust`), and is in nobody's way."""
    own = {row.id: row.currency for row in chunk.rows if row.accrual_currency not in (None, row.currency)}
    if not own:
        return {}
    cents = sum_of_cents(POSTING.accrued_amount)
    by_currency = (
        _postings(chunk.holds(session, STATE.contract_id), STATE.contract_id, POSTING.currency, cents)
        .where(STATE.contract_id.in_(own))
        .group_by(STATE.contract_id, POSTING.currency)
        .having(cents != 0)
        .order_by(POSTING.currency)
    )
    found: dict[int, tuple[str, ...]] = {}
    for contract_id, currency, amount in session.execute(by_currency).all():
        if currency != own[contract_id]:
            found[contract_id] = (*found.get(contract_id, ()), f"{from_cents(amount)} {currency}")
    return found


def accrued_whole(wanted: ColumnElement[bool], month: date) -> Query:
    """By contract, what was posted whole without an enrollment by the month's end, where there is an enrollment now.

    It is the one place that says for which contracts `accrued_before_enrollment` is told: what ends it (an adjustment,
    a dismissal) is a condition of this query.
    """
    enrolled = exists().where(PERIOD.contract_id == STATE.contract_id)
    other = table_of(AccruedPeriod).alias().c
    adjusted = exists().where(other.contract_accrual_id == STATE.id, other.rule == ADJUSTMENT)
    dismissal = table_of(Dismissal).c
    dismissed = exists().where(dismissal.contract_id == STATE.contract_id, dismissal.until >= POSTING.accrual_date)
    first = as_text(func.min(POSTING.accrual_date))
    return (
        _postings(wanted, STATE.contract_id, sum_of_cents(POSTING.accrued_amount), first)
        .where(POSTING.service_period_id.is_(None), POSTING.rule.in_(ACCRUED_WHOLE), POSTING.accrual_date <= month)
        .where(enrolled, ~adjusted, ~dismissed)
        .group_by(STATE.contract_id)
    )


def _postings(wanted: ColumnElement[bool], *columns: Any) -> Query:
    return (
        select(*columns)
        .join_from(table_of(ContractAccrual), table_of(AccruedPeriod), POSTING.contract_accrual_id == STATE.id)
        .where(wanted)
    )


Services = Mapping[int, ServiceInputs | ValueError]
"""By id. One that cannot be used holds the reason, so that its contracts fail and no others."""

_SERVICE = table_of(Service).c
_SERVICE_COLUMNS = _SERVICE.id, _SERVICE.total_sessions, _SERVICE.sessions_per_week, as_text(_SERVICE.class_weekdays)


def load_services(session: Session) -> Services:
    """Every service of the ledger."""
    return {service_id: _facts(*taught) for service_id, *taught in session.execute(select(*_SERVICE_COLUMNS))}


def service_of(services: Services, service_id: int) -> ServiceInputs:
    """The service of a contract.

    Raises:
        ValueError: it is not in the ledger, or cannot be used.
    """
    found = services.get(service_id)
    if found is None:
        raise ValueError(f"the contract's service {service_id} is not in the ledger")
    if isinstance(found, ValueError):
        raise found
    return found


def _facts(total_sessions: Any, sessions_per_week: Any, class_weekdays: str | None) -> ServiceInputs | ValueError:
    try:
        return ServiceInputs(
            read_count(total_sessions, "the service's total of sessions"),
            read_count(sessions_per_week, "the service's number of sessions a week"),
            _weekdays(class_weekdays),
        )
    except ValueError as reason:
        return reason


def _weekdays(text: str | None) -> frozenset[int] | None:
    try:
        days = json.loads(text or "null")
        return None if days is None else frozenset(read_count(day, "a class weekday") for day in days)
    except (ValueError, TypeError):
        raise ValueError(f"the service's class weekdays are not a list of days: {text!r}") from None


def load_holidays(session: Session, country: str | None) -> frozenset[date]:
    """The country's holidays in all years that any period reaches into; none without a country."""
    if country is None:
        return frozenset()
    period = table_of(ServicePeriod).c
    days = func.min(as_text(period.start_date)), func.max(as_text(period.end_date))
    first, last = session.execute(select(*days)).one()
    return holidays_of(country, _year(first, date.max.year), _year(last, date.min.year))


@lru_cache(maxsize=8)
def holidays_of(place: str, first_year: int, last_year: int) -> frozenset[date]:
    """The public holidays of a country, or of a country and a region of it (`ES-MD`), both years included."""
    import holidays  # most academies name no country, and reports load this module too

    country, _, region = place.partition("-")
    return frozenset(holidays.country_holidays(country, region or None, years=range(first_year, last_year + 1)))


def _year(day: str | None, otherwise: int) -> int:
    """Of the earliest or the latest day; a text that is no date may be either, and says nothing."""
    year = (day or "")[:4]
    return int(year) if year.isdecimal() else otherwise


def load_rules(session: Session, settings: SyncSettings) -> AccrualRules:
    """What `decide` is told besides a contract and a month."""
    holidays = load_holidays(session, settings.holidays_country)
    catch_up = settings.accrual_method is AccrualMethod.CATCH_UP
    return AccrualRules(settings.recent_days, settings.postponed_months, holidays, catch_up)


@dataclass(frozen=True, slots=True)
class LoadedContract:
    """A contract's inputs, and its state as the ledger has it now."""

    inputs: ContractInputs
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
        """Each contract of the chunk in its order, or why it cannot be read (docs/accrual-rules.md, Promise 6)."""
        known = _Known(
            self._by_contract(_documents(self.session, chunk, DOCUMENT[self.amount.key])),
            self._by_contract(_periods(self.session, chunk)),
            self._by_contract(_pages(self.session, chunk)),
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
        inputs = ContractInputs(
            row.id,
            read_day(row.contract_date, "the contract's date"),
            row.currency,
            read_status(row.status, CONTRACT_STATUS, "the contract"),
            tuple(self._documents_until_now(known.documents.get(row.id, ()))),
            tuple(map(_period, known.periods.get(row.id, ()))),
            service_of(self.services, row.service_id),
            _page(known.pages.get(row.id, ())),
            known.posted.inputs(row.id, state),
        )
        return LoadedContract(inputs, row.accrual_id, state)

    def _documents_until_now(self, rows: Sequence[StoredRow]) -> Iterator[DocumentInputs]:
        """Without later ones: garbage in a document that does not exist yet must not fail the month."""
        for _, text, amount, currency in rows:
            day = read_day(text, "the date of a document")
            if day <= self.month.last:
                yield DocumentInputs(day, read_amount(amount, f"the amount of the document of {day}"), currency)


@dataclass(frozen=True, slots=True)
class _Known:
    """What belongs to the contracts of a chunk, by contract."""

    documents: dict[int, list[StoredRow]]
    periods: dict[int, list[StoredRow]]
    pages: dict[int, list[StoredRow]]
    posted: Posted


def _documents(session: Session, chunk: Chunk, amount: ColumnElement[Any]) -> Query:
    contract_id = DOCUMENT.service_contract_id
    return (
        select(contract_id, as_text(DOCUMENT.invoice_date), as_text(amount), DOCUMENT.currency)
        .where(chunk.holds(session, contract_id), DOCUMENT.voided_at.is_(None))
        .order_by(contract_id, DOCUMENT.id)
    )


def _periods(session: Session, chunk: Chunk) -> Query:
    contract_id, period = PERIOD.contract_id, PERIOD
    dates = period.start_date, period.end_date, period.status_change_date, period.created_on
    days = (as_text(day) for day in dates)
    return (
        select(contract_id, period.id, period.external_id, period.status, *days)
        .where(chunk.holds(session, contract_id), period.voided_at.is_(None))
        .order_by(contract_id, period.id)
    )


def _pages(session: Session, chunk: Chunk) -> Query:
    return (
        select(CONTRACT.id, PAGE.educational_status, as_text(PAGE.educational_status_date))
        .join_from(table_of(ServiceContract), table_of(ClientExternalId), PAGE.client_id == CONTRACT.client_id)
        .where(chunk.holds(session, CONTRACT.id), PAGE.system == System.NOTION)
        .order_by(CONTRACT.id, PAGE.id)
    )


def _period(row: StoredRow) -> PeriodInputs:
    _, period_id, external_id, status, start, end, changed, created = row
    return PeriodInputs(
        period_id,
        external_id,
        read_day(start, f"the start of period {external_id}"),
        read_day(end, f"the end of period {external_id}"),
        read_status(status, PERIOD_STATUS, f"period {external_id}"),
        read_optional_day(changed, f"the status change of period {external_id}"),
        read_optional_day(created, f"the creation of period {external_id}"),
    )


def _page(rows: Sequence[StoredRow]) -> NotionInputs | None:
    """Of the client's page; the first if the ledger has several."""
    if not rows:
        return None
    _, status, day = rows[0]
    return NotionInputs(status, read_optional_day(day, "the date of the Notion page"))


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
        row.accrual_currency or "",
    )
