"""Contracts as people look them up, and the whole story of one: documents, enrollment, postings, what is deferred."""

import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Any

from sqlalchemy import func, select
from sqlmodel import Session, col

from steps.engine.load import accrued_whole
from steps.errors import UsageError
from steps.ledger.accrual import ADJUSTMENT, AccruedPeriod, ContractAccrual
from steps.ledger.client import Client, ClientExternalId, normalize_email
from steps.ledger.contract import DocumentKind, Invoice, ServiceContract
from steps.ledger.money import ZERO
from steps.ledger.months import MonthWindow, last_of_month, next_month
from steps.ledger.movements import counted_amount, from_cents, sum_of_cents
from steps.ledger.service import PeriodStatus, ServicePeriod
from steps.ledger.upsert import select_in
from steps.reports.monthly import ContractName, contract_names
from steps.reports.waterfall import read_deferred
from steps.settings import SyncSettings


@dataclass(frozen=True, slots=True)
class ContractLine:
    """A contract in a list. The amounts are in its accrual's currency, which is that of what was posted."""

    name: ContractName
    status: str
    contract_date: date
    currency: str
    total: Decimal
    accrued: Decimal
    remaining: Decimal
    last_month: date | None
    """Of the last posting, completion or reopening."""


def find_contracts(session: Session, text: str = "") -> tuple[ContractLine, ...]:
    """The contracts that a text means, in order of client; an empty text means all.

    It is a part of the client's name, a whole email, the beginning of a document's number, or the whole id of a
    contract, or of a client, document or enrollment at a vendor. Names are compared here: they may be encrypted.
    """
    wanted = None if not text.strip() else _contracts_meant(session, text.strip())
    columns: tuple[Any, ...] = (
        col(ServiceContract.id).label("id"),
        col(ServiceContract.status).label("status"),
        col(ServiceContract.contract_date).label("contract_date"),
    )
    every = wanted if wanted is not None else set(session.scalars(select(columns[0])))
    rows = select_in(session, columns, ServiceContract.id, every)
    ids: list[int] = [row["id"] for row in rows]
    names = contract_names(session, ids)
    found = select_in(session, _STATE, ContractAccrual.contract_id, ids)
    states = {state.pop("contract_id"): state for state in map(dict, found)}
    lines = (
        ContractLine(
            names[row["id"]],
            row["status"],
            row["contract_date"],
            **(states.get(row["id"]) or _NEVER_ACCRUED | {"currency": names[row["id"]].currency}),
        )
        for row in rows
    )
    return tuple(sorted(lines, key=lambda line: (plain(line.name.client), line.name.id)))


_STATE: tuple[Any, ...] = (
    col(ContractAccrual.contract_id).label("contract_id"),
    col(ContractAccrual.currency).label("currency"),
    col(ContractAccrual.total_to_accrue).label("total"),
    col(ContractAccrual.accrued_amount).label("accrued"),
    col(ContractAccrual.remaining_amount_to_accrue).label("remaining"),
    col(ContractAccrual.last_month).label("last_month"),
)
_NEVER_ACCRUED: dict[str, Any] = {"total": ZERO, "accrued": ZERO, "remaining": ZERO, "last_month": None}


def plain(text: str) -> str:
    """Without accents and letter case: as people type a name."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(letter for letter in decomposed if not unicodedata.combining(letter))


def _contracts_meant(session: Session, text: str) -> set[int]:
    needle, email = plain(text), normalize_email(text)
    names = session.execute(select(col(Client.id), col(Client.name)))
    clients = {number for number, name in names if needle in plain(name)}
    if email:
        clients |= set(session.scalars(select(col(Client.id)).where(col(Client.identifier) == email)))
    own_ids = select(col(ClientExternalId.client_id)).where(col(ClientExternalId.external_id) == text)
    clients |= set(session.scalars(own_ids))
    number = func.lower(col(Invoice.invoice_number))
    of_document = number.startswith(text.lower(), autoescape=True) | (col(Invoice.external_id) == text)
    of_period = col(ServicePeriod.external_id) == text.lower()
    contracts = set(session.scalars(select(col(Invoice.service_contract_id)).where(of_document)))
    contracts |= set(session.scalars(select(col(ServicePeriod.contract_id)).where(of_period)))
    if text.isdecimal() and int(text) <= LARGEST_ID:
        contracts.add(int(text))
    of_client = select_in(session, (col(ServiceContract.id).label("id"),), ServiceContract.client_id, sorted(clients))
    return {contract for contract in contracts if contract is not None} | {row["id"] for row in of_client}


LARGEST_ID = 2**31 - 1


class EntryKind(StrEnum):
    """What a line of a contract's story is about."""

    INVOICE = "invoice"
    CREDIT_NOTE = "credit_note"
    VOIDED = "voided"
    """A document that counts no more."""
    PERIOD_STARTS = "period_starts"
    PERIOD_CHANGES = "period_changes"
    PERIOD_ENDS = "period_ends"
    POSTED = "posted"
    ADJUSTED = "adjusted"


