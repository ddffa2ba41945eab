"""From documents to contracts: one contract per (client, service) (interfaces.md, How records are matched).

A document goes to the contract of its client and of the service on its first service line. A credit note made from an
invoice goes wherever that invoice is, whatever its own lines; if the invoice is not in the ledger yet, by its own lines
until it comes (`relink_credit_notes`).
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from sqlmodel import Session

from steps.domain.contract_places import Pair, Place, find_places
from steps.domain.invoice import DocumentKind, Invoice
from steps.domain.rows import Row, select_in, set_by_id
from steps.errors import RecordRejectedError

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


def link_documents(session: Session, documents: Sequence[LinkableDocument]) -> Linking:
    """Fill in `service_contract_id` of each row, making the contracts that are missing.

    Args:
        session: an open write session; the documents themselves are not written.
        documents: the window's, in any order.
    """
    linking = Linking()
    sources = _sources(session, documents)
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
    stored = select_in(session, _LINK, Invoice.external_id, elsewhere, Invoice.kind == DocumentKind.INVOICE)
    return at_hand | {row["external_id"]: _place(row) for row in stored}
