"""Documents the vendor no longer lists: kept, marked void and reported (interfaces.md, How records are matched)."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlmodel import Session, col

from steps.domain.invoice import Invoice
from steps.domain.months import MonthWindow
from steps.domain.rows import Row, set_by_id
from steps.domain.vanished import refuse_if_most_are_gone
from steps.errors import RecordRejectedError

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
                {"invoice_number": row["invoice_number"], "invoice_date": row["invoice_date"].isoformat()},
            )
            for row in self.all
        ]


def find_gone(
    session: Session, window: MonthWindow, *, listed: Collection[str], span: MonthWindow, accept_loss: bool
) -> GoneDocuments:
    """Compare the ledger with what was listed.

    Args:
        session: any session.
        window: the months that are being imported; only their documents are voided.
        listed: every id that the vendor listed in `span`, readable or not.
        span: the months that were read to their end; a document that moved to another of them is not gone.
        accept_loss: believe a list that lost most of what the ledger knows.

    Raises:
        SuspiciousEmptyError: it lost most, in the window or in the span.
    """
    query = select(*_DOCUMENT).where(
        col(Invoice.invoice_date) >= min(window.start, span.start),
        col(Invoice.invoice_date) < max(window.end, span.end),
    )
    ledger: list[Row] = [dict(row) for row in session.execute(query).mappings()]
    for months in (window, span):
        known = [row for row in ledger if row["voided_at"] is None and row["invoice_date"] in months]
        gone = [row for row in known if row["external_id"] not in listed]
        if not accept_loss:
            refuse_if_most_are_gone("holded", f"documents of {months}", known=known, gone=gone)
    missing = [row for row in ledger if row["invoice_date"] in window and row["external_id"] not in listed]
    return GoneDocuments(newly=[row for row in missing if row["voided_at"] is None], all=missing)


def mark_void(session: Session, gone: GoneDocuments, now: datetime) -> None:
    """Void those that were not void yet."""
    set_by_id(session, Invoice, "voided_at", {row["id"]: now for row in gone.newly})