@dataclass(frozen=True, slots=True)
class Entry:
    """One line, on its day; a posting is on the last day of its month."""

    day: date
    kind: EntryKind
    what: str
    """The document's number, the cohort, or the rule of the decision table."""
    note: str = ""
    """The vendor's status, the new status of a period, or why and by whom it was adjusted."""
    currency: str = ""
    amount: Decimal | None = None
    """What it adds to the deferred revenue: documents as they count, postings negative; None: it is no movement."""
    deferred: Decimal | None = None
    """What is deferred after it, in its currency."""
    month: date | None = None
    """Of a posting."""


@dataclass(frozen=True, slots=True)
class ContractStory:
    """Everything that the ledger knows of a contract, by day."""

    line: ContractLine
    external_ids: tuple[tuple[str, str], ...]
    """System and id of the client there."""
    notion_status: tuple[str, date | None] | None
    entries: tuple[Entry, ...]
    accrued_before_enrollment: bool
    """Nobody has adjusted or dismissed it yet."""

    @property
    def deferred(self) -> dict[str, Decimal]:
        """What is deferred after the last entry, by currency."""
        return {entry.currency: entry.deferred for entry in self.entries if entry.deferred is not None}


def contract_story(session: Session, contract_id: int, settings: SyncSettings) -> ContractStory:
    """The story of a contract.

    Raises:
        UsageError: there is no such contract.
    """
    line = next((one for one in find_contracts(session, str(contract_id)) if one.name.id == contract_id), None)
    contract = session.get(ServiceContract, contract_id)
    if line is None or contract is None:
        raise UsageError(f"there is no contract {contract_id}: `sync-actions report accruals` lists them")
    own = select(ClientExternalId).where(col(ClientExternalId.client_id) == contract.client_id)
    ids = session.scalars(own.order_by(col(ClientExternalId.system), col(ClientExternalId.external_id))).all()
    status = next(
        ((each.educational_status, each.educational_status_date) for each in ids if each.educational_status), None
    )
    entries = (
        *_documents(session, contract_id, settings),
        *_periods(session, contract_id),
        *_posted(session, contract_id),
    )
    whole = session.execute(accrued_whole(col(ContractAccrual.contract_id) == contract_id, date.max)).first()
    systems = tuple((each.system, each.external_id) for each in ids)
    return ContractStory(line, systems, status, tuple(_with_deferred(entries)), whole is not None)


_ORDER = {kind: place for place, kind in enumerate(EntryKind)}


def _with_deferred(entries: tuple[Entry, ...]) -> Iterator[Entry]:
    deferred: dict[str, Decimal] = defaultdict(lambda: ZERO)
    for entry in sorted(entries, key=lambda each: (each.day, _ORDER[each.kind])):
        if entry.amount is None:
            yield entry
            continue
        deferred[entry.currency] += entry.amount
        yield replace(entry, deferred=deferred[entry.currency])


def _documents(session: Session, contract_id: int, settings: SyncSettings) -> Iterator[Entry]:
    columns = (
        col(Invoice.invoice_date),
        col(Invoice.kind),
        col(Invoice.invoice_number),
        col(Invoice.external_id),
        col(Invoice.currency),
        counted_amount(settings),
        col(Invoice.voided_at),
    )
    documents = select(*columns).where(col(Invoice.service_contract_id) == contract_id).order_by(col(Invoice.id))
    for day, kind, number, external_id, currency, amount, voided_at in session.execute(documents):
        voided = voided_at is not None
        yield Entry(
            day,
            EntryKind.VOIDED if voided else EntryKind(kind),
            number or external_id,
            external_id if number else "",
            currency,
            None if voided else amount,
        )


