"""Trying just the records again that were in trouble: those that are mended are applied, the others are left alone."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest

from steps.ledger.months import MonthWindow
from steps.sandbox.academy import MADRID_SCHOOL
from steps.sandbox.records import World
from steps.sandbox.server import SandboxServer
from steps.sandbox.world import build_world
from tests.steps.calls import (
    one_run,
    sync_crm_clients,
    sync_invoices,
    sync_notion_external_ids,
    sync_service_periods,
    sync_services,
)
from tests.steps.ledger_view import LedgerView, rows
from tests.steps.records import DATA_SCIENCE, FULL_STACK, contact, enrollment, invoice, month, page, student, user
from tests.steps.year_import import YEAR, import_year, written
from tracking.integration_errors import RecordKey
from tracking.models import IntegrationError

pytestmark = [pytest.mark.sqlite_first, pytest.mark.slow]

JANUARY = month(1)
UNREADABLE_EMAIL = {"Email": {"id": "aB%3Ac", "type": "number", "number": 5}}


def retry(step: Callable[..., dict[str, Any]], key: RecordKey, window: MonthWindow | None = JANUARY) -> dict[str, Any]:
    with one_run(YEAR):
        return step(*([window] if window else []), records=[key])


def other_errors(key: RecordKey) -> list[dict[str, Any]]:
    return [row for row in rows(IntegrationError) if (row["entity_type"], row["entity_external_id"]) != key]


def status_of(key: RecordKey) -> str:
    statuses = [
        row["status"] for row in rows(IntegrationError) if (row["entity_type"], row["entity_external_id"]) == key
    ]
    (status,) = statuses
    return str(status)


def assert_nothing_is_left_to_do() -> None:
    assert written(import_year()) == {}


@pytest.mark.parametrize("field", ["total", "date", "currency"])
def test_a_mended_document_is_applied_and_nothing_else_is_touched(
    field: str, database: str, sandbox: SandboxServer
) -> None:
    sandbox.world = build_world(spoiled=True)
    import_year()
    broken = next(each for each in sandbox.world.invoices if field in each.raw)
    key = ("invoice", broken.id)
    before = other_errors(key)
    sandbox.world.invoices[sandbox.world.invoices.index(broken)] = replace(broken, raw={})

    result = retry(sync_invoices, key)

    assert status_of(key) == "resolved"
    assert other_errors(key) == before
    assert (result["invoices_processed"], result["invoices_created"], result["errors"]) == (1, 1, 0)
    assert_nothing_is_left_to_do()


def test_a_record_that_is_still_in_trouble_stays_pending_and_is_counted(database: str, sandbox: SandboxServer) -> None:
    sandbox.world = build_world(spoiled=True)
    import_year()
    key = ("invoice", next(each.id for each in sandbox.world.invoices if "total" in each.raw))
    before = other_errors(key)
    (row,) = (each for each in rows(IntegrationError) if each not in before)

    result = retry(sync_invoices, key, MonthWindow.of(date(2024, 5, 1)))

    (again,) = (each for each in rows(IntegrationError) if each not in before)
    assert (again["status"], again["occurrences"]) == ("pending", row["occurrences"] + 1)
    assert (again["updated_at"], result["errors"]) == (row["updated_at"], 1)


def academy(**lists: list[Any]) -> World:
    fields: dict[str, Any] = {
        "accounts": [FULL_STACK],
        "contacts": [contact()],
        "invoices": [invoice(1, date(2024, 1, 5)), invoice(2, date(2024, 3, 5))],
        **lists,
    }
    return World(year=2024, academies=[MADRID_SCHOOL], **fields)


def test_a_mended_contact_gets_its_documents_of_every_month(database: str, sandbox: SandboxServer) -> None:
    sandbox.world = academy(contacts=[contact(email="")])
    import_year()
    sandbox.world = academy()

    result = retry(sync_invoices, ("contact", "c-ana"))

    assert status_of(("contact", "c-ana")) == "resolved"
    assert (result["clients_created"], result["invoices_updated"]) == (1, 2)
    assert_nothing_is_left_to_do()


def test_a_document_that_is_gone_stays_reported_and_the_others_gone_are_left_alone(
    database: str, sandbox: SandboxServer
) -> None:
    many = [invoice(number, date(2024, 1, 5)) for number in range(1, 21)]
    sandbox.world = academy(invoices=many)
    import_year()
    sandbox.world = academy(invoices=many[1:])
    import_year()
    sandbox.world = academy(invoices=many[15:])

    retry(sync_invoices, ("invoice", "d1"))

    assert LedgerView().errors() == {("invoice", "d1")}
    assert sum(document[-1] is not None for document in LedgerView().invoices().values()) == 1
    sandbox.world = academy(invoices=many)
    retry(sync_invoices, ("invoice", "d1"))
    assert status_of(("invoice", "d1")) == "resolved"
    assert_nothing_is_left_to_do()


def test_a_student_who_is_put_right_is_reported_no_more(database: str, sandbox: SandboxServer) -> None:
    unreadable: Any = 5
    sandbox.world = academy(students=[student(user(email=unreadable))])
    import_year()
    (key,) = LedgerView().errors()

    retry(sync_crm_clients, key)
    still = status_of(key)
    sandbox.world = academy(students=[student(user())])
    retry(sync_crm_clients, key)

    assert (still, status_of(key)) == ("pending", "resolved")
    assert_nothing_is_left_to_do()


def test_a_mended_enrollment_becomes_a_period_and_its_siblings_stay_as_they_are(
    database: str, sandbox: SandboxServer
) -> None:
    lists: dict[str, list[Any]] = {"invoices": [invoice(2, date(2024, 3, 5))], "students": [student(user())]}
    sandbox.world = academy(**lists, enrollments=[replace(enrollment(), raw={"user": None})])
    import_year()
    sandbox.world = academy(**lists, enrollments=[enrollment()])

    result = retry(sync_service_periods, ("enrollment", "70001"))

    assert (status_of(("enrollment", "70001")), result["periods_created"]) == ("resolved", 1)
    assert_nothing_is_left_to_do()


def test_a_period_whose_enrollment_is_back_is_reported_no_more(database: str, sandbox: SandboxServer) -> None:
    sandbox.world = academy(enrollments=[enrollment()])
    import_year()
    sandbox.world = academy()
    import_year()
    (key,) = LedgerView().errors()

    retry(sync_service_periods, key)
    still = status_of(key)
    sandbox.world = academy(enrollments=[enrollment(status="GRADUATED")])
    result = retry(sync_service_periods, key)

    assert (still, status_of(key), result["periods_updated"]) == ("pending", "resolved", 1)
    assert_nothing_is_left_to_do()


def test_a_mended_page_is_linked_unless_another_of_its_email_is_newer(database: str, sandbox: SandboxServer) -> None:
    newer = page(2, edited=datetime(2024, 2, 1, 9, tzinfo=UTC))
    broken = replace(page(1), raw=UNREADABLE_EMAIL)
    key = ("page", broken.id)
    sandbox.world = academy(pages=[broken])
    import_year()
    sandbox.world = academy(pages=[page(1)])

    result = retry(sync_notion_external_ids, key, None)

    assert (status_of(key), result["pages_created"], result["pages_processed"]) == ("resolved", 1, 1)
    assert_nothing_is_left_to_do()
    sandbox.world = academy(pages=[page(1), newer])
    retry(sync_notion_external_ids, key, None)
    assert list(LedgerView().links("notion")) == [newer.id]
    assert_nothing_is_left_to_do()


def test_of_the_accounts_only_the_one_that_is_meant_becomes_a_service(database: str, sandbox: SandboxServer) -> None:
    sandbox.world = academy(accounts=[FULL_STACK, DATA_SCIENCE])

    retry(sync_services, ("service", FULL_STACK.id), None)

    assert list(LedgerView().services()) == [FULL_STACK.id]
