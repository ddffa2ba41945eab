"""Contacts become clients: by contact id, else by email, else a new client; the same whatever the order of months."""

from datetime import date
from itertools import permutations

import pytest

from steps.sandbox.records import Contact
from steps.sandbox.server import SandboxServer
from tests.steps.calls import sync_invoices, sync_services
from tests.steps.ledger_view import LedgerView, whole_ledger
from tests.steps.records import FULL_STACK, contact, invoice, month


@pytest.fixture(autouse=True)
def books(database: str, sandbox: SandboxServer) -> None:
    sandbox.world.accounts.append(FULL_STACK)
    sync_services()


def bill(sandbox: SandboxServer, *contact_ids: str, in_month: int = 3) -> None:
    """An invoice for each contact, on top of those that are there."""
    for contact_id in contact_ids:
        number = len(sandbox.world.invoices)
        sandbox.world.invoices.append(
            invoice(number, date(2024, in_month, 5), contact_id=contact_id, contact_name=f"Name of {contact_id}")
        )


def named(contact_id: str, name: str, email: str | None, *, listed: bool = True) -> Contact:
    return Contact(contact_id, name, email, date(2024, 1, 1), listed=listed)


def test_an_email_is_compared_trimmed_and_in_lower_case(sandbox: SandboxServer) -> None:
    sandbox.world.contacts.extend([named("c1", "Ana", " ANA@Example.org "), named("c2", "Ana Gil", "ana@example.org")])
    bill(sandbox, "c2", "c1")

    result = sync_invoices(month(3))

    assert LedgerView().clients() == {"ana@example.org": "Ana"}
    assert LedgerView().links("holded") == {"c1": "ana@example.org", "c2": "ana@example.org"}
    assert (result["clients_created"], result["clients_updated"]) == (1, 0)


def test_a_client_whose_name_looks_encrypted_is_imported_like_any_other(sandbox: SandboxServer) -> None:
    sandbox.world.contacts.append(named("c1", "enc1:deadbeef:AAAA", "ana@example.org"))
    bill(sandbox, "c1")

    first, second = sync_invoices(month(3)), sync_invoices(month(3))

    assert LedgerView().clients() == {"ana@example.org": "enc1:deadbeef:AAAA"}
    assert (first["clients_created"], second["clients_updated"], second["errors"]) == (1, 0, 0)


@pytest.mark.parametrize("email", ["", None, "n/a", "a@x.org, b@x.org"])
def test_a_contact_without_a_usable_email_is_an_error_and_its_document_is_kept(
    sandbox: SandboxServer, email: str | None
) -> None:
    sandbox.world.contacts.append(named("c1", "Ana", email))
    bill(sandbox, "c1")

    result = sync_invoices(month(3))

    assert (result["invoices_created"], result["errors"], result["clients_created"]) == (1, 1, 0)
    assert LedgerView().errors() == {("contact", "c1")}
    assert LedgerView().invoices()["d0"][1:3] == (None, None)


def test_once_the_email_is_there_the_document_finds_its_contract_and_the_error_is_resolved(
    sandbox: SandboxServer,
) -> None:
    sandbox.world.contacts.append(named("c1", "Ana", ""))
    bill(sandbox, "c1")
    sync_invoices(month(3))

    sandbox.world.contacts[0] = named("c1", "Ana", "ana@example.org")
    result = sync_invoices(month(3))

    assert (result["errors"], result["clients_created"], result["invoices_updated"]) == (0, 1, 1)
    assert LedgerView().errors("resolved") == {("contact", "c1")}
    assert LedgerView().invoices()["d0"][2] == ("ana@example.org", FULL_STACK.id)


def test_a_deleted_contact_is_asked_for_by_id_once(sandbox: SandboxServer) -> None:
    sandbox.world.contacts.append(named("c1", "Ana", "ana@example.org", listed=False))
    bill(sandbox, "c1")

    sync_invoices(month(3))
    before = whole_ledger()
    sync_invoices(month(3))

    assert LedgerView().clients() == {"ana@example.org": "Ana"}
    assert whole_ledger() == before
    assert len([each for each in sandbox.requests if each.path.endswith("/contacts/c1")]) == 1


