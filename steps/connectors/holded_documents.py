"""Holded's documents as one wide read brought them, ready to be sliced by window."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
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
    placed: Mapping[str, date] = field(default_factory=dict)
    """By id: the day of whose window a document counts, where that is not its own."""

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

    def supplemented(self, earlier: "DocumentPages") -> "DocumentPages":
        """This list, and what an earlier read of it had besides: paging can miss a row each time."""
        records = [each for each in earlier.listing.records if each.id not in self.ids]
        rejected = [each for each in earlier.listing.rejected if each.external_id and each.external_id not in self.ids]
        listing = Listing([*self.listing.records, *records], [*self.listing.rejected, *rejected])
        days = {**earlier.rejected_days, **self.rejected_days}
        return DocumentPages(listing, self.ids | earlier.ids, days, {**earlier.placed, **self.placed})

    def with_unlisted(
        self, found: Iterable[Document], rejected: Iterable[RecordRejectedError], known: Mapping[str, date]
    ) -> "DocumentPages":
        """This list with documents that it lacks though the vendor has them.

        Args:
            found: as they are by id.
            rejected: those that exist, as far as can be told, and cannot be read.
            known: by id: the day that the ledger has; they count in that day's window, for no other one expects them.
        """
        found, rejected = list(found), list(rejected)
        listing = Listing([*self.listing.records, *found], [*self.listing.rejected, *rejected])
        ids = {*(each.id for each in found), *(each.external_id for each in rejected)}
        days = self.rejected_days | {each: known[each.external_id] for each in rejected}
        return DocumentPages(listing, self.ids | ids, days, {**self.placed, **{each: known[each] for each in ids}})

    def of(self, window: MonthWindow, span: MonthWindow) -> Listing[Document]:
        """What belongs to one window of the span that was read.

        A rejected document without a readable date must be told once: by the window in which the span begins.
        """

        def belongs(error: RecordRejectedError) -> bool:
            day = self.rejected_days.get(error)
            return window.start == span.start if day is None else day in window

        records = [each for each in self.listing.records if self.placed.get(each.id, each.day) in window]
        return Listing(records, [error for error in self.listing.rejected if belongs(error)])
