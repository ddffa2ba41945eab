"""Errors of records that are nobody's any more, or no more there: a list that was read to its end settles them."""

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from steps.catalog import INVOICES
from steps.ledger.months import MonthWindow
from steps.sandbox.academy import MADRID_SCHOOL
from steps.sandbox.records import World
from steps.sandbox.server import SandboxServer
from tests.steps.accruals.recorded_imports import begun, end_as
from tests.steps.calls import sync_invoices, sync_notion_external_ids, sync_service_periods
from tests.steps.ledger_view import LedgerView
from tests.steps.records import FULL_STACK, RENT, cohort, contact, enrollment, invoice, month, page, user

JANUARY, MARCH = month(1), month(3)


def academy(**lists: Any) -> World:
    """Ana is billed in January, Bob in March."""
    world = World(year=2024, academies=[MADRID_SCHOOL], accounts=[FULL_STACK])
    world.contacts.extend([contact(), contact("bob")])
    world.invoices.extend([invoice(1, date(2024, 1, 5)), invoice(2, date(2024, 3, 5), contact_id="c-bob")])
    return replace(world, **lists)


def test_a_page_that_was_deleted_is_in_trouble_no_more(database: str, sandbox: SandboxServer) -> None:
    broken = replace(page(1), raw={"Email": {"id": "aB%3Ac", "type": "number", "number": 5}})
    sandbox.world = academy(pages=[broken])
    sync_notion_external_ids()
    before = LedgerView().errors()
    sandbox.world = academy()

    sync_notion_external_ids()

    assert (before, LedgerView().errors()) == ({("page", broken.id)}, set())


def test_an_enrollment_without_an_id_that_got_one_is_in_trouble_no_more(database: str, sandbox: SandboxServer) -> None:
    sandbox.world = academy(enrollments=[enrollment(raw={"id": None})])
    sync_invoices(JANUARY)
    sync_service_periods(JANUARY)
    before = len(LedgerView().errors())
    sandbox.world = academy(enrollments=[enrollment()])

    sync_service_periods(JANUARY)

    assert (before, LedgerView().errors()) == (1, set())


def test_an_enrollment_in_trouble_that_is_another_months_clients_by_now_is_settled_by_the_month_of_its_error(
    database: str, sandbox: SandboxServer
) -> None:
    sandbox.world = academy(enrollments=[enrollment(cohort=cohort("madrid-ds-1"))])
    sync_invoices(JANUARY)
    sync_invoices(MARCH)
    sync_service_periods(JANUARY)
    before = LedgerView().errors()
    sandbox.world = academy(enrollments=[enrollment(user=user(9002, "bob@example.org"))])

    sync_service_periods(JANUARY)

    assert (before, LedgerView().errors()) == ({("enrollment", "70001")}, set())
    assert [key[0] for key in LedgerView().periods()] == ["bob@example.org"]


def test_an_enrollment_that_is_in_trouble_in_another_month_too_stays_so(database: str, sandbox: SandboxServer) -> None:
    sandbox.world = academy(enrollments=[enrollment(cohort=cohort("madrid-ds-1"), user=user(9002, "bob@example.org"))])
    sync_invoices(JANUARY)
    sync_invoices(MARCH)
    sync_service_periods(MARCH)

    sync_service_periods(JANUARY)

    assert LedgerView().errors() == {("enrollment", "70001")}


def test_an_enrollment_of_nobody_who_is_billed_is_in_trouble_no_more(database: str, sandbox: SandboxServer) -> None:
    sandbox.world = academy(enrollments=[enrollment(cohort=cohort("madrid-ds-1"))])
    sync_invoices(JANUARY)
    sync_service_periods(JANUARY)
    sandbox.world.invoices.clear()
    sync_invoices(JANUARY)

    sync_service_periods(JANUARY)

    assert ("enrollment", "70001") not in LedgerView().errors()


def without_enrollment(sandbox: SandboxServer) -> None:
    """Ana's enrollment was imported, and is gone from the CRM; she has a document without service besides."""
    sandbox.world = academy(enrollments=[enrollment()])
    sandbox.world.accounts.append(RENT)
    sandbox.world.invoices.append(invoice(3, date(2024, 1, 6), account=RENT))
    sync_invoices(JANUARY)
    sync_invoices(MARCH)
    sync_service_periods(JANUARY)
    sandbox.world.enrollments.clear()
    sync_service_periods(JANUARY)
    assert {kind for kind, _ in LedgerView().errors()} == {"service_period"}


@pytest.mark.parametrize("window", [JANUARY, MARCH], ids=["her own month", "another month"])
def test_an_enrollment_that_is_gone_is_no_trouble_once_its_contract_has_no_document(
    database: str, sandbox: SandboxServer, window: MonthWindow
) -> None:
    without_enrollment(sandbox)
    sandbox.world.invoices[0] = invoice(1, date(2024, 1, 5), account=RENT)
    sync_invoices(JANUARY)

    sync_service_periods(window)

    assert {kind for kind, _ in LedgerView().errors()} == {"service_contract"}


def test_so_it_is_when_its_client_has_no_document_either(database: str, sandbox: SandboxServer) -> None:
    without_enrollment(sandbox)
    sandbox.world.invoices[:] = [each for each in sandbox.world.invoices if each.contact_id != "c-ana"]
    sync_invoices(JANUARY)

    sync_service_periods(JANUARY)

    assert {kind for kind, _ in LedgerView().errors()} == {"service_contract", "invoice"}


def test_a_document_in_trouble_that_is_gone_is_so_no_more_when_its_month_is_run_again(
    database: str, sandbox: SandboxServer
) -> None:
    sandbox.world = academy()
    sandbox.world.invoices.append(invoice(3, date(2024, 1, 7), raw={"total": "1.234,56"}))
    sandbox.world.invoices.append(invoice(4, date(2024, 1, 8), contact_id="c-nobody"))
    run(INVOICES.id, JANUARY)
    before = LedgerView().errors()
    del sandbox.world.invoices[2:]

    run(INVOICES.id, MARCH)
    still = LedgerView().errors()
    run(INVOICES.id, JANUARY)

    assert before == still == {("invoice", "d3"), ("contact", "c-nobody")}
    assert LedgerView().errors() == {("invoice", "d4")}  # it was in the ledger: it is gone from Holded


def run(step_id: str, window: MonthWindow) -> None:
    execution = begun(step_id, window)
    sync_invoices(window, execution)
    end_as(execution, holds_window=False)
