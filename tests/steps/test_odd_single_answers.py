"""A contact or an income account whose answer by id is odd costs its documents their client, not the month.

Odd characters in its name cost nothing: it is taken, told, and asked for again until it is whole.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from steps.errors import VendorAuthError
from steps.ledger.client import Client
from steps.ledger.contract import Invoice
from steps.ledger.service import Service
from steps.sandbox.faults import Fault, FaultKind
from steps.sandbox.records import Document
from steps.sandbox.server import SandboxServer
from tests.steps.calls import one_run, sync_invoices, sync_services
from tests.steps.ledger_view import LedgerView, rows, whole_ledger
from tests.steps.records import DATA_SCIENCE, FULL_STACK, contact, invoice, month
from tests.steps.year_import import YEAR
from tracking.models import IntegrationError

pytestmark = [pytest.mark.sqlite_first, pytest.mark.usefixtures("without_waits")]

MARCH = month(3)
BOB_FS, ANA_FS = (("bob@example.org", FULL_STACK.id), ("ana@example.org", FULL_STACK.id))


@pytest.fixture(autouse=True)
def books(database: str, sandbox: SandboxServer) -> None:
    """Ana is listed; Bob is a deleted contact, as a third are in one tenant (docs/vendors.md, Holded documents)."""
    sandbox.world.accounts.append(FULL_STACK)
    sandbox.world.contacts.extend([contact(), contact("bob", listed=False)])
    sandbox.world.invoices.extend([invoice(1, date(2024, 3, 5)), bob_invoice(2)])
    sync_services()


def bob_invoice(number: int, day: date = date(2024, 3, 6)) -> Document:
    return invoice(number, day, contact_id="c-bob", contact_name="Bob")


def answered(body: bytes) -> Callable[[str], Fault]:
    return lambda path: Fault("holded", "altered", path, times=None, alter=lambda answer: replace(answer, content=body))


def faulty(kind: FaultKind) -> Callable[[str], Fault]:
    return lambda path: Fault("holded", kind, path, times=None)


ODD = pytest.mark.parametrize(
    "fault",
    [
        answered(b"[]"),
        answered(b"null"),
        answered(b'{"id": "c-eve", "email": "eve@example.org"}'),
        answered(b'{"id": "c-bob", "email": 12345}'),
        faulty("410"),
        faulty("html-200"),
        faulty("500"),
        faulty("drop-connection"),
    ],
    ids=["[]", "null", "somebody else", "unreadable", "410", "HTML", "500", "no answer"],
)


@ODD
def test_a_contact_that_cannot_be_read_by_id_costs_its_documents_their_client_until_it_can(
    sandbox: SandboxServer, fault: Callable[[str], Fault]
) -> None:
    sandbox.faults.add(fault("/contacts/c-bob"))

    result = sync_invoices(MARCH)

    assert (result["invoices_created"], result["errors"]) == (2, 1)
    assert LedgerView().errors() == {("contact", "c-bob")}
    assert LedgerView().contracts().keys() == {ANA_FS}

    sandbox.faults.clear()
    result = sync_invoices(MARCH)

    assert (result["clients_created"], result["invoices_updated"], result["errors"]) == (1, 1, 0)
    assert LedgerView().contracts().keys() == {ANA_FS, BOB_FS}
    assert LedgerView().errors("resolved") == {("contact", "c-bob")}
    before = whole_ledger()
    sync_invoices(MARCH)
    assert whole_ledger() == before


def replaced(path: str, true: bytes, odd: bytes) -> Fault:
    """The answer at this path with something else in the place of what is true."""
    return Fault(
        "holded",
        "altered",
        path,
        times=None,
        alter=lambda answer: replace(answer, content=answer.content.replace(true, odd)),
    )


def asked(sandbox: SandboxServer) -> list[str]:
    """What was asked for by id since the last time."""
    paths = [each.path for each in sandbox.requests if each.path.count("/") > 1]
    sandbox.requests.clear()
    return [path for path in paths if not path.startswith("/documents/")]


DAMAGED = pytest.mark.parametrize(
    "odd",
    [b'"Mu\xf1oz"', rb'"Mu\ud800oz"', rb'"Mu\u0000oz"', b'"' + b"x" * 10_000_000 + b'"', b"[5]"],
    ids=["Latin-1", "half a surrogate pair", "NUL", "10 MB", "no text"],
)


@DAMAGED
def test_a_contact_with_a_damaged_name_is_taken_and_asked_for_again_until_it_is_whole(
    sandbox: SandboxServer, odd: bytes
) -> None:
    sandbox.faults.add(replaced("/contacts/c-bob", b'"Bob"', odd))
    sandbox.requests.clear()

    for _ in range(2):
        assert sync_invoices(MARCH)["errors"] == 1
        assert LedgerView().errors() == {("contact", "c-bob")}
        assert LedgerView().contracts().keys() == {ANA_FS, BOB_FS}
        assert len(max((row["name"] for row in rows(Client)), key=len)) < 10
        assert asked(sandbox) == ["/contacts/c-bob"]

    sandbox.faults.clear()
    assert sync_invoices(MARCH)["errors"] == 0
    assert {row["name"] for row in rows(Client)} == {"Ana", "Bob"}
    assert LedgerView().errors("resolved") == {("contact", "c-bob")}
    assert asked(sandbox) == ["/contacts/c-bob"]
    sync_invoices(MARCH)
    assert asked(sandbox) == []


def test_a_damaged_name_that_cannot_be_asked_for_again_stays_damaged(sandbox: SandboxServer) -> None:
    sandbox.faults.add(replaced("/contacts/c-bob", b'"Bob"', b'"Mu\xf1oz"'))
    sync_invoices(MARCH)
    sandbox.faults.clear()

    sandbox.faults.add(faulty("500")("/contacts/c-bob"))
    assert sync_invoices(MARCH)["errors"] == 1
    assert {row["name"] for row in rows(Client)} == {"Ana", "Mu\ufffdoz"}

    sandbox.faults.clear()
    assert sync_invoices(MARCH)["errors"] == 0
    assert {row["name"] for row in rows(Client)} == {"Ana", "Bob"}


def test_an_account_with_a_damaged_name_is_taken_and_asked_for_again_until_it_is_whole(sandbox: SandboxServer) -> None:
    sandbox.world.accounts.append(replace(DATA_SCIENCE, archived=True))
    sandbox.world.invoices.append(invoice(3, date(2024, 3, 7), account=DATA_SCIENCE))
    sandbox.faults.add(replaced("/saleschannels/acc-ds", DATA_SCIENCE.name.encode(), rb"Data \ud800"))

    for _ in range(2):
        assert sync_invoices(MARCH)["errors"] == 1
        assert LedgerView().errors() == {("service", "acc-ds")}
        assert ("ana@example.org", "acc-ds") in LedgerView().contracts()
        assert asked(sandbox)[:1] == ["/saleschannels/acc-ds"]

    sandbox.faults.clear()
    assert sync_invoices(MARCH)["errors"] == 0
    assert {row["name"] for row in rows(Service)} == {FULL_STACK.name, DATA_SCIENCE.name}
    assert asked(sandbox) == ["/saleschannels/acc-ds"]
    sync_invoices(MARCH)
    assert asked(sandbox) == []


@pytest.mark.parametrize(
    "odd", [b"NaN", b"9" * 5000, b'"none"', b'"7050\xf1"'], ids=["NaN", "5,000", "words", "Latin-1"]
)
def test_an_account_whose_number_cannot_be_read_stays_the_service_that_it_was(
    sandbox: SandboxServer, odd: bytes
) -> None:
    sync_invoices(MARCH)
    before = rows(Service)
    sandbox.faults.add(replaced("/saleschannels", str(FULL_STACK.number).encode(), odd))

    assert sync_services()["errors"] == 1
    assert LedgerView().errors() == {("service", FULL_STACK.id)}
    assert rows(Service) == before
    sync_invoices(MARCH)
    assert LedgerView().contracts().keys() == {ANA_FS, BOB_FS}


@pytest.mark.parametrize(
    "odd", [b'"Mu\xf1oz"', b'"' + b"x" * 10_000_000 + b'"', b"[5]"], ids=["Latin-1", "10 MB", "no text"]
)
def test_a_document_that_is_not_whole_by_its_id_is_kept_as_it_was(sandbox: SandboxServer, odd: bytes) -> None:
    sync_invoices(MARCH)
    sandbox.world.invoices[1] = replace(bob_invoice(2, date(2024, 8, 6)), subtotal=Decimal(7))
    sandbox.faults.add(replaced("/documents/invoice/d2", b'"Bob"', odd))
    before = rows(Invoice)

    assert sync_invoices(MARCH)["errors"] == 1
    assert rows(Invoice) == before
    assert rows(IntegrationError)[0]["error_message"].startswith(
        "invoice d2 is not on Holded's list, and by its id it is not whole ("
    )

    sandbox.faults.clear()
    assert sync_invoices(MARCH)["errors"] == 0
    moved = next(row for row in rows(Invoice) if row["external_id"] == "d2")
    assert (moved["invoice_date"], moved["total_amount"]) == (date(2024, 8, 6), Decimal(7))


def test_the_error_says_what_was_answered(sandbox: SandboxServer) -> None:
    sandbox.faults.add(faulty("410")("/contacts/c-bob"))

    sync_invoices(MARCH)

    (error,) = rows(IntegrationError)
    assert error["error_message"].startswith("contact c-bob: holded: GET /contacts/c-bob: 410 (Injected fault)")


@ODD
def test_an_account_that_cannot_be_read_by_id_leaves_its_documents_without_contract_until_it_can(
    sandbox: SandboxServer, fault: Callable[[str], Fault]
) -> None:
    sandbox.world.accounts.append(replace(DATA_SCIENCE, archived=True))
    sandbox.world.invoices.append(invoice(3, date(2024, 3, 7), account=DATA_SCIENCE))
    sandbox.faults.add(fault("/saleschannels/acc-ds"))

    result = sync_invoices(MARCH)

    assert (result["invoices_created"], result["errors"]) == (3, 1)
    assert LedgerView().errors() == {("service", "acc-ds")}

    sandbox.faults.clear()
    assert sync_invoices(MARCH)["errors"] == 0
    assert LedgerView().errors("resolved") == {("service", "acc-ds")}
    assert ("ana@example.org", "acc-ds") in LedgerView().contracts()


def test_when_no_contact_answers_by_id_a_few_are_asked_and_the_others_told_apart(sandbox: SandboxServer) -> None:
    for number in range(10):
        sandbox.world.contacts.append(contact(f"del{number}", listed=False))
        document = invoice(10 + number, date(2024, 3, 7), contact_id=f"c-del{number}", contact_name="Somebody")
        sandbox.world.invoices.append(document)
    sandbox.world.invoices.extend(invoice(number, date(2024, 3, 8)) for number in range(30, 50))
    sandbox.faults.add(faulty("500")("/contacts/c-"))

    with one_run(YEAR):
        result = sync_invoices(MARCH)

    assert (result["invoices_created"], result["errors"]) == (32, 11)
    asked = [each.path for each in sandbox.requests if each.path.startswith("/contacts/")]
    assert asked == ["/contacts/c-bob"] * 4 + ["/contacts/c-del0"] * 4 + ["/contacts/c-del1"]
    told = [row["error_message"] for row in rows(IntegrationError)]
    assert sum("not asked again in this run" in message for message in told) == 10


def test_a_refused_credential_still_fails_the_month(sandbox: SandboxServer) -> None:
    sandbox.faults.add(faulty("401")("/contacts/c-bob"))

    with pytest.raises(VendorAuthError, match="HOLDED_API_KEY"):
        sync_invoices(MARCH)
