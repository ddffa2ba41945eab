"""The contract of each (client, service), and the currency that its documents must have.

A contract's currency is that of its first document, by date and then by id. Documents in another currency have no
place in it: nothing is ever added across currencies (interfaces.md, How records are matched). It makes no difference in
which order the months are imported: an earlier document in another currency puts the later ones out.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from sqlalchemy import tuple_
from sqlmodel import Session, col

from steps.domain.contract import ServiceContract
from steps.domain.invoice import Invoice
from steps.domain.money import ZERO
from steps.domain.rows import Row, merge_rows, select_in
from steps.errors import RecordRejectedError

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
    key = tuple_(col(ServiceContract.client_id), col(ServiceContract.service_id))
    rows = select_in(session, _CONTRACT, key, pairs)
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
