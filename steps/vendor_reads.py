"""What one run reads from the vendors, each list once, however many windows need it (design.md, As few requests ...).

A connector opens, and its credentials are required, at the first use of its vendor only.
"""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from steps.circuit_breaker import CircuitBreaker
from steps.connectors.connector import Connector
from steps.connectors.fourgeeks import FourgeeksConnector, open_fourgeeks
from steps.connectors.fourgeeks_payloads import Enrollment, Student
from steps.connectors.holded import HoldedConnector, open_holded
from steps.connectors.holded_documents import DocumentPages
from steps.connectors.holded_payloads import Contact, Document, IncomeAccount
from steps.connectors.listing import Listing
from steps.connectors.notion import NotionConnector, open_notion
from steps.connectors.notion_payloads import StudentPage
from steps.domain.invoice import DocumentKind
from steps.domain.months import MonthWindow
from steps.errors import VendorError, VendorUnavailableError
from steps.missing_documents import ConfirmedDocuments, DocumentSource, KnownDocuments, confirm_missing
from steps.progress import conclude

Read = TypeVar("Read")
Vendor = Literal["holded", "fourgeeks", "notion"]


def _nothing_known(_kind: DocumentKind, _months: MonthWindow) -> Mapping[str, Any]:
    """Of a caller for whom no document can be missing."""
    return {}


@dataclass(frozen=True)
class Openers:
    """How each vendor's connector is made; tests put their own here."""

    holded: Callable[[], HoldedConnector] = open_holded
    fourgeeks: Callable[[], FourgeeksConnector] = open_fourgeeks
    notion: Callable[[], NotionConnector] = open_notion


@dataclass(frozen=True)
class DocumentsRead:
    """The invoices and credit notes of one window, and what became of those that the ledger knows besides."""

    documents: Listing[Document]
    """Of the window, by local day. A rejected one whose date cannot be read is in the first month of `span` only."""
    ids_in_span: frozenset[str]
    """Every id seen anywhere in the read, or by id, rejected ones included: these are not gone."""
    span: MonthWindow
    """The range that was read to its end."""
    gone: frozenset[str]
    """Known documents that are not listed, and of which the vendor says that it has no such id."""
    not_asked: frozenset[str]
    """Known documents that are not listed, when they are too many to ask for by id."""


