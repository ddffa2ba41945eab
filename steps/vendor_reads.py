"""What one run reads from the vendors, each list once, however many windows need it (design.md, As few requests ...).

A connector opens, and its credentials are required, at the first use of its vendor only.
"""

from collections.abc import Callable, Hashable, Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, TypeVar

from steps.connectors.fourgeeks import FourgeeksConnector, open_fourgeeks
from steps.connectors.fourgeeks_payloads import Enrollment, Student
from steps.connectors.holded import DocumentPages, HoldedConnector, open_holded
from steps.connectors.holded_payloads import Contact, Document, IncomeAccount
from steps.connectors.listing import Listing
from steps.connectors.notion import NotionConnector, open_notion
from steps.connectors.notion_payloads import StudentPage
from steps.domain.invoice import DocumentKind
from steps.domain.months import MonthWindow
from steps.errors import VendorError
from steps.progress import conclude

Read = TypeVar("Read")


@dataclass(frozen=True)
class Openers:
    """How each vendor's connector is made; tests put their own here."""

    holded: Callable[[], HoldedConnector] = open_holded
    fourgeeks: Callable[[], FourgeeksConnector] = open_fourgeeks
    notion: Callable[[], NotionConnector] = open_notion


@dataclass(frozen=True)
class DocumentsRead:
    """The invoices and credit notes of one window, and what is needed to know which others are gone."""

    documents: Listing[Document]
    """Of the window, by local day. A rejected one whose date cannot be read is in the first month of `span` only."""
    ids_in_span: frozenset[str]
    """Every id seen anywhere in the read, rejected ones included: these are not gone."""
    span: MonthWindow
    """The range that was read to its end."""


@dataclass
class VendorReads:
    """Lists are kept once they were read; a read that failed is not, so that a second try asks again."""

    span: MonthWindow | None = None
    """The whole range of the run: its documents are read at once and sliced by window."""
    openers: Openers = Openers()
    _open: ExitStack = field(default_factory=ExitStack)
    _kept: dict[Hashable, Any] = field(default_factory=dict)
    _wide_read_failed: bool = False

    def close(self) -> None:
        """Let connections and lists go."""
        self._open.close()
        self._kept.clear()

    def income_accounts(self) -> Listing[IncomeAccount]:
        """Holded's sales channels."""
        return self._once("income_accounts", lambda: self._holded().income_accounts())

    def income_account(self, account_id: str) -> IncomeAccount | None:
        """One sales channel, asked for only when it is not in a list that was read."""
        return self._by_id("income_accounts", account_id, lambda: self._holded().income_account(account_id))

    def contacts(self) -> Listing[Contact]:
        """Holded's contacts."""
        return self._once("contacts", lambda: self._holded().contacts())

    def contact(self, contact_id: str) -> Contact | None:
        """One contact, asked for only when it is not in a list that was read."""
        return self._by_id("contacts", contact_id, lambda: self._holded().contact(contact_id))

    def students(self) -> Listing[Student]:
        """The CRM's student profiles."""
        return self._once("students", lambda: self._fourgeeks().students())

    def enrollments(self) -> Listing[Enrollment]:
        """The CRM's enrollments of students."""
        return self._once("enrollments", lambda: self._fourgeeks().enrollments())

    def pages(self) -> Listing[StudentPage]:
        """Notion's student pages."""
        return self._once("pages", lambda: self._notion().student_pages())

    def documents(self, window: MonthWindow) -> DocumentsRead:
        """The documents of one window, from one read of the whole span per document type.

        When the wide read fails, each window is read by itself from then on: a fault stays inside its window.
        """
        span = self._span_around(window)
        if span == window:
            return self._slice(span, window)
        try:
            return self._slice(span, window)
        except VendorError as error:
            self._wide_read_failed = True
            conclude(f"{error}; the documents are read window by window")
            return self._slice(window, window)

    def _span_around(self, window: MonthWindow) -> MonthWindow:
        span = self.span
        fits = span is not None and span.start <= window.start and window.end <= span.end
        return span if span is not None and fits and not self._wide_read_failed else window

    def _slice(self, span: MonthWindow, window: MonthWindow) -> DocumentsRead:
        documents: Listing[Document] = Listing()
        ids: set[str] = set()
        for kind in DocumentKind:
            pages = self._document_pages(kind, span)
            ids |= pages.ids
            part = pages.of(window, span)
            documents.records.extend(part.records)
            documents.rejected.extend(part.rejected)
        return DocumentsRead(documents, frozenset(ids), span)

    def _document_pages(self, kind: DocumentKind, span: MonthWindow) -> DocumentPages:
        return self._once(("documents", kind, span), lambda: self._holded().read_documents(kind, span))

    def _holded(self) -> HoldedConnector:
        return self._once("holded", lambda: self._open.enter_context(self.openers.holded()))

    def _fourgeeks(self) -> FourgeeksConnector:
        return self._once("fourgeeks", lambda: self._open.enter_context(self.openers.fourgeeks()))

    def _notion(self) -> NotionConnector:
        return self._once("notion", lambda: self._open.enter_context(self.openers.notion()))

    def _once(self, key: Hashable, read: Callable[[], Read]) -> Read:
        if key not in self._kept:
            self._kept[key] = read()
        kept: Read = self._kept[key]
        return kept

    def _by_id(self, listing_key: str, external_id: str, read: Callable[[], Read]) -> Read:
        listing: Listing[Any] = self._kept.get(listing_key, Listing())
        for record in listing.records:
            if record.id == external_id:
                found: Read = record
                return found
        return self._once((listing_key, external_id), read)


_shared: ContextVar[VendorReads | None] = ContextVar("vendor_reads", default=None)


@contextmanager
def shared_reads(span: MonthWindow | None) -> Iterator[VendorReads]:
    """Let every step inside the block share what any of them reads."""
    reads = VendorReads(span)
    token = _shared.set(reads)
    try:
        yield reads
    finally:
        _shared.reset(token)
        reads.close()


@contextmanager
def current_reads(window: MonthWindow | None) -> Iterator[VendorReads]:
    """The shared reads of the run, else fresh ones for this window, closed at the end."""
    if (shared := _shared.get()) is not None:
        yield shared
        return
    reads = VendorReads(window)
    try:
        yield reads
    finally:
        reads.close()
