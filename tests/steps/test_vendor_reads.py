"""What one run reads: each list once, sliced by window, faults kept inside their window."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import partial
from threading import Barrier
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from steps.catalog import CRM_CLIENTS, INVOICES, STEPS
from steps.context import StepContext
from steps.errors import ConfigError, VendorUnavailableError
from steps.ledger.client import ContactCard
from steps.ledger.contract import DocumentKind
from steps.ledger.months import MonthWindow
from steps.sources import Openers, VendorReads
from steps.vendors.fourgeeks import Student
from steps.vendors.holded import DocumentPages, IncomeAccount, parse_contact, parse_document
from steps.vendors.parsing import Listing, Rows

MADRID = ZoneInfo("Europe/Madrid")
JANUARY, FEBRUARY, MARCH = (MonthWindow.of(date(2025, month, 1)) for month in (1, 2, 3))
QUARTER = MonthWindow(JANUARY.start, MARCH.end)


def row(name: str, day: date | None, **fields: Any) -> dict[str, Any]:
    seconds = 0 if day is None else int(datetime(day.year, day.month, day.day, tzinfo=MADRID).timestamp())
    return {"id": name, "date": seconds, "total": 100, **fields}


@dataclass
class Books:
    """Stands where the Holded connector stands, and counts what it is asked."""

    invoices: list[dict[str, Any]] = field(default_factory=list)
    meet: Callable[[], object] = lambda: None
    """Called before anything is answered."""
    broken: Callable[[MonthWindow], bool] = lambda _: False
    asked: list[str] = field(default_factory=list)
    closed: int = 0

    def __enter__(self) -> "Books":
        return self

    def __exit__(self, *_: object) -> None:
        self.closed += 1

    def contacts(self) -> Listing[ContactCard]:
        """One contact."""
        self.meet()
        self.asked.append("contacts")
        return Listing([parse_contact({"id": "ana", "email": "ana@example.org"})])

    def income_accounts(self) -> Listing[IncomeAccount]:
        """None."""
        self.asked.append("income accounts")
        return Listing()

    def contact(self, contact_id: str) -> ContactCard | None:
        """Nobody else."""
        self.asked.append(f"contact {contact_id}")
        return None

    def read_documents(self, kind: DocumentKind, window: MonthWindow) -> DocumentPages:
        """The invoices; there are no credit notes."""
        self.asked.append(f"{kind} {window}")
        if self.broken(window):
            raise VendorUnavailableError("holded", "GET /documents/invoice", "503", status=503)
        rows = Rows(kind.value, partial(parse_document, kind, MADRID))
        rows.add(self.invoices if kind is DocumentKind.INVOICE else [])
        return DocumentPages.of_rows(rows, MADRID, window)


@dataclass
class Crm(Books):
    """Stands where the CRM's connector stands."""

    def students(self) -> Listing[Student]:
        """Nobody."""
        self.meet()
        return Listing()


def reads_of(books: Books, span: MonthWindow | None) -> VendorReads:
    opener: Any = lambda _: books  # noqa: E731
    return VendorReads(span, Openers(holded=opener))


def test_the_span_is_read_once_per_document_type_and_sliced() -> None:
    books = Books([row("a", date(2025, 1, 31)), row("b", date(2025, 2, 1)), row("c", date(2025, 3, 31))])
    reads = reads_of(books, QUARTER)

    found = [[document.id for document in reads.documents(month).documents.records] for month in QUARTER.months()]

    assert found == [["a"], ["b"], ["c"]]
    assert books.asked == ["invoice 2025-01..2025-03", "credit_note 2025-01..2025-03"]
    assert reads.documents(FEBRUARY).ids_in_span == {"a", "b", "c"}
    assert reads.documents(FEBRUARY).span == QUARTER


def test_a_rejected_document_is_told_in_its_own_month_or_else_in_the_first() -> None:
    books = Books(
        [
            row("february", date(2025, 2, 3), total="1.234,56"),
            row("undated", None),
            row("old", date(2024, 1, 1), total="x"),
        ]
    )
    reads = reads_of(books, QUARTER)

    told = [[error.external_id for error in reads.documents(month).documents.rejected] for month in QUARTER.months()]

    assert told == [["undated", "old"], ["february"], []]
    assert reads.documents(MARCH).ids_in_span == {"february", "undated", "old"}


