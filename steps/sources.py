"""What one run reads from the vendors, each list once, however many windows need it.

A connector opens, and its credentials are required, at the first use of its vendor only. A vendor that is down is not
asked again in the same run. A run reads ahead: the vendors are asked at the same time, each in a thread of its own and
one request after the other, while the steps take what they need in their order.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping
from concurrent.futures import CancelledError, Future
from contextlib import AbstractContextManager, ExitStack, nullcontext, suppress
from contextvars import copy_context
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from threading import Lock, Thread
from typing import Any, Literal, TypeVar, get_args

from steps.catalog import CRM_CLIENTS, INVOICES, NOTION_EXTERNAL_ID, SERVICE_PERIODS, SERVICES, Step
from steps.erased_records import mask_error, without_erased
from steps.errors import RecordRejectedError, VendorAuthError, VendorDownError, VendorError, VendorUnavailableError
from steps.ledger.client import ContactCard, Erased
from steps.ledger.contract import DocumentKind
from steps.ledger.missing_upstream import are_most_gone
from steps.ledger.months import MonthWindow
from steps.progress import Progress
from steps.vendors.fourgeeks import Enrollment, FourgeeksConnector, Student, open_fourgeeks
from steps.vendors.holded import Document, DocumentPages, HoldedConnector, IncomeAccount, open_holded
from steps.vendors.http import USUAL, Connector, HttpRules
from steps.vendors.notion import NotionConnector, StudentPage, open_notion
from steps.vendors.parsing import Listing

MOST_TRIES = 2
"""Of one read in a run: the first, and that of its task's retry."""
FAILED_IN_A_ROW = 2
"""Different reads after which a vendor is taken for down. The next one is tried once, because the first two may be a
wide read and a month inside it, and the fault that month's alone; when it fails too, nothing is asked any more."""


@dataclass
class CircuitBreaker:
    """Of one vendor, or of one kind of its requests."""

    _failed: dict[Hashable, VendorUnavailableError] = field(default_factory=dict)
    """The different reads that failed since one last succeeded, oldest first."""
    _tries: Counter[Hashable] = field(default_factory=Counter)
    _last: dict[Hashable, VendorUnavailableError] = field(default_factory=dict)

    @property
    def is_down(self) -> bool:
        """Whether several reads in a row failed: from then on one is tried once only."""
        return len(self._failed) >= FAILED_IN_A_ROW

    def require(self, read: Hashable) -> None:
        """Refuse a read that is not to be made any more.

        Raises:
            VendorDownError: it, or several others, failed before; the message says of what.
        """
        if self._is_refused(read):
            raise VendorDownError(self._failed.get(read) or self._last.get(read) or next(iter(self._failed.values())))

    def failed(self, read: Hashable, error: VendorUnavailableError) -> VendorError:
        """Note that a read failed all its attempts. Returns the error to raise: another one if it was the last try."""
        self._failed[read] = self._last[read] = error
        self._tries[read] += 1
        return VendorDownError(error) if self._is_refused(read) else error

    def succeeded(self) -> None:
        """Note that the vendor answered."""
        self._failed.clear()

    def _is_refused(self, read: Hashable) -> bool:
        if len(self._failed) > FAILED_IN_A_ROW or self._tries[read] >= MOST_TRIES:
            return True
        return self.is_down and read in self._failed


KnownDocuments = Callable[[DocumentKind, MonthWindow], Mapping[str, date]]
"""The documents of a range that the ledger has and counts: id -> day."""

FEW = 20
"""So many are asked for by id even when they are most of what is known."""
MOST_ASKED_FOR = 100
"""So many are asked for by id at the most, a range and kind: the rest of a longer list is nobody's oversight."""


@dataclass(frozen=True)
class ConfirmedDocuments:
    """One kind of document over a range, and what became of the known ones that its list lacks."""

    pages: DocumentPages
    """The list, with the documents that it lacks although the vendor has them by id, or does not say that it has not:
    those are rejected ones."""
    gone: frozenset[str] = frozenset()
    """The vendor says that it has no document of this id."""
    not_asked: frozenset[str] = frozenset()
    """Too many to ask for."""


