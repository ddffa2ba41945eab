"""The connectors against the sandbox, a second reading of the vendor sheets: what is served is what is read."""

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from steps.errors import VendorAuthError, VendorError
from steps.ledger.contract import DocumentKind
from steps.ledger.months import MonthWindow
from steps.sandbox.exchange import Call
from steps.sandbox.faults import Fault
from steps.sandbox.records import local_day
from steps.sandbox.server import SandboxServer, serve_sandbox
from steps.sandbox.world import build_world
from steps.settings import FourgeeksSettings, HoldedSettings, NotionSettings
from steps.vendors.fourgeeks import FourgeeksConnector, _tokens
from steps.vendors.holded import HoldedConnector
from steps.vendors.http import HttpRules
from steps.vendors.notion import NotionConnector
from tests.fast_vendors import FAST

YEARS = MonthWindow(date(2023, 1, 1), date(2026, 1, 1))
KINDS = {DocumentKind.INVOICE: "invoices", DocumentKind.CREDIT_NOTE: "credit_notes"}


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[SandboxServer]:
    with serve_sandbox(build_world(clients=150)) as server:
        for name, value in {**server.environment, **FAST}.items():
            monkeypatch.setenv(name, value)
        yield server


@pytest.fixture
def holded(sandbox: SandboxServer, impatient: HttpRules) -> Iterator[HoldedConnector]:
    with HoldedConnector(HoldedSettings.load(), rules=impatient) as connector:
        yield connector


@pytest.fixture
def fourgeeks(sandbox: SandboxServer, impatient: HttpRules) -> Iterator[FourgeeksConnector]:
    with FourgeeksConnector(FourgeeksSettings.load(), impatient) as connector:
        yield connector


@pytest.fixture
def notion(sandbox: SandboxServer, impatient: HttpRules) -> Iterator[NotionConnector]:
    with NotionConnector(NotionSettings.load(), impatient) as connector:
        yield connector


def requests(sandbox: SandboxServer, path: str) -> int:
    return sum(1 for logged in sandbox.requests if logged.path.startswith(path))


@pytest.mark.parametrize("kind", DocumentKind)
def test_every_document_is_read_with_its_day_and_amounts(
    sandbox: SandboxServer, holded: HoldedConnector, kind: DocumentKind
) -> None:
    served = getattr(sandbox.world, KINDS[kind])

    read = holded.documents(kind, YEARS)

    assert read.rejected == []
    assert [(d.id, d.day, d.total_amount, d.net_amount, d.source_invoice_id) for d in read.records] == [
        (d.id, d.date, d.signed_total, d.signed_net, d.source_invoice_id) for d in served
    ]
    assert [d.line_accounts for d in read.records] == [
        tuple(line.account_id for line in d.lines if line.account_id) for d in served
    ]
    assert requests(sandbox, "/documents") == math.ceil(len(served) / 500) + 1


@pytest.mark.parametrize("page_size", [500, 50, "page ignored"])
def test_every_listed_contact_is_read(sandbox: SandboxServer, holded: HoldedConnector, page_size: Any) -> None:
    sandbox.modes.holded_page_size = page_size
    served = [contact.id for contact in sandbox.world.contacts if contact.listed]

    read = holded.contacts()

    assert sorted(contact.id for contact in read.records) == sorted(served)
    assert read.rejected == []


@pytest.mark.parametrize("status", [404, 400])
def test_a_contact_missing_from_the_list_is_found_by_id(
    sandbox: SandboxServer, holded: HoldedConnector, status: int
) -> None:
    sandbox.modes.holded_unknown_status = status
    deleted = [contact for contact in sandbox.world.contacts if not contact.listed]

    assert deleted
    assert all((holded.contact(contact.id) is not None) is contact.found_by_id for contact in deleted)


def _day(moment: datetime | None) -> date | None:
    return local_day(moment) if moment else None


def test_every_student_and_enrollment_of_the_academy_is_read(
    sandbox: SandboxServer, fourgeeks: FourgeeksConnector
) -> None:
    students = {str(s.id) for s in sandbox.world.students if s.academy_id == 6 and s.role == "student"}
    listed = {str(e.id): e for e in sandbox.world.enrollments if e.cohort.academy_id == 6 and e.role == "STUDENT"}

    read, enrollments = fourgeeks.students(), fourgeeks.enrollments()

    assert {student.profile_id for student in read.records} == students
    assert {(e.id, e.kickoff, e.ending, e.updated_on, e.educational_status) for e in enrollments.records} == {
        (key, *map(_day, (e.cohort.kickoff_at, e.cohort.ending_at, e.updated_at)), e.educational_status)
        for key, e in listed.items()
    }
    assert read.rejected == enrollments.rejected == []
    assert requests(sandbox, "/auth/academy/student") == math.ceil(len(students) / 200)
    assert requests(sandbox, "/admissions") == math.ceil(len(listed) / 200)


