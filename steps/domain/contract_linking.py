"""From documents to contracts: one contract per (client, service) (interfaces.md, How records are matched).

A document goes to the contract of its client and of the service on its first service line. A credit note made from an
invoice goes wherever that invoice is, whatever its own lines; if the invoice is not in the ledger yet, by its own lines
until it comes (`relink_credit_notes`). Nothing is ever added across currencies.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import tuple_
from sqlmodel import Session, col

from steps.domain.contract import ServiceContract
from steps.domain.invoice import DocumentKind, Invoice
from steps.domain.money import ZERO
from steps.domain.rows import Row, merge_rows, select_in, set_by_id
from steps.errors import RecordRejectedError

Pair = tuple[int, int]
"""Client id and service id."""

_CONTRACT = (
    ServiceContract.id,
    ServiceContract.client_id,
    ServiceContract.service_id,
    ServiceContract.contract_currency,
)
_LINK = (
    Invoice.id,
    Invoice.external_id,
    Invoice.kind,
    Invoice.source_external_id,
    Invoice.currency,
    Invoice.service_contract_id,
)


@dataclass(frozen=True)
class LinkableDocument:
    """A document's row of the `invoice` table, and the service that its lines name, if any."""

    row: Row
    service_id: int | None

    @property
    def pair(self) -> Pair | None:
        """The contract it would belong to by its own lines."""
        client_id = self.row["client_id"]
        return None if client_id is None or self.service_id is None else (client_id, self.service_id)

    @property
    def order(self) -> tuple[object, str]:
        """By date, then by id: who comes first names the contract's currency."""
        return self.row["invoice_date"], self.row["external_id"]


@dataclass(frozen=True)
class _Place:
    """A contract as a document sees it."""

    contract_id: int | None
    currency: str


@dataclass
class _Linking:
    problems: list[RecordRejectedError] = field(default_factory=list)

    def place(self, row: Row, place: _Place) -> int | None:
        """The contract of a document at that place; none, and a problem, if the currencies differ."""
        if place.contract_id is None or row["currency"] == place.currency:
            return place.contract_id
        self.problems.append(
            RecordRejectedError(
                row["kind"],
                row["external_id"],
                f"{row['kind']} {row['external_id']} is in {row['currency']}, its contract {place.contract_id} in"
                f" {place.currency}: kept without contract",
                {"currency": row["currency"], "contract_id": place.contract_id},
            )
        )
        return None


def link_documents(session: Session, documents: Sequence[LinkableDocument]) -> list[RecordRejectedError]:
    """Fill in `service_contract_id` of each row, making the contracts that are missing. Returns the problems.

    Args:
        session: an open write session; the documents themselves are not written.
        documents: the window's, in any order.
    """
    linking = _Linking()
    sources = _sources(session, documents)
    own = [document for document in documents if _source_of(document.row) not in sources]
    places = _places(session, own)
    for document in own:
        pair = document.pair
        document.row["service_contract_id"] = None if pair is None else linking.place(document.row, places[pair])
    sources.update(
        (document.row["external_id"], _Place(document.row["service_contract_id"], document.row["currency"]))
        for document in own
        if document.row["kind"] == DocumentKind.INVOICE
    )
    for document in documents:
        if place := sources.get(_source_of(document.row)):
            document.row["service_contract_id"] = linking.place(document.row, place)
    return linking.problems


@dataclass(frozen=True)
class Relinked:
    """Credit notes that followed their invoices."""

    moved: int
    contract_ids: set[int]
    """The contracts that won or lost one."""
    problems: list[RecordRejectedError]


def relink_credit_notes(session: Session, invoice_ids: Iterable[str]) -> Relinked:
    """Let credit notes of other windows follow their invoices, which have just been written."""
    linking = _Linking()
    invoices = select_in(session, _LINK, Invoice.external_id, invoice_ids, Invoice.kind == DocumentKind.INVOICE)
    places = {row["external_id"]: _Place(row["service_contract_id"], row["currency"]) for row in invoices}
    notes = select_in(session, _LINK, Invoice.source_external_id, places, Invoice.kind == DocumentKind.CREDIT_NOTE)
    moved: dict[int, int | None] = {}
    touched: set[int | None] = set()
    for note in notes:
        contract_id = linking.place(note, places[note["source_external_id"]])
        if contract_id != note["service_contract_id"]:
            moved[note["id"]] = contract_id
            touched |= {contract_id, note["service_contract_id"]}
    set_by_id(session, Invoice, "service_contract_id", moved)
    return Relinked(len(moved), {each for each in touched if each is not None}, linking.problems)


def _source_of(row: Row) -> str | None:
    return row["source_external_id"] if row["kind"] == DocumentKind.CREDIT_NOTE else None


def _sources(session: Session, documents: Sequence[LinkableDocument]) -> dict[str | None, _Place]:
    """The invoices that credit notes at hand were made from; those at hand themselves have no place yet."""
    wanted = {source for document in documents if (source := _source_of(document.row)) is not None}
    at_hand = {
        document.row["external_id"]: _Place(None, document.row["currency"])
        for document in documents
        if document.row["kind"] == DocumentKind.INVOICE and document.row["external_id"] in wanted
    }
    stored = select_in(
        session, _LINK, Invoice.external_id, wanted - at_hand.keys(), Invoice.kind == DocumentKind.INVOICE
    )
    return {row["external_id"]: _Place(row["service_contract_id"], row["currency"]) for row in stored} | at_hand


def _places(session: Session, documents: Sequence[LinkableDocument]) -> dict[Pair, _Place]:
    """The contract of each pair, made if missing, with the currency that its documents must have.

    The currency is that of its other documents; a contract that has no other takes that of its first document.
    """
    first: dict[Pair, Row] = {}
    for document in sorted(documents, key=lambda document: document.order):
        if document.pair is not None:
            first.setdefault(document.pair, document.row)
    stored = _stored_contracts(session, first)
    busy = _with_other_documents(
        session, [row["id"] for row in stored.values()], {document.row["external_id"] for document in documents}
    )
    currencies = {
        pair: stored[pair]["contract_currency"] if pair in stored and stored[pair]["id"] in busy else row["currency"]
        for pair, row in first.items()
    }
    new = [_new_contract(pair, row) for pair, row in first.items() if pair not in stored]
    merge = merge_rows(session, ServiceContract, new, ("client_id", "service_id"))
    ids = {pair: row["id"] for pair, row in stored.items()} | {(key[0], key[1]): id_ for key, id_ in merge.ids.items()}
    return {pair: _Place(ids[pair], currency) for pair, currency in currencies.items()}


def _stored_contracts(session: Session, pairs: Iterable[Pair]) -> dict[Pair, Row]:
    key = tuple_(col(ServiceContract.client_id), col(ServiceContract.service_id))
    rows = select_in(session, _CONTRACT, key, pairs)
    return {(row["client_id"], row["service_id"]): row for row in rows}


def _with_other_documents(session: Session, contract_ids: Iterable[int], at_hand: set[str]) -> set[int]:
    """The contracts that have a document, not void, besides those at hand."""
    rows = select_in(session, _LINK, Invoice.service_contract_id, contract_ids, col(Invoice.voided_at).is_(None))
    return {row["service_contract_id"] for row in rows if row["external_id"] not in at_hand}


def _new_contract(pair: Pair, first: Mapping[str, object]) -> Row:
    """Its amount and date are summed up once its documents are written (`contract_totals`)."""
    return {
        "client_id": pair[0],
        "service_id": pair[1],
        "contract_date": first["invoice_date"],
        "contract_amount": ZERO,
        "contract_currency": first["currency"],
    }
