"""CRM users of the window's clients: linked by exact email, else by the link of before."""

from datetime import date
from typing import Any

import pytest
from sqlalchemy import update

from steps.errors import ConfigError, SuspiciousEmptyError
from steps.ledger.accrual import AccrualStatus, ContractAccrual
from steps.ledger.client import Client
from steps.ledger.contract import ServiceContract
from steps.sandbox.server import SandboxServer
from tests.steps.calls import sync_crm_clients, sync_invoices, sync_services
from tests.steps.ledger_view import LedgerView, rows, whole_ledger
from tests.steps.records import FULL_STACK, contact, invoice, month, student, user
from tracking.database import write_session


@pytest.fixture(autouse=True)
def books(database: str, sandbox: SandboxServer) -> None:
    sandbox.world.accounts.append(FULL_STACK)
    sync_services()
    add_client(sandbox, "ana")


def add_client(sandbox: SandboxServer, name: str, day: date = date(2024, 3, 5), **changes: Any) -> None:
    """A client with one invoice."""
    sandbox.world.contacts.append(contact(name))
    number = len(sandbox.world.invoices)
    sandbox.world.invoices.append(invoice(number, day, contact_id=f"c-{name}", contact_name=name, **changes))
    sync_invoices(month(day.month))


def links() -> dict[str, str]:
    return LedgerView().links("fourgeeks")


def test_a_student_is_linked_by_email_whatever_its_letters(sandbox: SandboxServer) -> None:
    sandbox.world.students.extend([student(user(9001, "ANA@example.org")), student(user(9002, "x@y.org"), number=2)])

    result = sync_crm_clients(month(3))

    assert result == {
        "students_processed": 1,
        "students_created": 1,
        "students_updated": 0,
        "students_skipped": 1,
        "clients_looked_for": 1,
        "clients_not_found": 0,
        "errors": 0,
        "other_errors": 0,
    }
    assert links() == {"9001": "ana@example.org"}


def test_a_second_run_writes_nothing(sandbox: SandboxServer) -> None:
    sandbox.world.students.append(student(user()))
    sync_crm_clients(month(3))
    before = whole_ledger()

    assert sync_crm_clients(month(3))["students_created"] == 0
    assert whole_ledger() == before


def test_part_of_an_email_is_no_match(sandbox: SandboxServer) -> None:
    sandbox.world.students.append(student(user(9001, "juana@example.org")))

    assert sync_crm_clients(month(3))["students_skipped"] == 1
    assert links() == {}


def test_an_invited_student_has_no_user_to_link(sandbox: SandboxServer) -> None:
    sandbox.world.students.append(student(None, "ana@example.org"))

    result = sync_crm_clients(month(3))

    assert (result["students_skipped"], result["errors"], links()) == (1, 0, {})


def test_every_user_with_the_email_is_linked(sandbox: SandboxServer) -> None:
    sandbox.world.students.extend([student(user(9001)), student(user(9002), number=2)])

    assert sync_crm_clients(month(3))["students_created"] == 2


def test_a_linked_student_is_found_after_its_email_changed(sandbox: SandboxServer) -> None:
    sandbox.world.students.append(student(user()))
    sync_crm_clients(month(3))

    sandbox.world.students[0] = student(user(9001, "other@example.org"))
    result = sync_crm_clients(month(3))

    assert (result["students_skipped"], links()) == (0, {"9001": "ana@example.org"})


def test_a_user_who_has_another_clients_email_by_now_is_that_one(sandbox: SandboxServer) -> None:
    add_client(sandbox, "bob")
    sandbox.world.students.append(student(user()))
    sync_crm_clients(month(3))

    sandbox.world.students[0] = student(user(9001, "bob@example.org"))
    result = sync_crm_clients(month(3))

    assert (result["students_created"], result["students_updated"], result["errors"]) == (0, 1, 0)
    assert links() == {"9001": "bob@example.org"}


def test_a_running_contract_brings_its_client_into_later_windows_only(sandbox: SandboxServer) -> None:
    assert [sync_crm_clients(month(number))["clients_looked_for"] for number in (2, 3, 4)] == [0, 1, 1]


@pytest.mark.parametrize(("status", "looked_for"), [("COMPLETED", 0), ("ACTIVE", 1), ("PAUSED", 1)])
def test_a_contract_that_is_accrued_to_its_end_brings_nobody(status: str, looked_for: int) -> None:
    (contract,) = rows(ServiceContract)
    with write_session() as session:
        session.add(ContractAccrual(contract_id=contract["id"], accrual_status=AccrualStatus(status)))

    assert sync_crm_clients(month(4))["clients_looked_for"] == looked_for
    assert sync_crm_clients(month(3))["clients_looked_for"] == 1


def test_a_client_without_contract_is_looked_for_in_the_month_of_its_document(sandbox: SandboxServer) -> None:
    add_client(sandbox, "bob", date(2024, 5, 5), account=None)

    assert [sync_crm_clients(month(number))["clients_looked_for"] for number in (4, 5, 6)] == [1, 2, 1]


def test_a_void_document_brings_nobody(sandbox: SandboxServer) -> None:
    add_client(sandbox, "bob", date(2024, 5, 5), account=None)
    del sandbox.world.invoices[1]
    sync_invoices(month(5))

    assert sync_crm_clients(month(5))["clients_looked_for"] == 1


def test_a_loss_of_most_linked_students_is_refused(sandbox: SandboxServer, monkeypatch: pytest.MonkeyPatch) -> None:
    sandbox.world.students.extend(student(user(9000 + number), number=number) for number in range(1, 11))
    sync_crm_clients(month(3))
    del sandbox.world.students[4:]

    with pytest.raises(SuspiciousEmptyError, match="6 of 10"):
        sync_crm_clients(month(3))

    monkeypatch.setenv("SYNC_ACCEPT_LOSS", "true")
    assert sync_crm_clients(month(3))["errors"] == 0


def test_a_missing_credential_fails_only_the_step_that_needs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FOURGEEKS_PASSWORD")

    with pytest.raises(ConfigError, match="FOURGEEKS_PASSWORD"):
        sync_crm_clients(month(3))
    assert sync_invoices(month(3))["invoices_processed"] == 1


def test_a_client_whose_email_changed_is_found_by_the_new_one(sandbox: SandboxServer) -> None:
    with write_session() as session:
        session.execute(update(Client).values(identifier="new@example.org"))
    sandbox.world.students.append(student(user(9001, "new@example.org")))

    assert sync_crm_clients(month(3))["students_created"] == 1
