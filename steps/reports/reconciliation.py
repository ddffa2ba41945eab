"""Documents of a month in the invoicing system against those of the ledger (docs/accrual-rules.md, Reports).

Both sides as rows of `invoice`: what an import would write now, and what is there. Nothing of a person is in what comes
out, so that it can be kept as it is: clients and contacts are named by their ids.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

from pydantic import TypeAdapter
from sqlalchemy import or_, select
from sqlmodel import Session, col

from steps.catalog import INVOICES
from steps.errors import RecordRejectedError
from steps.ledger.accrual import Reconciled
from steps.ledger.client import linked_contacts
from steps.ledger.contract import DocumentKind, Invoice
from steps.ledger.money import ZERO
from steps.ledger.months import MonthWindow
from steps.ledger.service import Service
from steps.ledger.upsert import Row, merge_rows, select_in
from steps.settings import SyncSettings
from tracking.integration_errors import unresolved_errors
from tracking.models import utc_now


class DifferenceKind(StrEnum):
    """What may differ."""

    MISSING_HERE = "missing here"
    GONE_THERE = "gone there"
    UNREADABLE = "cannot be read"
    DATE = "date"
    CURRENCY = "currency"
    AMOUNT = "amount"
    CLIENT = "client"
    STATUS = "status"
    WITHOUT_CONTRACT = "without contract"


NO_SERVICE = "no line is on a service's account"
"""Of a document without contract: as it should be, and no difference."""


@dataclass(frozen=True, slots=True)
class Listed:
    """What the vendor has."""

    rows: Sequence[Row]
    """As an import would write them, and `contact` and `accounts` besides; also those found by id, wherever dated."""
    rejected: Sequence[RecordRejectedError]
    not_asked: frozenset[str]
    """Ids that are not on the list and were too many to ask for."""


@dataclass(frozen=True, slots=True)
class DocumentDifference:
    """One document and one difference."""

    kind: DifferenceKind
    document: str
    """`invoice` or `credit_note`."""
    external_id: str
    number: str | None
    day: date | None
    currency: str | None
    here: str
    there: str
    amount: Decimal
    """What is counted there less what is counted here; 0.00 where both count the same."""
    why: str = ""

    @property
    def is_expected(self) -> bool:
        """Whether it is listed for people alone: both sides agree about it."""
        return self.kind is DifferenceKind.WITHOUT_CONTRACT and self.why == NO_SERVICE


@dataclass(frozen=True, slots=True)
class SideTotal:
    """The documents of the month in one currency, by what they count."""

    currency: str
    here: Decimal
    documents_here: int
    there: Decimal
    documents_there: int


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """A month compared."""

    month: date
    made_at: datetime
    totals: tuple[SideTotal, ...]
    differences: tuple[DocumentDifference, ...]
    """In order of kind, then day and id."""

    @property
    def agrees(self) -> bool:
        """Whether nothing differs; documents without any service are no difference."""
        return all(each.is_expected for each in self.differences)


_COLUMNS = (
    "external_id", "kind", "invoice_number", "invoice_date", "total_amount", "net_amount", "currency", "status",
    "client_id", "service_contract_id", "voided_at",
)  # fmt: skip


def compare(session: Session, window: MonthWindow, listed: Listed, settings: SyncSettings) -> Reconciliation:
    """Compare one month."""
    there = {row["external_id"]: row for row in listed.rows}
    here = _read_here(session, window, there)
    clients = linked_contacts(session, {row["contact"] for row in listed.rows if row["contact"]})
    sides = _Sides(window, here, there, clients, settings)
    differences = [*sides.differences(listed), *_without_contract(session, sides)]
    kinds = list(DifferenceKind)
    ordered = sorted(differences, key=lambda each: (kinds.index(each.kind), each.day or date.min, each.external_id))
    return Reconciliation(window.start, utc_now(), sides.totals(), tuple(ordered))


def _read_here(session: Session, window: MonthWindow, there: Mapping[str, Row]) -> dict[str, Row]:
    """The ledger's documents of the month that came from the vendor, and those of other months that it names."""
    columns = [getattr(Invoice, name) for name in _COLUMNS]
    day, imported = col(Invoice.invoice_date), col(Invoice.kind).in_(list(DocumentKind))
    rows = [
        *session.connection()
        .execute(select(*columns).where(imported, day >= window.start, day < window.end))
        .mappings(),
        *select_in(session, columns, Invoice.external_id, there, or_(day < window.start, day >= window.end)),
    ]
    return {row["external_id"]: dict(row) for row in rows}