def test_a_contact_that_nobody_knows_is_an_error_with_the_name_on_the_document(sandbox: SandboxServer) -> None:
    bill(sandbox, "c9")

    sync_invoices(month(3))

    (error,) = whole_ledger()["integration_error"]
    assert error["entity_external_id"] == "c9"
    assert "Name of c9" in error["error_message"]


def test_a_document_without_a_contact_is_an_error_and_kept(sandbox: SandboxServer) -> None:
    bill(sandbox, "")

    result = sync_invoices(month(3))

    assert (result["invoices_created"], LedgerView().errors()) == (1, {("invoice", "d0")})


def test_a_known_contact_keeps_its_client_when_its_email_is_gone(sandbox: SandboxServer) -> None:
    sandbox.world.contacts.append(contact())
    bill(sandbox, "c-ana")
    sync_invoices(month(3))

    sandbox.world.contacts[0] = contact(email="")
    result = sync_invoices(month(3))

    assert (result["errors"], LedgerView().clients()) == (0, {"ana@example.org": "Ana"})


def test_a_client_follows_the_email_and_name_of_its_only_contact(sandbox: SandboxServer) -> None:
    sandbox.world.contacts.append(contact())
    bill(sandbox, "c-ana")
    sync_invoices(month(3))

    sandbox.world.contacts[0] = named("c-ana", "Ana Gil", "ana.gil@example.org")
    result = sync_invoices(month(3))

    assert (result["clients_created"], result["clients_updated"]) == (0, 1)
    assert LedgerView().clients() == {"ana.gil@example.org": "Ana Gil"}


def test_the_email_stays_while_one_of_the_contacts_still_has_it(sandbox: SandboxServer) -> None:
    sandbox.world.contacts.extend([named("c1", "One", "ana@example.org"), named("c2", "Two", "ana@example.org")])
    bill(sandbox, "c1", "c2")
    sync_invoices(month(3))

    sandbox.world.contacts[0] = named("c1", "One", "new@example.org")
    sync_invoices(month(3))

    assert LedgerView().clients() == {"ana@example.org": "One"}


def test_an_email_that_another_client_has_is_left_there_and_reported(sandbox: SandboxServer) -> None:
    sandbox.world.contacts.extend([named("c1", "Ana", "ana@example.org"), named("c2", "Bob", "bob@example.org")])
    bill(sandbox, "c1", "c2")
    sync_invoices(month(3))

    sandbox.world.contacts[1] = named("c2", "Bob", "ana@example.org")
    result = sync_invoices(month(3))

    assert (result["errors"], LedgerView().errors()) == (1, {("contact", "c2")})
    assert LedgerView().clients() == {"ana@example.org": "Ana", "bob@example.org": "Bob"}


def test_an_email_that_another_client_gives_up_at_the_same_time_can_be_taken(sandbox: SandboxServer) -> None:
    sandbox.world.contacts.extend([named("c1", "Ana", "ana@example.org"), named("c2", "Bob", "bob@example.org")])
    bill(sandbox, "c1", "c2")
    sync_invoices(month(3))

    sandbox.world.contacts[:] = [named("c1", "Ana", "bob@example.org"), named("c2", "Bob", "new@example.org")]
    result = sync_invoices(month(3))

    assert (result["errors"], result["clients_updated"]) == (0, 2)
    assert LedgerView().clients() == {"bob@example.org": "Ana", "new@example.org": "Bob"}


@pytest.mark.parametrize("months", [(3,), (3, 4), (4, 3)])
def test_two_contacts_that_swap_emails_settle_in_whichever_month_they_are_met(
    sandbox: SandboxServer, months: tuple[int, ...]
) -> None:
    sandbox.world.contacts.extend([named("c1", "Ana", "ana@example.org"), named("c2", "Bob", "bob@example.org")])
    bill(sandbox, "c1", in_month=3)
    bill(sandbox, "c2", in_month=4)
    for number in (3, 4):
        sync_invoices(month(number))

    sandbox.world.contacts[:] = [named("c1", "Ana", "bob@example.org"), named("c2", "Bob", "ana@example.org")]
    results = [sync_invoices(month(number)) for number in months]

    assert [(each["errors"], each["clients_updated"]) for each in results] == [(0, 2), (0, 0)][: len(months)]
    assert LedgerView().clients() == {"bob@example.org": "Ana", "ana@example.org": "Bob"}
    assert LedgerView().invoices()["d0"][1] == "bob@example.org"