def test_when_the_wide_read_fails_each_window_is_read_by_itself() -> None:
    books = Books([row("a", date(2025, 1, 5))], broken=lambda window: window in (QUARTER, FEBRUARY))
    reads = reads_of(books, QUARTER)

    january = reads.documents(JANUARY)
    with pytest.raises(VendorUnavailableError):
        reads.documents(FEBRUARY)
    reads.documents(MARCH)

    assert [document.id for document in january.documents.records] == ["a"]
    assert january.span == JANUARY
    assert books.asked.count("invoice 2025-01..2025-03") == 1


def test_a_window_read_that_failed_is_read_again_when_it_is_asked_again() -> None:
    books = Books([row("a", date(2025, 1, 5))], broken=lambda _: True)
    reads = reads_of(books, JANUARY)
    with pytest.raises(VendorUnavailableError):
        reads.documents(JANUARY)

    books.broken = lambda _: False

    assert len(reads.documents(JANUARY).documents.records) == 1
    assert books.asked.count("invoice 2025-01") == 2


@pytest.mark.parametrize("span", [None, MARCH])
def test_a_window_outside_the_span_is_read_by_itself(span: MonthWindow | None) -> None:
    books = Books([row("a", date(2025, 1, 5))])

    read = reads_of(books, span).documents(JANUARY)

    assert read.span == JANUARY
    assert books.asked == ["invoice 2025-01", "credit_note 2025-01"]


def test_two_vendors_are_asked_at_the_same_time() -> None:
    both = Barrier(2, timeout=30)
    books, crm = Books(meet=both.wait), Crm(meet=both.wait)
    openers: Any = {"holded": lambda _: books, "fourgeeks": lambda _: crm}
    reads = VendorReads(None, Openers(**openers))

    reads.read_ahead({INVOICES, CRM_CLIENTS})

    assert [contact.id for contact in reads.contacts().records] == ["ana"]
    assert reads.students().records == []


def test_a_fault_met_ahead_counts_where_its_list_is_asked_for_and_leaves_the_vendor_alone_until_then() -> None:
    books = Books([row("a", date(2025, 1, 5))], broken=lambda window: window == QUARTER)
    reads = reads_of(books, QUARTER)

    reads.read_ahead({INVOICES})
    january = reads.documents(JANUARY)

    assert (january.span, [document.id for document in january.documents.records]) == (JANUARY, ["a"])
    assert books.asked == ["invoice 2025-01..2025-03", "invoice 2025-01", "credit_note 2025-01"]
    assert len(reads.contacts().records) == 1


def test_what_was_read_ahead_is_not_asked_for_again() -> None:
    books = Books([row("a", date(2025, 1, 5))])
    reads = reads_of(books, QUARTER)

    reads.read_ahead(STEPS.values())
    reads.documents(JANUARY)
    reads.documents(MARCH)
    reads.contacts()

    lists = ["income accounts", "invoice 2025-01..2025-03", "credit_note 2025-01..2025-03", "contacts"]
    assert books.asked == lists


def test_a_list_and_a_record_by_its_id_are_read_once() -> None:
    books = Books()
    reads = reads_of(books, None)

    reads.contacts()
    reads.contacts()
    nobody, again = reads.contact("bob"), reads.contact("bob")

    assert (nobody, again) == (None, None)
    assert books.asked == ["contacts", "contact bob"]


def test_a_credential_is_required_at_the_first_use_only() -> None:
    with StepContext(QUARTER) as context:
        reads = context.reads
        with pytest.raises(ConfigError, match="NOTION_TOKEN"):
            reads.pages()
        with pytest.raises(ConfigError, match="FOURGEEKS_USERNAME"):
            reads.students()
        with pytest.raises(ConfigError, match="HOLDED_API_KEY"):
            reads.documents(JANUARY)


def test_steps_share_the_reads_of_their_run_and_only_inside_it() -> None:
    with StepContext(QUARTER) as run, StepContext() as another:
        assert run.of_execution(1).reads is run.of_execution(2).reads
        assert another.reads is not run.reads


def test_the_connectors_are_closed_with_the_reads() -> None:
    books = Books()
    reads = reads_of(books, None)
    reads.contacts()

    reads.close()

    assert books.closed == 1