@dataclass
class VendorReads:
    """Lists are kept once they were read; one that failed is read again as often as the circuit breaker allows."""

    span: MonthWindow | None = None
    """The whole range of the run: its documents are read at once and sliced by window."""
    openers: Openers = Openers()
    _open: ExitStack = field(default_factory=ExitStack)
    _kept: dict[Hashable, Any] = field(default_factory=dict)
    _breakers: dict[Hashable, CircuitBreaker] = field(default_factory=lambda: defaultdict(CircuitBreaker))
    _wide_read_failed: bool = False

    def close(self) -> None:
        """Let connections and lists go."""
        self._open.close()
        self._kept.clear()

    def income_accounts(self) -> Listing[IncomeAccount]:
        """Holded's sales channels."""
        return self._list("holded", "income_accounts", lambda: self._holded().income_accounts())

    def income_account(self, account_id: str) -> IncomeAccount | None:
        """One sales channel, asked for only when it is not in a list that was read."""
        return self._by_id("income_accounts", account_id, lambda: self._holded().income_account(account_id))

    def contacts(self) -> Listing[Contact]:
        """Holded's contacts."""
        return self._list("holded", "contacts", lambda: self._holded().contacts())

    def contact(self, contact_id: str) -> Contact | None:
        """One contact, asked for only when it is not in a list that was read."""
        return self._by_id("contacts", contact_id, lambda: self._holded().contact(contact_id))

    def students(self) -> Listing[Student]:
        """The CRM's student profiles."""
        return self._list("fourgeeks", "students", lambda: self._fourgeeks().students())

    def enrollments(self) -> Listing[Enrollment]:
        """The CRM's enrollments of students."""
        return self._list("fourgeeks", "enrollments", lambda: self._fourgeeks().enrollments())

    def pages(self) -> Listing[StudentPage]:
        """Notion's student pages."""
        return self._list("notion", "pages", lambda: self._notion().student_pages())

    def documents(self, window: MonthWindow, known: KnownDocuments = _nothing_known) -> DocumentsRead:
        """The documents of one window, from one read of the whole span per document type.

        When the wide read fails, each window is read by itself from then on: a fault stays inside its window.

        Args:
            window: the months that are wanted.
            known: what the ledger has; what of it the list lacks is asked for by id.
        """
        span = self._span_around(window)
        if span == window:
            return self._slice(span, window, known)
        try:
            return self._slice(span, window, known)
        except VendorError as error:
            self._wide_read_failed = True
            conclude(f"{error}; the documents are read window by window")
            return self._slice(window, window, known)

    def _span_around(self, window: MonthWindow) -> MonthWindow:
        span = self.span
        fits = span is not None and span.start <= window.start and window.end <= span.end
        return span if span is not None and fits and not self._wide_read_failed else window

    def _slice(self, span: MonthWindow, window: MonthWindow, known: KnownDocuments) -> DocumentsRead:
        documents: Listing[Document] = Listing()
        kinds = [self._confirmed(kind, span, known) for kind in DocumentKind]
        for confirmed in kinds:
            part = confirmed.pages.of(window, span)
            documents.records.extend(part.records)
            documents.rejected.extend(part.rejected)
        return DocumentsRead(
            documents,
            ids_in_span=frozenset().union(*(each.pages.ids for each in kinds)),
            span=span,
            gone=frozenset().union(*(each.gone for each in kinds)),
            not_asked=frozenset().union(*(each.not_asked for each in kinds)),
        )

    def _confirmed(self, kind: DocumentKind, span: MonthWindow, known: KnownDocuments) -> ConfirmedDocuments:
        """A list of documents, read and confirmed once, before any window of the span takes its part."""

        def read_list() -> DocumentPages:
            return self._holded().read_documents(kind, span)

        def by_id(document_id: str) -> Document | None:
            return self._by_id(kind, document_id, lambda: self._holded().document(kind, document_id))

        def confirm() -> ConfirmedDocuments:
            pages = self._list("holded", ("documents", kind, span), read_list)
            source = DocumentSource(kind, lambda: self._guarded("holded", ("again", kind, span), read_list), by_id)
            return confirm_missing(pages, known(kind, span), source)

        return self._once(("confirmed", kind, span), confirm)

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

    def _list(self, vendor: Vendor, key: Hashable, read: Callable[[], Read]) -> Read:
        return self._once(key, lambda: self._guarded(vendor, key, read))

    def _by_id(self, listing_key: Hashable, external_id: str, read: Callable[[], Read]) -> Read:
        """One record of a list. Requests by id have a circuit of their own: their failing says nothing of the lists."""
        listing: Listing[Any] = self._kept.get(listing_key, Listing())
        for record in listing.records:
            if record.id == external_id:
                found: Read = record
                return found
        key = (listing_key, external_id)
        return self._once(key, lambda: self._guarded(("holded", listing_key), key, read))

    def _guarded(self, circuit: Hashable, key: Hashable, read: Callable[[], Read]) -> Read:
        """Make a read, unless the circuit breaker refuses it.

        Raises:
            VendorDownError: it is not asked for again in this run.
        """
        breaker = self._breakers[circuit]
        breaker.require(key)
        try:
            with self._one_attempt(circuit) if breaker.is_down else nullcontext():
                value = read()
        except VendorUnavailableError as error:
            raise breaker.failed(key, error) from error
        breaker.succeeded()
        return value

    def _one_attempt(self, circuit: Hashable) -> AbstractContextManager[None]:
        connector: Connector | None = self._kept.get(circuit[0] if isinstance(circuit, tuple) else circuit)
        return nullcontext() if connector is None else connector.one_attempt()

    def of_backend(self, call: Hashable, ask: Callable[[], Read]) -> Read:
        """What a remote backend answers: not kept, for each call is work of its own, and refused when it is down."""
        return self._guarded("backend", call, ask)


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
