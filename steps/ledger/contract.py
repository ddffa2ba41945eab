"""Contracts and their documents: invoices and credit notes, as the vendor sent them and as they count.

A contract is one client buying one service; what it is worth is recomputed from its documents. Which contract a
document belongs to is at the end (`link_documents`, `relink_credit_notes`).
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from sqlalchemy import Column, Index, UniqueConstraint, delete, select
from sqlmodel import Field, Session, SQLModel, col

from steps.errors import RecordRejectedError
from steps.ledger.accrual import AccrualStatus, ContractAccrual
from steps.ledger.money import ZERO
from steps.ledger.upsert import Row, chunks, merge_rows, select_in, set_by_id
from tracking.encryption import EncryptedJson
from tracking.models import UtcDateTime, money, utc_now


class ContractStatus(StrEnum):
    """`ACTIVE` until the accruals close or cancel it (docs/accrual-rules.md, The decision)."""

    ACTIVE = "ACTIVE"
    CANCELED = "CANCELED"
    CLOSED = "CLOSED"


class ServiceContract(SQLModel, table=True):
    """One per (client, service). `contract_date` is the date of its first document that is not void."""

    __tablename__ = "service_contract"
    __table_args__ = (
        UniqueConstraint("client_id", "service_id", name="uq_service_contract"),
        Index("ix_service_contract_date", "contract_date"),
    )

    id: int | None = Field(default=None, primary_key=True)
    service_id: int = Field(foreign_key="service.id")
    client_id: int = Field(foreign_key="client.id")
    contract_date: date
    contract_amount: Decimal = Field(default=ZERO, sa_type=money())
    contract_currency: str
    status: str = ContractStatus.ACTIVE


class DocumentKind(StrEnum):
    """Two document types of Holded; a credit note counts negative."""

    INVOICE = "invoice"
    CREDIT_NOTE = "credit_note"


OPENING_BALANCE = "opening_balance"
"""The kind of a document that no vendor has: what was deferred of a contract when the ledger began."""


class OpeningBalances(SQLModel, table=True):
    """One file of opening balances that was loaded; its documents are `opening_balance-<id>-<line>`. Never deleted."""

    __tablename__ = "opening_balances"

    id: int | None = Field(default=None, primary_key=True)
    month: date
    """First day of the first month: the date of its documents."""
    file_name: str
    file_hash: str
    """SHA-256 of its text."""
    contracts: int
    who: str
    reason: str
    at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)
    reverted_by: str | None = None
    reverted_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    revert_reason: str | None = None


class Invoice(SQLModel, table=True):
    """One document. Without a contract it still counts in the totals, as a line of its own."""

    __tablename__ = "invoice"
    __table_args__ = (
        Index("ix_invoice_date", "invoice_date"),
        Index("ix_invoice_contract", "service_contract_id"),
        Index("ix_invoice_source", "source_external_id"),
    )

    id: int | None = Field(default=None, primary_key=True)
    external_id: str = Field(unique=True)
    kind: str
    client_id: int | None = Field(default=None, foreign_key="client.id")
    service_contract_id: int | None = Field(default=None, foreign_key="service_contract.id")
    source_external_id: str | None = None
    """For a credit note, the id of the invoice it was made from (which may come later, or never)."""
    invoice_number: str | None = None
    invoice_date: date
    due_date: date | None = None
    total_amount: Decimal = Field(sa_type=money())
    net_amount: Decimal = Field(sa_type=money())
    """Total less tax; credit notes negative in both."""
    currency: str
    """Upper case, such as `EUR`."""
    status: str
    """The vendor's own, raw: its meaning is disputed (docs/vendors.md, Holded)."""
    voided_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    """Since when the vendor no longer lists it; a void document counts nowhere."""
    original_data: dict[str, Any] = Field(sa_column=Column(EncryptedJson("invoice.original_data"), nullable=False))


def clientless_documents(session: Session, contact_ids: Collection[str]) -> list[tuple[date, str]]:
    """Day and contact of each document that names one of these contacts and is kept without a client.

    The vendor's record is looked at here, not in the database: there it may be encrypted.
    """
    if not contact_ids:
        return []
    counted = col(Invoice.client_id).is_(None), col(Invoice.voided_at).is_(None)
    query = select(col(Invoice.invoice_date), col(Invoice.original_data)).where(*counted)
    return [(day, record["contact"]) for day, record in session.execute(query) if record.get("contact") in contact_ids]


AmountCounted = Callable[[Row], Decimal]
"""What a document counts, given its `total_amount` and `net_amount` (`SYNC_ACCRUAL_BASIS`)."""

