"""Lists that lack what exists: nothing is voided, and nothing lost, before the vendor was asked by id."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from steps.errors import SuspiciousEmptyError, VendorPayloadError
from steps.ledger.contract import Invoice
from steps.sandbox.exchange import Answer, Call
from steps.sandbox.faults import Fault, FaultKind
from steps.sandbox.records import Document
from steps.sandbox.server import SandboxServer
from tests.steps.calls import one_run, sync_invoices, sync_services
from tests.steps.ledger_view import LedgerView, rows, whole_ledger
from tests.steps.records import FULL_STACK, contact, credit_note, invoice, month
from tests.steps.year_import import YEAR

pytestmark = [pytest.mark.sqlite_first, pytest.mark.usefixtures("without_waits")]

ANA_FS = ("ana@example.org", FULL_STACK.id)
MARCH = month(3)


@pytest.fixture(autouse=True)
def books(database: str, sandbox: SandboxServer) -> None:
    sandbox.world.accounts.append(FULL_STACK)
    sandbox.world.contacts.append(contact())
    sync_services()


def void_documents() -> set[str]:
    return {row["external_id"] for row in rows(Invoice) if row["voided_at"] is not None}


def asked_by_id(sandbox: SandboxServer) -> list[str]:
    return [each.path for each in sandbox.requests if each.path.count("/") == 3]


def empty(path: str, times: int | None = None) -> Fault:
    """The list is empty; single documents answer as ever."""
    return Fault("holded", "empty", f"{path}$", times=times)


def test_an_empty_list_of_credit_notes_with_45_known_is_refused_and_revenue_does_not_rise(
    sandbox: SandboxServer,
) -> None:
    sandbox.world.invoices.extend(invoice(number, date(2024, 3, 5)) for number in range(1, 101))
    sandbox.world.credit_notes.extend(credit_note(number, date(2024, 3, 9)) for number in range(101, 146))
    sync_invoices(MARCH)
    before = whole_ledger()
    sandbox.faults.add(empty("/documents/creditnote"))

    with pytest.raises(SuspiciousEmptyError, match="45 of 45 known records"):
        sync_invoices(MARCH)

    assert whole_ledger() == before
    assert asked_by_id(sandbox) == []


def test_an_empty_list_with_six_known_documents_voids_none_of_them(sandbox: SandboxServer) -> None:
    sandbox.world.invoices.extend(invoice(number, date(2024, 3, 5)) for number in range(1, 7))
    sync_invoices(MARCH)
    before = whole_ledger()
    sandbox.faults.add(empty("/documents/invoice"))

    result = sync_invoices(MARCH)

    assert (result["invoices_processed"], result["invoices_voided"], result["errors"]) == (6, 0, 0)
    assert whole_ledger() == before
    assert len(asked_by_id(sandbox)) == 6


def test_an_edited_document_that_the_list_lacks_is_taken_as_it_is_by_id(sandbox: SandboxServer) -> None:
    sandbox.world.invoices.append(invoice(1, date(2024, 3, 5)))
    sync_invoices(MARCH)
    sandbox.world.invoices[0] = invoice(1, date(2024, 3, 5), "250.00")
    sandbox.faults.add(empty("/documents/invoice"))

    assert sync_invoices(MARCH)["invoices_updated"] == 1
    assert LedgerView().contracts()[ANA_FS][1] == Decimal("250.00")


def test_a_list_that_was_empty_once_is_read_again_and_loses_nothing(sandbox: SandboxServer) -> None:
    sandbox.world.invoices.append(invoice(1, date(2024, 3, 5)))
    sync_invoices(MARCH)
    sandbox.world.invoices.append(invoice(2, date(2024, 3, 6)))
    sandbox.faults.add(empty("/documents/invoice", times=1))

    result = sync_invoices(MARCH)

    assert (result["invoices_processed"], result["invoices_created"], void_documents()) == (2, 1, set())


@pytest.mark.parametrize("status", [404, 400])
def test_a_window_whose_few_documents_are_really_gone_is_emptied(sandbox: SandboxServer, status: int) -> None:
    sandbox.modes.holded_unknown_status = status
    sandbox.world.invoices.extend(invoice(number, date(2024, 3, 5)) for number in range(1, 7))
    sync_invoices(MARCH)
    sandbox.world.invoices.clear()

    assert sync_invoices(MARCH)["invoices_voided"] == 6
    assert sync_invoices(MARCH)["invoices_voided"] == 0
    assert len(asked_by_id(sandbox)) == 6


@pytest.mark.parametrize("size", [499, 100])
def test_a_server_that_caps_its_pages_at_another_size_loses_nothing(sandbox: SandboxServer, size: int) -> None:
    sandbox.modes.holded_documents_per_page = size
    sandbox.world.invoices.extend(invoice(number, date(2024, 3, 5)) for number in range(1, 545))

    assert sync_invoices(MARCH)["invoices_created"] == 544


def test_a_page_that_repeats_is_refused_whatever_its_size(sandbox: SandboxServer) -> None:
    """Whatever comes after it would be lost."""
    sandbox.modes.holded_documents_per_page = 100
    sandbox.world.invoices.extend(invoice(number, date(2024, 3, 5)) for number in range(1, 250))
    sandbox.faults.add(Fault("holded", "repeat-page", "/documents/invoice", when=is_page("3")))

    with pytest.raises(VendorPayloadError, match="a page repeats"):
        sync_invoices(MARCH)


def is_page(number: str) -> Callable[[Call], bool]:
    return lambda call: call.query.get("page") == number


def test_a_document_deleted_between_two_pages_does_not_void_its_neighbour(sandbox: SandboxServer) -> None:
    sandbox.modes.holded_documents_per_page = 5
    sandbox.world.invoices.extend(invoice(number, date(2024, 3, number)) for number in range(1, 13))
    sync_invoices(MARCH)
    sandbox.faults.add(deletes(sandbox, sandbox.world.invoices[0]))

    result = sync_invoices(MARCH)

    assert (result["invoices_voided"], void_documents()) == (0, set())
    assert LedgerView().contracts()[ANA_FS][1] == Decimal("1200.00")
    assert sync_invoices(MARCH)["invoices_voided"] == 1
    assert void_documents() == {"d1"}


def deletes(sandbox: SandboxServer, document: Document) -> Fault:
    """The document is on the first page, and is deleted before the second is asked for: the next one moves up."""

    def delete(answer: Answer) -> Answer:
        sandbox.world.invoices.remove(document)
        return answer

    return Fault("holded", "altered", "/documents/invoice", when=is_page("1"), alter=delete)


def test_a_neighbour_that_moved_up_is_found_before_any_month_of_the_range_is_applied(sandbox: SandboxServer) -> None:
    sandbox.modes.holded_documents_per_page = 2
    sandbox.world.invoices.extend(invoice(number, date(2024, number, 5)) for number in range(1, 7))
    with one_run(YEAR):
        for number in range(1, 7):
            sync_invoices(month(number))
    sandbox.world.invoices.append(invoice(7, date(2024, 1, 9)))
    sandbox.faults.add(deletes(sandbox, sandbox.world.invoices[1]))

    with one_run(YEAR):
        results = [sync_invoices(month(number)) for number in range(1, 7)]

    assert [result["invoices_voided"] for result in results] == [0] * 6
    assert results[0]["invoices_created"] == 1


@pytest.mark.parametrize("kind", ["500", "html-200", "soft-failure", "410"])
def test_a_document_of_which_the_vendor_says_nothing_is_kept_and_reported(
    sandbox: SandboxServer, kind: FaultKind
) -> None:
    sandbox.world.invoices.extend(invoice(number, date(2024, 3, 5)) for number in (1, 2))
    sync_invoices(MARCH)
    gone = sandbox.world.invoices.pop()
    sandbox.faults.add(Fault("holded", kind, "/documents/invoice/d2", times=None))

    result = sync_invoices(MARCH)

    assert (result["invoices_voided"], result["errors"], void_documents()) == (0, 1, set())
    assert LedgerView().errors() == {("invoice", "d2")}

    sandbox.faults.clear()
    assert sync_invoices(MARCH)["invoices_voided"] == 1
    sandbox.world.invoices.append(gone)
    assert sync_invoices(MARCH)["errors"] == 0


def test_a_document_that_was_dated_outside_the_range_moves_and_is_not_void(sandbox: SandboxServer) -> None:
    sandbox.world.invoices.append(invoice(1, date(2024, 3, 5)))
    sync_invoices(MARCH)
    sandbox.world.invoices[0] = replace(sandbox.world.invoices[0], date=date(2024, 8, 5))

    result = sync_invoices(MARCH)

    assert (result["invoices_voided"], result["invoices_updated"]) == (0, 1)
    assert [row["invoice_date"] for row in rows(Invoice)] == [date(2024, 8, 5)]


def test_more_missing_documents_than_can_be_asked_for_are_refused_until_somebody_accepts_the_loss(
    sandbox: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox.world.invoices.extend(invoice(number, date(2024, 3, 5)) for number in range(1, 251))
    sync_invoices(MARCH)
    del sandbox.world.invoices[:101]

    with pytest.raises(SuspiciousEmptyError, match="101 of 250 known records are missing"):
        sync_invoices(MARCH)

    monkeypatch.setenv("SYNC_ACCEPT_LOSS", "true")
    assert sync_invoices(MARCH)["invoices_voided"] == 101
    assert asked_by_id(sandbox) == []
