"""Holded's documents as one wide read brought them, ready to be sliced by window."""

from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from functools import partial
from zoneinfo import ZoneInfo

from steps.connectors.fields import FieldError, unix_day
from steps.connectors.holded_payloads import Document, parse_document
from steps.connectors.listing import Listing
from steps.connectors.rows import Rows
from steps.domain.invoice import DocumentKind
from steps.domain.months import MonthWindow
from steps.errors import RecordRejectedError


@dataclass(frozen=True)
class DocumentPages:
    """A document list read to its end: what it held, whatever the window asked for."""

    listing: Listing[Document]
    ids: frozenset[str]
    """Of every row, rejected and out-of-window ones included."""
    rejected_days: dict[RecordRejectedError, date]
    """The day of each rejected document whose date at least can be read."""

    @classmethod
    def of_rows(cls, rows: Rows, kind: DocumentKind, zone: ZoneInfo) -> "DocumentPages":
        """The documents of a list's rows."""
        listing = rows.parse(partial(parse_document, kind, zone))
        days: dict[RecordRejectedError, date] = {}
        for error in listing.rejected:
            row = error.record if isinstance(error.record, dict) else {}
            with suppress(FieldError):
                days[error] = unix_day(row.get("kept", row), "date", zone)
        return cls(listing, rows.ids(), days)

    def of(self, window: MonthWindow, span: MonthWindow) -> Listing[Document]:
        """What belongs to one window of the span that was read.

        A rejected document without a readable date must be told once: by the window in which the span begins.
        """

        def belongs(error: RecordRejectedError) -> bool:
            day = self.rejected_days.get(error)
            return window.start == span.start if day is None else day in window

        records = [document for document in self.listing.records if document.day in window]
        return Listing(records, [error for error in self.listing.rejected if belongs(error)])