_DOCUMENT = (
    Invoice.service_contract_id,
    Invoice.external_id,
    Invoice.invoice_date,
    Invoice.currency,
    Invoice.total_amount,
    Invoice.net_amount,
    Invoice.voided_at,
)
_CONTRACT = (
    ServiceContract.id,
    ServiceContract.client_id,
    ServiceContract.service_id,
    ServiceContract.contract_date,
    ServiceContract.contract_amount,
    ServiceContract.contract_currency,
)
_STATE = (
    ContractAccrual.contract_id,
    ContractAccrual.accrued_amount,
    ContractAccrual.sessions_accrued,
    ContractAccrual.last_month,
    ContractAccrual.currency,
)


def recompute_contracts(
    session: Session, contract_ids: Iterable[int], amount_counted: AmountCounted
) -> list[RecordRejectedError]:
    """Bring contracts up to date after their documents changed.

    `contract_date` is the date of the first document that is not void; where none is left, that of the first void one,
    in whichever order they became void. The amount of such a contract is 0. Sums are made here, in Decimals: SQLite
    would add binary floats. The status is the accruals' and is not touched, except for a contract that has no document
    left, or that has one again.

    Returns:
        A problem for each contract that has no document left.
    """
    wanted = sorted(set(contract_ids))
    documents: dict[int, list[Row]] = defaultdict(list)
    void: dict[int, list[Row]] = defaultdict(list)
    for row in select_in(session, _DOCUMENT, Invoice.service_contract_id, wanted):
        (documents if row["voided_at"] is None else void)[row["service_contract_id"]].append(row)
    contracts = sorted(select_in(session, _CONTRACT, ServiceContract.id, wanted), key=lambda row: row["id"])
    rows = [
        contract | _totals(documents[contract["id"]], void[contract["id"]], amount_counted) for contract in contracts
    ]
    merge_rows(session, ServiceContract, rows, ("id",), {(contract["id"],): contract for contract in contracts})
    emptied = [contract for contract in contracts if not documents[contract["id"]]]
    _reopen_contracts(session, (contract["id"] for contract in contracts if documents[contract["id"]]))
    return _close_contracts(session, emptied)


def _close_contracts(session: Session, contracts: Sequence[Row]) -> list[RecordRejectedError]:
    """Cancel contracts without documents: there is nothing left to accrue.

    What was accrued stays, and makes `remaining_amount_to_accrue` negative: the next month that is accrued posts it
    back (docs/accrual-rules.md, The decision: row 5). The accruals then do not touch the contract again, until it has a
    document (row 6).
    """
    ids = [contract["id"] for contract in contracts]
    states = {row["contract_id"]: row for row in select_in(session, _STATE, ContractAccrual.contract_id, ids)}
    closed = [_closed_state(contract, states.get(contract["id"])) for contract in contracts]
    merge_rows(session, ContractAccrual, closed, ("contract_id",))
    set_by_id(session, ServiceContract, "status", dict.fromkeys(ids, ContractStatus.CANCELED.value))
    # Without documents its postings alone say in which currency it is: row 5 gives them back in their own.
    set_by_id(session, ServiceContract, "contract_currency", {row["contract_id"]: row["currency"] for row in closed})
    return [
        _without_documents(contract | {"contract_currency": state["currency"]}, state["accrued_amount"])
        for contract, state in zip(contracts, closed, strict=True)
    ]


def _closed_state(contract: Row, state: Row | None) -> Row:
    accrued, sessions = (state["accrued_amount"], state["sessions_accrued"]) if state else (ZERO, 0)
    return {
        "contract_id": contract["id"],
        "total_to_accrue": ZERO,
        "accrued_amount": accrued,
        "remaining_amount_to_accrue": -accrued,
        "total_sessions_to_accrue": sessions,
        "sessions_accrued": sessions,
        "remaining_sessions_to_accrue": 0,
        "accrual_status": AccrualStatus.COMPLETED.value,
        "last_month": state["last_month"] if state else None,
        "currency": state["currency"] if state and accrued else contract["contract_currency"],
    }


def _reopen_contracts(session: Session, contract_ids: Iterable[int]) -> None:
    """Make contracts that have a document again as if they had never been without.

    Those that the accruals never decided about, that is: `COMPLETED` without a month is what `_close_contracts` leaves.
    The others are reopened by the accruals (docs/accrual-rules.md, The decision: row 6).
    """
    closed_here = col(ContractAccrual.last_month).is_(None), ContractAccrual.accrual_status == AccrualStatus.COMPLETED
    states = select_in(session, (ContractAccrual.contract_id,), ContractAccrual.contract_id, contract_ids, *closed_here)
    ids = [row["contract_id"] for row in states]
    set_by_id(session, ServiceContract, "status", dict.fromkeys(ids, ContractStatus.ACTIVE.value))
    for some in chunks(ids):
        session.execute(delete(ContractAccrual).where(col(ContractAccrual.contract_id).in_(some)))


