"""Errors of records that are nobody's any more, or no more there: a list that was read to its end settles them."""

from dataclasses import replace
from datetime import date
from typing import Any

from steps.sandbox.academy import MADRID_SCHOOL
from steps.sandbox.records import World
from steps.sandbox.server import SandboxServer
from tests.steps.calls import sync_crm_clients, sync_invoices, sync_notion_external_ids, sync_service_periods
from tests.steps.ledger_view import LedgerView
from tests.steps.records import FULL_STACK, contact, enrollment, invoice, month, page, student, user

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


def test_what_another_month_is_in_trouble_with_is_not_settled_by_this_one(
    database: str, sandbox: SandboxServer
) -> None:
    sandbox.world = academy(students=[student(user(email="bob@example.org"))])
    sync_invoices(JANUARY)
    sync_invoices(MARCH)
    sync_crm_clients(MARCH)
    sandbox.world = academy(students=[student(user())])
    sync_crm_clients(JANUARY)
    before = LedgerView().errors()

    sync_crm_clients(MARCH)

    assert before == LedgerView().errors() == {("student", "9001")}


def test_a_student_who_is_gone_from_the_list_is_in_trouble_no_more(database: str, sandbox: SandboxServer) -> None:
    sandbox.world = academy(students=[student(user(email="bob@example.org"))])
    sync_invoices(JANUARY)
    sync_invoices(MARCH)
    sync_crm_clients(MARCH)
    sandbox.world = academy(students=[student(user())])
    sync_crm_clients(JANUARY)
    sandbox.world = academy()

    sync_crm_clients(JANUARY)

    assert LedgerView().errors() == set()