def _periods(session: Session, contract_id: int) -> Iterator[Entry]:
    periods = select(ServicePeriod).where(col(ServicePeriod.contract_id) == contract_id).order_by(col(ServicePeriod.id))
    for period in session.scalars(periods):
        if period.voided_at is not None:
            continue
        yield Entry(period.start_date, EntryKind.PERIOD_STARTS, period.external_id)
        if period.status != PeriodStatus.ACTIVE:
            day = period.status_change_date or period.end_date
            yield Entry(day, EntryKind.PERIOD_CHANGES, period.external_id, period.status)
        yield Entry(period.end_date, EntryKind.PERIOD_ENDS, period.external_id)


def _posted(session: Session, contract_id: int) -> Iterator[Entry]:
    postings = (
        select(AccruedPeriod, col(ServicePeriod.external_id))
        .join(ContractAccrual, col(ContractAccrual.id) == AccruedPeriod.contract_accrual_id)
        .outerjoin(ServicePeriod, col(ServicePeriod.id) == AccruedPeriod.service_period_id)
        .where(col(ContractAccrual.contract_id) == contract_id)
        .order_by(col(AccruedPeriod.id))
    )
    for posting, period in session.execute(postings):
        adjusted = posting.rule == ADJUSTMENT
        yield Entry(
            last_of_month(posting.accrual_date),
            EntryKind.ADJUSTED if adjusted else EntryKind.POSTED,
            posting.rule,
            f"{posting.made_by}: {posting.reason}" if adjusted else (period or ""),
            posting.currency,
            -posting.accrued_amount,
            month=posting.accrual_date,
        )


@dataclass(frozen=True, slots=True)
class ContractMovement:
    """One contract over months, in one currency: opening + invoiced - credited - accrued - adjusted = closing."""

    name: ContractName
    currency: str
    opening: Decimal
    invoiced: Decimal
    credited: Decimal
    accrued: Decimal
    adjusted: Decimal
    closing: Decimal


def contract_movements(session: Session, window: MonthWindow, settings: SyncSettings) -> tuple[ContractMovement, ...]:
    """What the roll-forward of the window is made of, contract by contract, as the ledger is now."""
    last = next_month(window.end, -1)
    closing = read_deferred(session, last_of_month(last), settings)
    moved: dict[tuple[int, str], dict[str, Decimal]] = defaultdict(lambda: defaultdict(lambda: ZERO))
    contract, currency = col(Invoice.service_contract_id), col(Invoice.currency)
    keys = (contract, currency, col(Invoice.kind))
    documents = (
        select(*keys, sum_of_cents(counted_amount(settings)))
        .where(contract.is_not(None), col(Invoice.voided_at).is_(None))
        .where(col(Invoice.invoice_date) >= window.start, col(Invoice.invoice_date) < window.end)
        .group_by(*keys)
    )
    for contract_id, of, kind, cents in session.execute(documents):
        name = "credited" if kind == DocumentKind.CREDIT_NOTE else "invoiced"
        moved[contract_id, of][name] += from_cents(-cents if name == "credited" else cents)
    posted_keys = (col(ContractAccrual.contract_id), col(AccruedPeriod.currency), col(AccruedPeriod.rule))
    postings = (
        select(*posted_keys, sum_of_cents(AccruedPeriod.accrued_amount))
        .join(AccruedPeriod, col(AccruedPeriod.contract_accrual_id) == ContractAccrual.id)
        .where(col(AccruedPeriod.accrual_date) >= window.start, col(AccruedPeriod.accrual_date) < window.end)
        .group_by(*posted_keys)
    )
    for contract_id, of, rule, cents in session.execute(postings):
        moved[contract_id, of]["adjusted" if rule == ADJUSTMENT else "accrued"] += from_cents(cents)
    all_keys = moved.keys() | closing.keys()
    names = contract_names(session, {contract_id for contract_id, _ in all_keys})
    lines = (_movement(names[key[0]], key[1], moved[key], closing.get(key, ZERO)) for key in all_keys)
    return tuple(sorted(lines, key=lambda line: (line.currency, line.name.service, plain(line.name.client))))


def _movement(name: ContractName, currency: str, moved: Mapping[str, Decimal], closing: Decimal) -> ContractMovement:
    invoiced, credited, accrued, adjusted = (moved[each] for each in ("invoiced", "credited", "accrued", "adjusted"))
    opening = closing - invoiced + credited + accrued + adjusted
    return ContractMovement(name, currency, opening, invoiced, credited, accrued, adjusted, closing)
