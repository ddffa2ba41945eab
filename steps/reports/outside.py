"""What is outside the totals, and which money a record in trouble is about: client, contract, amounts by currency."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

from sqlalchemy import select
from sqlmodel import Session, col

from steps.catalog import INVOICES
from steps.ledger.client import Client
from steps.ledger.contract import Invoice, ServiceContract
from steps.ledger.money import ZERO
from steps.ledger.months import MonthWindow
from steps.ledger.movements import counted_amount
from steps.ledger.upsert import select_in
from steps.reports.waterfall import read_deferred
from steps.settings import SyncSettings
from tracking.integration_errors import unresolved_errors
from tracking.models import IntegrationError

_CONTACT, _CONTACT_NAME = "contact", "contactName"
"""Of a document's own record: the id of the contact, and its name at that time (docs/vendors.md, Holded documents)."""


@dataclass(frozen=True, slots=True)
class OutsideDocument:
    """A document without a contract: it is in no total."""

    external_id: str
    day: date
    kind: str
    number: str | None
    contact: str
    """The id of its contact at the vendor."""
    client: str
    """Its name; that of the vendor's record, if it is nobody's."""
    currency: str
    amount: Decimal
    reason: str
    """What the import said of it; empty: it has no line of a service."""


def outside_documents(session: Session, settings: SyncSettings, window: MonthWindow | None) -> list[OutsideDocument]:
    """The documents that count and have no contract, of a window or all of them, by date."""
    columns = (
        col(Invoice.external_id),
        col(Invoice.invoice_date),
        col(Invoice.kind),
        col(Invoice.invoice_number),
        col(Invoice.original_data),
        col(Client.name),
        col(Invoice.currency),
        counted_amount(settings),
    )
    query = select(*columns).outerjoin(Client, col(Client.id) == Invoice.client_id)
    query = query.where(col(Invoice.service_contract_id).is_(None), col(Invoice.voided_at).is_(None))
    if window is not None:
        query = query.where(col(Invoice.invoice_date) >= window.start, col(Invoice.invoice_date) < window.end)
    errors = unresolved_errors(session, INVOICES.id)
    found = []
    for external_id, day, kind, number, record, client, currency, amount in session.execute(
        query.order_by(col(Invoice.invoice_date), col(Invoice.id))
    ):
        contact = str(record.get(_CONTACT) or "")
        name = client or str(record.get(_CONTACT_NAME) or "")
        error = errors.get((kind, external_id)) or errors.get(("contact", contact))
        reason = error.error_message if error else ""
        found.append(OutsideDocument(external_id, day, kind, number, contact, name, currency, amount, reason))
    return found


Amounts = Mapping[str, Decimal]
"""By currency; nothing is ever added across."""


@dataclass(slots=True)
class Stake:
    """What a record in trouble is about, as far as the ledger knows."""

    client: str = ""
    contract_id: int | None = None
    amounts: dict[str, Decimal] = field(default_factory=lambda: defaultdict(lambda: ZERO))
    """Of documents what they count, of everything else what is still deferred of its contracts."""


def read_stakes(session: Session, errors: Sequence[IntegrationError], settings: SyncSettings) -> dict[int, Stake]:
    """By the error's id."""
    stakes = {error.id or 0: Stake() for error in errors}
    if not errors:
        return stakes
    contracts = {error.id or 0: _contract_of(error) for error in errors}
    clients = {error.id or 0: _number(error.error_details, "client_id") for error in errors}
    _from_documents(session, errors, stakes, settings)
    _from_contracts(session, stakes, contracts, clients, settings)
    return stakes


def total_stakes(stakes: Iterable[Stake]) -> Amounts:
    """All of them together, by currency."""
    total: dict[str, Decimal] = defaultdict(lambda: ZERO)
    for stake in stakes:
        for currency, amount in stake.amounts.items():
            total[currency] += amount
    return dict(sorted(total.items()))


def _number(details: Any, name: str) -> int | None:
    value = details.get(name) if isinstance(details, dict) else None
    return value if isinstance(value, int) else None


def _contract_of(error: IntegrationError) -> int | None:
    if error.entity_type == "service_contract" and error.entity_external_id.isdecimal():
        return int(error.entity_external_id)
    return None if error.operation == INVOICES.id else _number(error.error_details, "contract_id")


def _from_documents(
    session: Session, errors: Sequence[IntegrationError], stakes: dict[int, Stake], settings: SyncSettings
) -> None:
    """Of a document itself, and of all documents of a contact that are nobody's."""
    own = {error.entity_external_id: error.id or 0 for error in errors if error.operation == INVOICES.id}
    columns: tuple[Any, ...] = (
        Invoice.external_id,
        Invoice.client_id,
        Invoice.service_contract_id,
        Invoice.currency,
        Invoice.voided_at,
        counted_amount(settings),
    )
    rows = select_in(session, columns, Invoice.external_id, own)
    names = _names(session, {row["client_id"] for row in rows if row["client_id"]})
    amount = columns[-1].key
    for row in rows:
        stake = stakes[own[row["external_id"]]]
        stake.client, stake.contract_id = names.get(row["client_id"], ""), row["service_contract_id"]
        if row["voided_at"] is None:
            stake.amounts[row["currency"]] += row[amount]
    contacts = [error for error in errors if error.entity_type == "contact"]
    for document in outside_documents(session, settings, None) if contacts else ():
        if document.contact in own:
            stake = stakes[own[document.contact]]
            stake.client = stake.client or document.client
            stake.amounts[document.currency] += document.amount
    for error in contacts:
        if not stakes[error.id or 0].client:
            stakes[error.id or 0].client = str(error.error_details.get("name") or "")


def _from_contracts(
    session: Session,
    stakes: dict[int, Stake],
    contracts: Mapping[int, int | None],
    clients: Mapping[int, int | None],
    settings: SyncSettings,
) -> None:
    """What is deferred of a contract, or of all contracts of a client."""
    if not any(contracts.values()) and not any(clients.values()):
        return
    deferred: dict[int, dict[str, Decimal]] = defaultdict(dict)
    for (contract, currency), left in read_deferred(session, date.max, settings).items():
        deferred[contract][currency] = left
    columns: tuple[Any, ...] = (ServiceContract.id, ServiceContract.client_id)
    wanted = {each for each in contracts.values() if each}
    rows = select_in(session, columns, ServiceContract.id, wanted)
    rows += select_in(session, columns, ServiceContract.client_id, {each for each in clients.values() if each})
    owner = {row["id"]: row["client_id"] for row in rows}
    names = _names(session, set(owner.values()))
    for error_id, stake in stakes.items():
        of_one, client = contracts[error_id], clients[error_id]
        of = [of_one] if of_one else [each for each, own in owner.items() if client and own == client]
        if not of:
            continue
        stake.contract_id = stake.contract_id or of[0]
        stake.client = stake.client or names.get(owner.get(of[0], 0), "")
        for each in of:
            for currency, left in deferred[each].items():
                stake.amounts[currency] += left


def _names(session: Session, clients: set[int]) -> dict[int, str]:
    rows = select_in(session, (Client.id, Client.name), Client.id, clients)
    return {row["id"]: row["name"] for row in rows}