@dataclass(frozen=True)
class DocumentSource:
    """Where one kind of document is read from."""

    kind: DocumentKind
    list_again: Callable[[], DocumentPages]
    by_id: Callable[[str], Document | None]


def confirm_missing(
    pages: DocumentPages, known: Mapping[str, date], source: DocumentSource, progress: Progress
) -> ConfirmedDocuments:
    """Ask by id for the known documents that a list lacks; where one exists, read the list again.

    What even the second list lacks and exists by id counts as listed, as it is by id.

    Raises:
        VendorError: the credential was refused, or the list could not be read again.
    """
    missing = sorted(known.keys() - pages.ids)
    if not missing:
        return ConfirmedDocuments(pages)
    if len(missing) > (FEW if are_most_gone(known=known, gone=missing) else MOST_ASKED_FOR):
        return ConfirmedDocuments(pages, not_asked=frozenset(missing))
    answers = _ask_for(missing, source)
    if answers.exist:
        noun = f"{source.kind.value.replace('_', ' ')}s"
        progress.log(f"holded: the list of {noun} lacks {len(answers.exist)} that exist by id: it was read again")
        pages = source.list_again().supplemented(pages)
    lacking = [each for each in missing if each not in pages.ids]
    pages = pages.with_unlisted(
        [answers.found[each] for each in lacking if each in answers.found],
        [answers.rejected[each] for each in lacking if each in answers.rejected],
        known,
    )
    return ConfirmedDocuments(pages, frozenset(lacking) - pages.ids)


@dataclass
class _Answers:
    """What the vendor says of single documents; those in neither dictionary it does not have."""

    found: dict[str, Document] = field(default_factory=dict)
    rejected: dict[str, RecordRejectedError] = field(default_factory=dict)
    """It exists and cannot be read, or the answer says nothing."""
    exist: set[str] = field(default_factory=set)


def _ask_for(missing: Iterable[str], source: DocumentSource) -> _Answers:
    answers = _Answers()
    for document_id in missing:
        try:
            document = source.by_id(document_id)
        except RecordRejectedError as error:
            answers.rejected[document_id] = error
            answers.exist.add(document_id)
        except VendorAuthError:
            raise
        except VendorError as error:
            answers.rejected[document_id] = _unanswered(source.kind, document_id, error)
        else:
            if document is None:
                continue
            answers.exist.add(document_id)
            if document.unreadable:
                answers.rejected[document_id] = _not_whole(document)
            else:
                answers.found[document_id] = document
    return answers


def _not_whole(document: Document) -> RecordRejectedError:
    """It may have moved to a month that nobody reads for long, so that a fault of today would stay."""
    return RecordRejectedError(
        document.kind.value,
        document.id,
        f"{document.kind.value} {document.id} is not on Holded's list, and by its id it is not whole"
        f" ({document.unreadable}): kept as it was",
        json.loads(document.raw),
    )


def _unanswered(kind: DocumentKind, document_id: str, error: VendorError) -> RecordRejectedError:
    return RecordRejectedError(
        kind.value,
        document_id,
        f"{kind.value} {document_id} is not on Holded's list, and by its id the answer cannot be used ({error}):"
        " kept as it was",
    )


Read = TypeVar("Read")
Vendor = Literal["holded", "fourgeeks", "notion"]


def _nothing_known(_kind: DocumentKind, _months: MonthWindow) -> Mapping[str, Any]:
    """Of a caller for whom no document can be missing."""
    return {}


@dataclass(frozen=True)
class Openers:
    """How each vendor's connector is made; tests put their own here."""

    holded: Callable[[HttpRules], HoldedConnector] = open_holded
    fourgeeks: Callable[[HttpRules], FourgeeksConnector] = open_fourgeeks
    notion: Callable[[HttpRules], NotionConnector] = open_notion