@pytest.mark.parametrize("several_sources", [False, True])
@pytest.mark.parametrize("query_limit", [10_000, 40])
@pytest.mark.parametrize("email_type", ["email", "rich_text"])
def test_every_page_that_is_not_in_the_trash_is_read(
    sandbox: SandboxServer, notion: NotionConnector, several_sources: bool, query_limit: int, email_type: Any
) -> None:
    sandbox.modes.notion_several_sources, sandbox.modes.notion_query_limit = several_sources, query_limit
    sandbox.modes.notion_email_type, sandbox.modes.notion_status_type = email_type, "status"
    served = {page.id: page for page in sandbox.world.pages if not page.in_trash}

    read = notion.student_pages()

    assert {page.id for page in read.records} == set(served)
    assert read.rejected == []
    for page in read.records:
        drop, certified = served[page.id].drop_date, served[page.id].certified_at
        assert page.drop_date == (drop.start if drop else None)
        assert page.certified_at == (certified.start if certified else None)
        assert page.educational_status == served[page.id].status


def test_a_second_query_may_have_the_cursors_of_the_first(
    sandbox: SandboxServer, notion: NotionConnector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("steps.vendors.notion.PAGE_SIZE", 10)
    sandbox.modes.notion_query_limit = 40

    read = notion.student_pages()

    assert len(read.records) == sum(not page.in_trash for page in sandbox.world.pages)


def test_a_scan_costs_what_the_sheet_says(sandbox: SandboxServer, notion: NotionConnector) -> None:
    pages = notion.student_pages().records

    assert len(sandbox.requests) == math.ceil(len(pages) / 100)


def test_no_spoiled_record_is_lost_or_fails_its_list(
    sandbox: SandboxServer, holded: HoldedConnector, fourgeeks: FourgeeksConnector, notion: NotionConnector
) -> None:
    sandbox.world = build_world(clients=60, spoiled=True)

    invoices = holded.documents(DocumentKind.INVOICE, YEARS)
    contacts, enrollments, pages = holded.contacts(), fourgeeks.enrollments(), notion.student_pages()

    assert any("used twice" in str(error) for error in invoices.rejected)
    assert len(invoices.rejected) >= 5
    assert len(contacts.rejected) == 1
    assert len(enrollments.rejected) == 4
    assert len(pages.rejected) == 2
    good = build_world(clients=60)
    assert {document.id for document in good.invoices} <= {document.id for document in invoices.records}
    assert {page.id for page in good.pages if not page.in_trash} == {page.id for page in pages.records}


@pytest.mark.parametrize(
    "kind", ["429", "429-no-retry-after", "500", "502-html", "503", "504", "529", "truncated", "drop-connection"]
)
def test_what_passes_by_itself_is_not_noticed(
    sandbox: SandboxServer, holded: HoldedConnector, fourgeeks: FourgeeksConnector, notion: NotionConnector, kind: Any
) -> None:
    for vendor in ("holded", "fourgeeks", "notion"):
        sandbox.faults.add(Fault(vendor, kind, times=2))

    assert len(holded.contacts().records) == sum(contact.listed for contact in sandbox.world.contacts)
    assert len(fourgeeks.students().records) > 100
    assert len(notion.student_pages().records) == sum(not page.in_trash for page in sandbox.world.pages)


@pytest.mark.parametrize("kind", ["400", "401", "402", "403", "404", "html-200", "not-json", "soft-failure"])
def test_what_does_not_pass_is_an_error_and_never_an_empty_list(
    sandbox: SandboxServer, holded: HoldedConnector, fourgeeks: FourgeeksConnector, notion: NotionConnector, kind: Any
) -> None:
    for vendor in ("holded", "fourgeeks", "notion"):
        sandbox.faults.add(Fault(vendor, kind, times=None))

    for read in (holded.contacts, holded.income_accounts, fourgeeks.students, notion.student_pages):
        with pytest.raises(VendorError):
            read()


def test_an_expired_cursor_and_an_expired_token_are_mended(
    sandbox: SandboxServer, fourgeeks: FourgeeksConnector, notion: NotionConnector
) -> None:
    students = len(fourgeeks.students().records)
    sandbox.tokens.expire()
    sandbox.faults.add(Fault("notion", "expired-cursor", when=lambda call: "start_cursor" in (call.body or {})))

    assert len(fourgeeks.students().records) == students
    assert len(notion.student_pages().records) == sum(not page.in_trash for page in sandbox.world.pages)


def test_the_crms_slow_mode_only_costs_more_requests(sandbox: SandboxServer, fourgeeks: FourgeeksConnector) -> None:
    sandbox.modes.fourgeeks_slow_above = 60

    assert len(fourgeeks.enrollments().records) > 100


def test_a_renamed_email_property_is_an_error(sandbox: SandboxServer, notion: NotionConnector) -> None:
    sandbox.modes.notion_property_names = {"Email": "Correo"}

    with pytest.raises(VendorError, match="NOTION_EMAIL_PROPERTY"):
        notion.student_pages()


def test_early_logins_bring_the_same_token_and_end_until_it_is_refused(
    sandbox: SandboxServer, fourgeeks: FourgeeksConnector, monkeypatch: pytest.MonkeyPatch
) -> None:
    fourgeeks.check()
    sandbox.tokens.expires_at = datetime.now(UTC) + timedelta(minutes=2)
    _tokens.clear()
    fourgeeks._limit = 20

    fourgeeks.students()
    at_its_end = requests(sandbox, "/auth/login/")
    sandbox.tokens.expire()
    fourgeeks.students()

    assert requests(sandbox, "/auth/academy/student") > 16
    assert (at_its_end, requests(sandbox, "/auth/login/")) == (3, 4)


@pytest.mark.parametrize(
    ("state", "sentence"),
    [("user_is_active", "Inactive user"), ("email_is_validated", "You need to validate your email first")],
)
def test_who_may_not_log_in_is_told_so_in_the_vendors_words(
    sandbox: SandboxServer, fourgeeks: FourgeeksConnector, state: str, sentence: str
) -> None:
    setattr(sandbox.tokens, state, False)

    with pytest.raises(VendorAuthError, match=sentence) as caught:
        fourgeeks.students()

    assert "FOURGEEKS_" not in str(caught.value)


@pytest.mark.parametrize(
    ("status", "sentence"), [("INACTIVE", "This academy is not active"), ("DELETED", "This academy is deleted")]
)
def test_an_academy_that_is_closed_is_told_in_the_vendors_words(
    sandbox: SandboxServer, fourgeeks: FourgeeksConnector, status: Any, sentence: str
) -> None:
    sandbox.world.academies[0] = replace(sandbox.world.academies[0], status=status)

    with pytest.raises(VendorAuthError, match=sentence) as caught:
        fourgeeks.enrollments()

    assert "FOURGEEKS_" not in str(caught.value)


def test_a_base_url_without_its_version_is_told(sandbox: SandboxServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOURGEEKS_BASE_URL", sandbox.environment["FOURGEEKS_BASE_URL"].removesuffix("/v1"))

    with (
        FourgeeksConnector(FourgeeksSettings.load()) as unversioned,
        pytest.raises(VendorError, match=r"ends .* \.\.\./v1"),
    ):
        unversioned.students()


def test_rows_that_are_lost_while_a_list_is_paged_are_read_after_all(
    sandbox: SandboxServer, fourgeeks: FourgeeksConnector
) -> None:
    """A student who is deleted between two pages moves the next one to a page that was read already."""
    fourgeeks._limit = 20
    sandbox.faults.add(Fault("fourgeeks", "slow", "/auth/academy/student", seconds=0, when=_takes_one(sandbox)))

    read = fourgeeks.students()

    assert {each.profile_id for each in read.records} == {
        str(each.id)
        for each in sandbox.world.students
        if each.academy_id == sandbox.world.academies[0].id and each.role == "student"
    }


def _takes_one(sandbox: SandboxServer) -> Callable[[Call], bool]:
    """True for the second page, before which the first row of the list is deleted."""

    def happens(call: Call) -> bool:
        if call.query.get("offset") != "20":
            return False
        first = min((each for each in sandbox.world.students if each.role == "student"), key=lambda each: each.id)
        sandbox.world.students.remove(first)
        return True

    return happens