def test_who_wants_an_email_that_two_others_swap_is_reported(sandbox: SandboxServer) -> None:
    sandbox.world.contacts.extend(named(f"c{each}", "A name", f"{each}@example.org") for each in (1, 2, 3))
    bill(sandbox, "c1", "c2", "c3")
    sync_invoices(month(3))

    emails = ("2@example.org", "1@example.org", "1@example.org")
    sandbox.world.contacts[:] = [named(f"c{at}", "A name", email) for at, email in enumerate(emails, start=1)]
    sync_invoices(month(3))

    assert LedgerView().errors() == {("contact", "c3")}
    assert LedgerView().links("holded") == {"c1": "2@example.org", "c2": "1@example.org", "c3": "3@example.org"}


def test_a_contact_whose_name_cannot_be_read_keeps_its_documents(sandbox: SandboxServer) -> None:
    sandbox.world.contacts.append(contact(raw={"name": ["Ana"]}))
    bill(sandbox, "c-ana")

    result = sync_invoices(month(3))

    assert (result["errors"], LedgerView().errors()) == (1, {("contact", "c-ana")})
    assert LedgerView().invoices()["d0"][2] == ("ana@example.org", FULL_STACK.id)


@pytest.mark.parametrize("months", list(permutations([2, 3, 4])))
def test_the_name_does_not_depend_on_the_order_of_months(sandbox: SandboxServer, months: tuple[int, ...]) -> None:
    """c1 is deleted, so it has no say while others are listed; c2 is the smallest of those."""
    sandbox.world.contacts.append(named("c1", "Deleted", "ana@example.org", listed=False))
    sandbox.world.contacts.extend([named("c3", "Third", "ana@example.org"), named("c2", "Second", "ana@example.org")])
    for in_month, contact_id in ((2, "c1"), (3, "c2"), (4, "c3")):
        bill(sandbox, contact_id, in_month=in_month)

    for number in months:
        sync_invoices(month(number))

    assert LedgerView().clients() == {"ana@example.org": "Second"}
    before = whole_ledger()
    for number in months:
        sync_invoices(month(number))
    assert whole_ledger() == before


def test_a_new_contact_finds_a_client_by_the_email_that_it_changed_to(sandbox: SandboxServer) -> None:
    sandbox.world.contacts.append(named("c1", "Ana", "ana@example.org"))
    bill(sandbox, "c1")
    sync_invoices(month(3))

    sandbox.world.contacts[:] = [named("c1", "Ana", "new@example.org"), named("c2", "Ana G", "new@example.org")]
    bill(sandbox, "c2")
    result = sync_invoices(month(3))

    assert (result["clients_created"], result["clients_updated"], result["errors"]) == (0, 1, 0)
    assert LedgerView().links("holded") == {"c1": "new@example.org", "c2": "new@example.org"}


def test_a_contested_email_is_resolved_once_nobody_else_has_it(sandbox: SandboxServer) -> None:
    sandbox.world.contacts.extend([named("c1", "Ana", "ana@example.org"), named("c2", "Bob", "bob@example.org")])
    bill(sandbox, "c1", "c2")
    sync_invoices(month(3))
    sandbox.world.contacts[1] = named("c2", "Bob", "ana@example.org")
    sync_invoices(month(3))

    sandbox.world.contacts[1] = named("c2", "Bob", "robert@example.org")
    sync_invoices(month(3))

    assert LedgerView().errors("resolved") == {("contact", "c2")}
    assert LedgerView().clients() == {"ana@example.org": "Ana", "robert@example.org": "Bob"}


def test_a_month_without_documents_asks_for_no_contacts(sandbox: SandboxServer) -> None:
    sync_invoices(month(7))

    assert not [each for each in sandbox.requests if "/contacts" in each.path]