@dataclass(frozen=True)
class DocumentsRead:
    """The invoices and credit notes of one window, and what became of those that the ledger knows besides."""

    documents: Listing[Document]
    """Of the window, by local day. A rejected one whose date cannot be read, or be, is in the first month of `span`."""
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
    rules: HttpRules = USUAL
    """Of every connector."""
    erased: Callable[[], Erased] = Erased
    """Reads who was erased here: of them nothing personal comes in."""
    _open: ExitStack = field(default_factory=ExitStack)
    _kept: dict[Hashable, Any] = field(default_factory=dict)
    _breakers: dict[Hashable, CircuitBreaker] = field(default_factory=lambda: defaultdict(CircuitBreaker))
    _wide_read_failed: bool = False
    _ahead: dict[Hashable, Future[Any]] = field(default_factory=dict)
    """Lists that threads read, until they are asked for."""
    _turns: dict[Vendor, Lock] = field(default_factory=lambda: {each: Lock() for each in get_args(Vendor)})
    """A connector makes one request at a time."""

    def close(self) -> None:
        """Let connections and lists go; a thread that still reads ends with its next request."""
        for future in list(self._ahead.values()):
            future.cancel()
        self._open.close()
        self._kept.clear()

    def read_ahead(self, steps: Iterable[Step]) -> None:
        """Begin to read the lists that these steps will ask for.

        What comes of a list, an error too, is for the window that asks for it. After an error the vendor's other lists
        are left to those who ask for them.
        """
        lists: dict[Vendor, dict[Hashable, Callable[[], Any]]] = defaultdict(dict)
        steps = set(steps)
        if SERVICES in steps:
            lists["holded"]["income_accounts"] = lambda: self._holded().income_accounts()
        if INVOICES in steps and self.span is not None:
            for kind in DocumentKind:
                key = "documents", kind, self.span
                lists["holded"][key] = partial(self._read_documents, kind, self.span)
            lists["holded"]["contacts"] = lambda: self._holded().contacts()
        if CRM_CLIENTS in steps:
            lists["fourgeeks"]["students"] = lambda: self._fourgeeks().students()
        if SERVICE_PERIODS in steps:
            lists["fourgeeks"]["enrollments"] = lambda: self._fourgeeks().enrollments()
        if NOTION_EXTERNAL_ID in steps:
            lists["notion"]["pages"] = lambda: self._notion().student_pages()
        for vendor, wanted in lists.items():
            self._ahead.update({key: Future() for key in wanted})
            reading = partial(copy_context().run, self._read_each, vendor, wanted)  # Prefect's settings are in it
            Thread(target=reading, name=f"reads {vendor}", daemon=True).start()

    def _read_each(self, vendor: Vendor, wanted: Mapping[Hashable, Callable[[], Any]]) -> None:
        futures, failed = [(self._ahead[key], read) for key, read in wanted.items()], False
        for future, read in futures:
            if failed:
                future.cancel()
            if not future.set_running_or_notify_cancel():
                continue
            try:
                with self._turns[vendor]:
                    found = read()
            except BaseException as error:  # noqa: BLE001 - it is raised where the list is asked for
                failed = True
                future.set_exception(error)
            else:
                future.set_result(found)

    def income_accounts(self) -> Listing[IncomeAccount]:
        """Holded's sales channels."""
        return self._list("holded", "income_accounts", lambda: self._holded().income_accounts())

    def income_account(self, account_id: str) -> IncomeAccount | None:
        """One sales channel that the list lacks."""
        return self._by_id("income_account", account_id, lambda: self._holded().income_account(account_id))

    def contacts(self) -> Listing[ContactCard]:
        """Holded's contacts."""
        return self._list("holded", "contacts", lambda: self._holded().contacts())

    def contact(self, contact_id: str) -> ContactCard | None:
        """One contact that the list lacks."""
        return self._by_id("contact", contact_id, lambda: self._holded().contact(contact_id))

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

        When the wide read fails, each window is read by itself from then on: a fault stays inside its window. What the
        list lacks of the `known` documents is asked for by id.
        """
        span = self.span
        if span is None or self._wide_read_failed or window.start < span.start or window.end > span.end:
            span = window
        try:
            return self._slice(span, window, known)
        except VendorError as error:
            if span == window:
                raise
            self._wide_read_failed = True
            self.rules.progress.log(f"{error}; the documents are read window by window")
            return self._slice(window, window, known)

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
        read_list = partial(self._read_documents, kind, span)

        def by_id(document_id: str) -> Document | None:
            return self._by_id(kind, document_id, lambda: self._holded().document(kind, document_id))

        def confirm() -> ConfirmedDocuments:
            pages = self._list("holded", ("documents", kind, span), read_list)
            source = DocumentSource(kind, lambda: self._guarded("holded", ("again", kind, span), read_list), by_id)
            return confirm_missing(pages, known(kind, span), source, self.rules.progress)

        return self._once(("confirmed", kind, span), confirm)

    def _read_documents(self, kind: DocumentKind, span: MonthWindow) -> DocumentPages:
        return self._holded().read_documents(kind, span)

    def _holded(self) -> HoldedConnector:
        return self._once("holded", lambda: self._open.enter_context(self.openers.holded(self.rules)))

    def _fourgeeks(self) -> FourgeeksConnector:
        return self._once("fourgeeks", lambda: self._open.enter_context(self.openers.fourgeeks(self.rules)))

    def _notion(self) -> NotionConnector:
        return self._once("notion", lambda: self._open.enter_context(self.openers.notion(self.rules)))

    def _once(self, key: Hashable, read: Callable[[], Read]) -> Read:
        if key not in self._kept:
            self._kept[key] = read()
        kept: Read = self._kept[key]
        return kept

    def _list(self, vendor: Vendor, key: Hashable, read: Callable[[], Read]) -> Read:
        return self._once(key, lambda: self._guarded(vendor, key, read))

    def _by_id(self, kind: str, external_id: str, read: Callable[[], Read]) -> Read:
        """One record. Requests by id have a circuit of their own: their failing says nothing of the lists."""
        key = kind, external_id
        return self._once(key, lambda: self._guarded(("holded", kind), key, read))

    def _guarded(self, circuit: Hashable, key: Hashable, read: Callable[[], Read]) -> Read:
        """Make a read, unless the circuit breaker refuses it.

        Raises:
            VendorDownError: it is not asked for again in this run.
        """
        breaker = self._breakers[circuit]
        breaker.require(key)
        try:
            value = self._read_now_or_ahead(circuit, key, read, one_attempt=breaker.is_down)
        except VendorUnavailableError as error:
            raise breaker.failed(key, error) from error
        except RecordRejectedError as error:
            mask_error(error, self._once("erased", self.erased))
            raise
        breaker.succeeded()
        erased = self._once("erased", self.erased)
        masked: Read = without_erased(value, erased) if erased.emails else value
        return masked

    def _read_now_or_ahead(
        self, circuit: Hashable, key: Hashable, read: Callable[[], Read], *, one_attempt: bool
    ) -> Read:
        """What a thread read, once; else a read of now, when no thread asks the same vendor."""
        future = self._ahead.pop(key, None)
        if future is not None:
            with suppress(CancelledError):
                found: Read = future.result()
                return found
        vendor: Any = circuit[0] if isinstance(circuit, tuple) else circuit
        with self._turns.get(vendor, nullcontext()), self._one_attempt(vendor) if one_attempt else nullcontext():
            return read()

    def _one_attempt(self, vendor: Hashable) -> AbstractContextManager[None]:
        connector: Connector | None = self._kept.get(vendor)
        return nullcontext() if connector is None else connector.one_attempt()

    def of_backend(self, call: Hashable, ask: Callable[[], Read]) -> Read:
        """What a remote backend answers: not kept, for each call is work of its own, and refused when it is down."""
        return self._guarded("backend", call, ask)