def _without_documents(contract: Row, accrued: Decimal) -> RecordRejectedError:
    message = f"contract {contract['id']} has no document any more: it is canceled and keeps no enrollment"
    if accrued:
        message += f"; the next month that is accrued takes back the {accrued} {contract['contract_currency']} accrued"
    ours = {name: contract[name] for name in ("client_id", "service_id", "contract_currency")}
    return RecordRejectedError("service_contract", str(contract["id"]), message, **ours, accrued_amount=str(accrued))


def _totals(documents: list[Row], void: list[Row], amount_counted: AmountCounted) -> Row:
    amount = sum((amount_counted(row) for row in documents), ZERO)
    if not documents:
        return {"contract_amount": amount} | (
            {"contract_date": min(row["invoice_date"] for row in void)} if void else {}
        )
    first = min(documents, key=_order)
    return {
        "contract_amount": amount,
        "contract_date": first["invoice_date"],
        "contract_currency": first["currency"],
    }


def _order(row: Row) -> tuple[object, str]:
    return row["invoice_date"], row["external_id"]


Pair = tuple[int, int]
"""Client id and service id."""

_PAIRED_CONTRACT = (ServiceContract.id, ServiceContract.client_id, ServiceContract.service_id)
_LINKED_DOCUMENT = (
    Invoice.id,
    Invoice.external_id,
    Invoice.kind,
    Invoice.invoice_date,
    Invoice.currency,
    Invoice.service_contract_id,
)


@dataclass(frozen=True)
class Place:
    """A contract as a document sees it."""

    contract_id: int | None
    currency: str

    def admits(self, row: Row) -> bool:
        """Whether a document may be added to what is there."""
        return self.contract_id is None or row["currency"] == self.currency

    def refusal(self, row: Row) -> RecordRejectedError:
        """The problem of a document that is not admitted."""
        return RecordRejectedError(
            row["kind"],
            row["external_id"],
            f"{row['kind']} {row['external_id']} is in {row['currency']}, its contract {self.contract_id} in"
            f" {self.currency}: kept without contract",
            row.get("original_data"),
        )


@dataclass
class Places:
    """Where documents belong."""

    by_pair: dict[Pair, Place] = field(default_factory=dict)
    put_out: list[Row] = field(default_factory=list)
    """Documents of other windows that must leave, because an earlier one has another currency."""
    problems: list[RecordRejectedError] = field(default_factory=list)


def find_places(session: Session, rows: Mapping[Pair, list[Row]], at_hand: Collection[str]) -> Places:
    """The contract of each pair, made if missing; `rows` are the documents that name the pair by their own lines.

    Of those at hand (ids), which are being imported, the ledger is out of date.
    """
    known = select_in(session, _PAIRED_CONTRACT, (ServiceContract.client_id, ServiceContract.service_id), rows)
    stored: dict[Pair, int] = {(row["client_id"], row["service_id"]): row["id"] for row in known}
    counts = col(Invoice.voided_at).is_(None)
    others: dict[int | None, list[Row]] = defaultdict(list)
    for row in select_in(session, _LINKED_DOCUMENT, Invoice.service_contract_id, stored.values(), counts):
        if row["external_id"] not in at_hand:
            others[row["service_contract_id"]].append(row)
    first = {pair: min([*mine, *others[stored.get(pair)]], key=_order) for pair, mine in rows.items()}
    new = [
        {
            "client_id": pair[0],
            "service_id": pair[1],
            "contract_date": first[pair]["invoice_date"],
            "contract_amount": ZERO,  # summed up once its documents are written (`recompute_contracts`)
            "contract_currency": first[pair]["currency"],
        }
        for pair in rows
        if pair not in stored
    ]
    merge = merge_rows(session, ServiceContract, new, ("client_id", "service_id"))
    ids = stored | {(key[0], key[1]): contract_id for key, contract_id in merge.ids.items()}
    places = Places({pair: Place(ids[pair], first[pair]["currency"]) for pair in rows})
    for place in places.by_pair.values():
        leaving = [row for row in others[place.contract_id] if not place.admits(row)]
        places.put_out += leaving
        places.problems += map(place.refusal, leaving)
    return places


