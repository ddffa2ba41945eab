"""Records that a vendor lists no more: the guard against mass deletion, and documents that become void."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, and_, select
from sqlmodel import Session, col

from steps.errors import RecordRejectedError, SuspiciousEmptyError
from steps.ledger.contract import DocumentKind, Invoice
from steps.ledger.months import MonthWindow
from steps.ledger.upsert import Row

FEWEST_KNOWN = 10
"""Below this many known records no share is taken: half of three may well be gone."""


def are_most_gone(*, known: Collection[object], gone: Collection[object]) -> bool:
    """Whether more than half of the known records are missing, of enough to say so."""
    return len(known) >= FEWEST_KNOWN and 2 * len(gone) > len(known)


def guard_against_mass_deletion(
    vendor: str, request: str, *, known: Collection[object], gone: Collection[object]
) -> None:
    """Refuse a list in which more than half of the known records are missing.

    Raises:
        SuspiciousEmptyError: the window fails and nothing is written; `SYNC_ACCEPT_LOSS=true` believes the list.
    """
    if are_most_gone(known=known, gone=gone):
        raise SuspiciousEmptyError(
            vendor,
            request,
            f"{len(gone)} of {len(known)} known records are gone; if that is true, set SYNC_ACCEPT_LOSS=true",
        )


_DOCUMENT: tuple[Any, ...] = (
    Invoice.id,
    Invoice.external_id,
    Invoice.kind,
    Invoice.invoice_number,
    Invoice.invoice_date,
    Invoice.service_contract_id,
    Invoice.voided_at,
)


@dataclass(frozen=True)
class GoneDocuments:
    """The window's documents that the vendor does not list, those that were void before included."""

    newly: list[Row] = field(default_factory=list)
    all: list[Row] = field(default_factory=list)

    def limited_to(self, concerns: Callable[[str, str], bool]) -> "GoneDocuments":
        """Those that are meant, by kind and id."""
        newly, everything = (
            [row for row in rows if concerns(row["kind"], row["external_id"])] for rows in (self.newly, self.all)
        )
        return GoneDocuments(newly, everything)

    @property
    def contract_ids(self) -> set[int]:
        """The contracts that lose a document now."""
        return {row["service_contract_id"] for row in self.newly} - {None}

    @property
    def problems(self) -> list[RecordRejectedError]:
        """One for each, and the same one every time the window is read."""
        return [
            RecordRejectedError(
                row["kind"],
                row["external_id"],
                f"{row['invoice_number'] or row['external_id']} of {row['invoice_date']} is gone from Holded:"
                " kept, and counted no more",
            )
            for row in self.all
        ]


def known_documents(session: Session, kind: DocumentKind, months: MonthWindow) -> dict[str, date]:
    """The documents of a kind that the ledger has in these months and counts: id -> day."""
    query = select(col(Invoice.external_id), col(Invoice.invoice_date)).where(
        col(Invoice.kind) == kind, col(Invoice.voided_at).is_(None), _dated_in(months)
    )
    return dict(session.connection().execute(query).all())


@dataclass(frozen=True)
class Upstream:
    """What the vendor says of the documents that the ledger knows."""

    span: MonthWindow
    """The months that were read to their end; a document that moved to another of them is not gone."""
    listed: Collection[str]
    """Every id that was listed, or exists by id, readable or not."""
    gone: Collection[str]
    """Ids of which the vendor says, asked for each, that it has no such document."""
    not_asked: Collection[str]
    """Ids that are not listed, and too many to ask for."""


def find_gone(
    session: Session, window: MonthWindow, upstream: Upstream, *, accept_loss: bool, void_unasked: bool
) -> GoneDocuments:
    """Compare the ledger with the vendor. Invoices and credit notes are judged apart.

    Args:
        session: any session.
        window: the months that are being imported; only their documents are voided.
        upstream: what was read.
        accept_loss: believe a list that lost most of what the ledger knows.
        void_unasked: take those for gone that were too many to ask for.

    Raises:
        SuspiciousEmptyError: it lost most, in the window or in the span; or too many in the window to ask for.
    """
    query = select(*_DOCUMENT).where(_dated_in(window))
    ledger: list[Row] = [dict(row) for row in session.connection().execute(query).mappings()]
    counted = [row for row in ledger if row["voided_at"] is None]
    if not accept_loss:
        for kind in DocumentKind:
            in_window = [row["external_id"] for row in counted if row["kind"] == kind]
            _refuse_loss(in_window, upstream, kind, window)
            if upstream.gone or upstream.not_asked:  # else the list lacks nothing of the span
                _refuse_loss(known_documents(session, kind, upstream.span), upstream, kind, upstream.span)
            if unasked := [each for each in in_window if each in upstream.not_asked]:
                raise SuspiciousEmptyError(
                    "holded",
                    f"{kind.value}s of {window}",
                    f"{len(unasked)} of {len(in_window)} known records are missing from the list, and"
                    f" {len(upstream.not_asked)} of the whole range are too many to ask for by id; if they are gone,"
                    " set SYNC_ACCEPT_LOSS=true",
                )
    gone = {*upstream.gone, *(upstream.not_asked if void_unasked else ())}
    newly = [row for row in counted if row["external_id"] in gone]
    void = [row for row in ledger if row["voided_at"] is not None]
    return GoneDocuments(newly, [*newly, *(row for row in void if row["external_id"] not in upstream.listed)])


def _dated_in(months: MonthWindow) -> ColumnElement[bool]:
    return and_(col(Invoice.invoice_date) >= months.start, col(Invoice.invoice_date) < months.end)


def _refuse_loss(known: Collection[str], upstream: Upstream, kind: DocumentKind, months: MonthWindow) -> None:
    missing = [each for each in known if each not in upstream.listed]
    guard_against_mass_deletion("holded", f"{kind.value}s of {months}", known=known, gone=missing)