@dataclass(frozen=True, slots=True)
class _Sides:
    window: MonthWindow
    here: Mapping[str, Row]
    there: Mapping[str, Row]
    clients: Mapping[str, int]
    """By contact."""
    settings: SyncSettings

    def counted(self, row: Row) -> Decimal:
        """By `SYNC_ACCRUAL_BASIS`."""
        return self.settings.amount_counted(total=row["total_amount"], net=row["net_amount"])

    def is_in_month(self, row: Row) -> bool:
        """Whether it counts in the month, on its side."""
        return row.get("voided_at") is None and row["invoice_date"] in self.window

    def totals(self) -> tuple[SideTotal, ...]:
        """By currency."""
        sums: dict[str, list[list[Decimal]]] = defaultdict(lambda: [[], []])
        for number, side in enumerate((self.here, self.there)):
            for row in filter(self.is_in_month, side.values()):
                sums[row["currency"]][number].append(self.counted(row))
        return tuple(
            SideTotal(currency, sum(here, ZERO), len(here), sum(there, ZERO), len(there))
            for currency, (here, there) in sorted(sums.items())
        )

    def differences(self, listed: Listed) -> Iterator[DocumentDifference]:
        """Of every document that either side has in the month, in no order."""
        unreadable = {error.external_id: error.entity_type for error in listed.rejected}
        for external_id, kind in unreadable.items():
            row = self.here.get(external_id, {"kind": kind, "external_id": external_id})
            yield _difference(DifferenceKind.UNREADABLE, row, why="sync-actions errors says why")
        for external_id, there in self.there.items():
            here = self.here.get(external_id)
            if here is not None and here["voided_at"] is None:
                yield from self._of_both(here, there)
            elif self.is_in_month(there):
                values, why = ("none", str(self.counted(there))), "void here" if here else ""
                yield _difference(DifferenceKind.MISSING_HERE, there, values, self.counted(there), why)
        for external_id in self.here.keys() - self.there.keys() - unreadable.keys():
            here = self.here[external_id]
            if self.is_in_month(here):
                why = "too many are missing to ask for each" if external_id in listed.not_asked else ""
                values = str(self.counted(here)), "none"
                yield _difference(DifferenceKind.GONE_THERE, here, values, -self.counted(here), why)

    def _of_both(self, here: Row, there: Row) -> Iterator[DocumentDifference]:
        """What differs of one document; the first of them bears all that it counts other in the month."""
        months = [self.counted(row) if self.is_in_month(row) else ZERO for row in (here, there)]
        amount = months[1] - months[0] if here["currency"] == there["currency"] else ZERO
        for kind, values in self._compared(here, there):
            if values[0] != values[1]:
                contact = f"contact {there['contact'] or 'none'}" if kind is DifferenceKind.CLIENT else ""
                yield _difference(kind, here, values, amount, contact)
                amount = ZERO

    def _compared(self, here: Row, there: Row) -> Iterator[tuple[DifferenceKind, tuple[str, str]]]:
        for kind, name in _TEXTS.items():
            yield kind, (str(here[name]), str(there[name]))
        gross = [f"net {row['net_amount']}, total {row['total_amount']}" for row in (here, there)]
        yield DifferenceKind.AMOUNT, (gross[0], gross[1])
        client = self.clients.get(there["contact"] or "")
        yield DifferenceKind.CLIENT, (f"client {here['client_id'] or 'none'}", f"client {client or 'none'}")
        yield DifferenceKind.STATUS, (here["status"], there["status"])


_TEXTS = {DifferenceKind.DATE: "invoice_date", DifferenceKind.CURRENCY: "currency"}


def _difference(
    kind: DifferenceKind, row: Row, values: tuple[str, str] = ("", ""), amount: Decimal = ZERO, why: str = ""
) -> DocumentDifference:
    named = row["kind"], row["external_id"], row.get("invoice_number"), row.get("invoice_date"), row.get("currency")
    return DocumentDifference(kind, *named, *values, amount, why)


def _without_contract(session: Session, sides: _Sides) -> Iterator[DocumentDifference]:
    """The ledger's documents that belong to no contract, and why."""
    rows = [row for row in sides.here.values() if sides.is_in_month(row) and row["service_contract_id"] is None]
    if not rows:
        return
    errors = unresolved_errors(session, INVOICES.id)
    services = {
        each.external_id
        for each in session.scalars(select(Service))
        if sides.settings.is_service(each.account_identifier, each.name)
    }
    for row in rows:
        there = sides.there.get(row["external_id"], {"contact": None, "accounts": ()})
        keys = (row["kind"], row["external_id"]), ("contact", there["contact"])
        error = next((errors[key] for key in keys if key in errors), None)
        if error is not None:
            why = f"integration error {error.id}"
        elif row["client_id"] is None:
            why = "no client"
        else:
            why = "it has a service: import it again" if services & set(there["accounts"]) else NO_SERVICE
        yield _difference(DifferenceKind.WITHOUT_CONTRACT, row, (str(sides.counted(row)), ""), why=why)


_STORED = TypeAdapter(Reconciliation)


def keep(session: Session, found: Reconciliation) -> None:
    """Keep it as the last one of its month, for the month-end pack."""
    row = {"month": found.month, "made_at": found.made_at, "result": _STORED.dump_python(found, mode="json")}
    merge_rows(session, Reconciled, [row], ("month",))


def last_reconciliation(session: Session, month: date) -> Reconciliation | None:
    """The one that was kept; None: nobody reconciled the month."""
    stored = session.scalar(select(col(Reconciled.result)).where(col(Reconciled.month) == month))
    return None if stored is None else _STORED.validate_python(stored)