_LINK = (
    Invoice.id,
    Invoice.external_id,
    Invoice.kind,
    Invoice.source_external_id,
    Invoice.currency,
    Invoice.service_contract_id,
)
_Sources = dict[str | None, Place]


@dataclass(frozen=True)
class LinkableDocument:
    """A document's row of the `invoice` table, and the service that its lines name, if any."""

    row: Row
    service_id: int | None

    @property
    def pair(self) -> Pair | None:
        """The contract it belongs to by its own lines."""
        client_id = self.row["client_id"]
        return None if client_id is None or self.service_id is None else (client_id, self.service_id)

    @property
    def source(self) -> str | None:
        """The invoice it was made from, if it is a credit note."""
        return self.row["source_external_id"] if self.row["kind"] == DocumentKind.CREDIT_NOTE else None


@dataclass
class Linking:
    """What linking did besides filling in rows."""

    moved: int = 0
    """Documents of other windows that were written."""
    contract_ids: set[int] = field(default_factory=set)
    """The contracts that won or lost one of those."""
    problems: list[RecordRejectedError] = field(default_factory=list)

    def place(self, row: Row, place: Place) -> int | None:
        """The contract of a document at that place; none, and a problem, if the currencies differ."""
        if place.admits(row):
            return place.contract_id
        self.problems.append(place.refusal(row))
        return None

    def move(self, session: Session, rows: Sequence[Row], contract_ids: Sequence[int | None]) -> None:
        """Link documents that are in the ledger already."""
        pairs = [(row, contract_id) for row, contract_id in zip(rows, contract_ids, strict=True)]
        changed = [(row, contract_id) for row, contract_id in pairs if row["service_contract_id"] != contract_id]
        set_by_id(session, Invoice, "service_contract_id", {row["id"]: contract_id for row, contract_id in changed})
        self.moved += len(changed)
        touched = {each for row, new in changed for each in (row["service_contract_id"], new)}
        self.contract_ids.update(each for each in touched if each is not None)


def link_documents(session: Session, documents: Sequence[LinkableDocument], gone: Collection[str] = ()) -> Linking:
    """Fill in `service_contract_id` of each row, making the contracts that are missing; the rows are not written.

    A note of an invoice that is void, or among the ids that are `gone` at the vendor, goes by its own lines: as where
    that invoice was never seen.
    """
    linking = Linking()
    sources = {source: place for source, place in _sources(session, documents).items() if source not in gone}
    own = [document for document in documents if document.source not in sources]
    naming: dict[Pair, list[Row]] = defaultdict(list)
    for document in own:
        if document.pair is not None:
            naming[document.pair].append(document.row)
    places = find_places(session, naming, {document.row["external_id"] for document in documents})
    linking.problems += places.problems
    linking.move(session, places.put_out, [None] * len(places.put_out))
    for document in own:
        if document.pair is not None:
            document.row["service_contract_id"] = linking.place(document.row, places.by_pair[document.pair])
    sources |= {each.row["external_id"]: _place(each.row) for each in own if each.row["kind"] == DocumentKind.INVOICE}
    for document in documents:
        if place := sources.get(document.source):
            document.row["service_contract_id"] = linking.place(document.row, place)
    return linking


def relink_credit_notes(session: Session, invoice_ids: Iterable[str]) -> Linking:
    """Let credit notes of other windows follow their invoices, which have just been written."""
    linking = Linking()
    invoices = select_in(session, _LINK, Invoice.external_id, invoice_ids, Invoice.kind == DocumentKind.INVOICE)
    places = {row["external_id"]: _place(row) for row in invoices}
    notes = select_in(session, _LINK, Invoice.source_external_id, places, Invoice.kind == DocumentKind.CREDIT_NOTE)
    linking.move(session, notes, [linking.place(note, places[note["source_external_id"]]) for note in notes])
    return linking


def _place(row: Row) -> Place:
    """Where whatever was made from this document belongs."""
    return Place(row["service_contract_id"], row["currency"])


def _sources(session: Session, documents: Sequence[LinkableDocument]) -> _Sources:
    """The invoices that credit notes at hand were made from; those at hand themselves have no place yet."""
    wanted = {document.source for document in documents} - {None}
    at_hand: _Sources = {
        document.row["external_id"]: _place(document.row)
        for document in documents
        if document.row["kind"] == DocumentKind.INVOICE and document.row["external_id"] in wanted
    }
    elsewhere = wanted - at_hand.keys()
    counts = Invoice.kind == DocumentKind.INVOICE, col(Invoice.voided_at).is_(None)
    stored = select_in(session, _LINK, Invoice.external_id, elsewhere, *counts)
    return at_hand | {row["external_id"]: _place(row) for row in stored}
