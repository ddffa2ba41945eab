"""Documents that go away upstream, and come back."""

from datetime import date
from decimal import Decimal

import pytest

from steps.ledger.contract import Invoice
from steps.sandbox.server import SandboxServer
from tests.steps.calls import one_run, sync_invoices, sync_services
from tests.steps.ledger_view import LedgerView, rows, whole_ledger
from tests.steps.records import FULL_STACK, contact, invoice, month
from tests.steps.year_import import YEAR
from tracking.models import IntegrationError

ANA_FS = ("ana@example.org", FULL_STACK.id)


@pytest.fixture(autouse=True)
def books(database: str, sandbox: SandboxServer) -> None:
    sandbox.world.accounts.append(FULL_STACK)
    sandbox.world.contacts.append(contact())
    sandbox.world.invoices.extend([invoice(1, date(2024, 3, 5)), invoice(2, date(2024, 3, 9), "40.00")])
    sync_services()
    sync_invoices(month(3))


def void_documents() -> set[str]:
    return {row["external_id"] for row in rows(Invoice) if row["voided_at"] is not None}


def test_a_document_that_is_gone_is_kept_marked_void_reported_and_counts_no_more(sandbox: SandboxServer) -> None:
    del sandbox.world.invoices[0]

    result = sync_invoices(month(3))

    assert (result["invoices_voided"], result["invoices_updated"], result["other_errors"]) == (1, 0, 1)
    assert void_documents() == {"d1"}
    assert rows(IntegrationError)[0]["error_details"] == rows(Invoice)[0]["original_data"]
    assert LedgerView().errors() == {("invoice", "d1")}
    assert LedgerView().contracts()[ANA_FS][:2] == (date(2024, 3, 9), Decimal("40.00"))


def test_while_it_stays_gone_the_same_error_is_met_and_nothing_is_written(sandbox: SandboxServer) -> None:
    del sandbox.world.invoices[0]
    sync_invoices(month(3))
    before = whole_ledger()

    result = sync_invoices(month(3))

    assert (result["invoices_voided"], result["other_errors"]) == (0, 1)
    assert whole_ledger() == before


def test_a_contract_that_has_no_document_left_keeps_its_date_and_is_worth_nothing(sandbox: SandboxServer) -> None:
    sandbox.world.invoices.clear()

    sync_invoices(month(3))

    assert LedgerView().contracts()[ANA_FS][:2] == (date(2024, 3, 5), Decimal("0.00"))


def test_a_document_that_comes_back_counts_again_and_its_error_is_resolved(sandbox: SandboxServer) -> None:
    gone = sandbox.world.invoices.pop(0)
    sync_invoices(month(3))

    sandbox.world.invoices.append(gone)
    result = sync_invoices(month(3))

    assert (result["invoices_updated"], result["errors"], void_documents()) == (1, 0, set())
    assert LedgerView().contracts()[ANA_FS][:2] == (date(2024, 3, 5), Decimal("140.00"))
    assert LedgerView().errors("resolved") == {("invoice", "d1")}


def test_a_document_of_another_month_is_not_gone(sandbox: SandboxServer) -> None:
    assert sync_invoices(month(4))["invoices_voided"] == 0


def test_a_document_that_moved_within_the_range_that_was_read_is_moved_not_voided(sandbox: SandboxServer) -> None:
    sandbox.world.invoices[0] = invoice(1, date(2024, 5, 5))

    with one_run(YEAR):
        march, may = sync_invoices(month(3)), sync_invoices(month(5))

    assert (march["invoices_voided"], march["errors"], may["invoices_updated"]) == (0, 0, 1)
    assert LedgerView().contracts()[ANA_FS][0] == date(2024, 3, 9)


def test_a_document_that_can_no_longer_be_read_is_not_gone(sandbox: SandboxServer) -> None:
    sandbox.world.invoices[0] = invoice(1, date(2024, 3, 5), raw={"total": "1.234,56"})

    result = sync_invoices(month(3))

    assert (result["invoices_voided"], result["errors"], void_documents()) == (0, 1, set())
    assert LedgerView().contracts()[ANA_FS][1] == Decimal("140.00")
