"""Which contract a document belongs to."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from sqlmodel import Session, col

from steps.errors import RecordRejectedError
from steps.ledger.contract import DocumentKind, Invoice, ServiceContract
from steps.ledger.money import ZERO
from steps.ledger.upsert import Row, merge_rows, select_in, set_by_id

Pair = tuple[int, int]
"""Client id and service id."""

_CONTRACT = (ServiceContract.id, ServiceContract.client_id, ServiceContract.service_id)
_DOCUMENT = (
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
            {"currency": row["currency"], "contract_id": self.contract_id},
        )


@dataclass
class Places:
    """Where documents belong."""

    by_pair: dict[Pair, Place] = field(default_factory=dict)
    put_out: list[Row] = field(default_factory=list)
    """Documents of other windows that must leave, because an earlier one has another currency."""
    problems: list[RecordRejectedError] = field(default_factory=list)


def find_places(session: Session, rows: Mapping[Pair, list[Row]], at_hand: Collection[str]) -> Places:
    """The contract of each pair, made if missing.

    Args:
        session: an open write session.
        rows: the documents that name each pair by their own lines.
        at_hand: the external ids of all documents that are being imported; what the ledger says of them is out of date.
    """
    stored = _stored_contracts(session, rows)
    others = _other_documents(session, stored.values(), at_hand)
    first = {pair: min([*mine, *others[stored.get(pair)]], key=_order) for pair, mine in rows.items()}
    new = [_new_contract(pair, first[pair]) for pair in rows if pair not in stored]
    merge = merge_rows(session, ServiceContract, new, ("client_id", "service_id"))
    ids = stored | {(key[0], key[1]): contract_id for key, contract_id in merge.ids.items()}
    places = Places({pair: Place(ids[pair], first[pair]["currency"]) for pair in rows})
    for place in places.by_pair.values():
        leaving = [row for row in others[place.contract_id] if not place.admits(row)]
        places.put_out += leaving
        places.problems += map(place.refusal, leaving)
    return places


def _order(row: Row) -> tuple[object, str]:
    return row["invoice_date"], row["external_id"]


def _stored_contracts(session: Session, pairs: Iterable[Pair]) -> dict[Pair, int]:
    rows = select_in(session, _CONTRACT, (ServiceContract.client_id, ServiceContract.service_id), pairs)
    return {(row["client_id"], row["service_id"]): row["id"] for row in rows}


def _other_documents(
    session: Session, contract_ids: Iterable[int], at_hand: Collection[str]
) -> dict[int | None, list[Row]]:
    """By contract, its documents that are not void, besides those at hand."""
    others: dict[int | None, list[Row]] = defaultdict(list)
    for row in select_in(
        session, _DOCUMENT, Invoice.service_contract_id, contract_ids, col(Invoice.voided_at).is_(None)
    ):
        if row["external_id"] not in at_hand:
            others[row["service_contract_id"]].append(row)
    return others


def _new_contract(pair: Pair, first: Row) -> Row:
    """Its amount and date are summed up once its documents are written (`contract_totals`)."""
    return {
        "client_id": pair[0],
        "service_id": pair[1],
        "contract_date": first["invoice_date"],
        "contract_amount": ZERO,
        "contract_currency": first["currency"],
    }


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
