"""Answers with what no database stores or no number holds: one record is in trouble, or they are refused in words."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from steps.errors import VendorPayloadError
from steps.ledger.client import Client
from steps.ledger.contract import Invoice
from steps.ledger.service import Service
from steps.sandbox.exchange import Vendor
from steps.sandbox.faults import Fault
from steps.sandbox.records import Account
from steps.sandbox.server import SandboxServer
from tests.steps.calls import sync_crm_clients, sync_invoices, sync_notion_external_ids, sync_services
from tests.steps.ledger_view import LedgerView, rows, whole_ledger
from tests.steps.records import FULL_STACK, contact, invoice, month, page, student, user
from tracking.models import IntegrationError

MARCH = month(3)
ANA_FS = ("ana@example.org", FULL_STACK.id)
TEXTS = {
    "latin-1": "Muñoz".encode("latin-1"),
    "a surrogate in UTF-8": b"Mu\xed\xa0\x80oz",
    "half a surrogate pair": rb"Mu\ud800oz",
    "NUL": rb"Mu\u0000oz",
    "a raw NUL": b"Mu\x00oz",
}
NUMBERS = {
    "1e400": b"1e400",
    "-1e400": b"-1e400",
    "an exponent beyond Decimal": b"1e999999999999999999",
    "5000 digits": b"9" * 5000,
    "NaN": b"NaN",
    "-Infinity": b"-Infinity",
}
odd_text = pytest.mark.parametrize("odd", TEXTS.values(), ids=TEXTS)
odd_number = pytest.mark.parametrize("odd", NUMBERS.values(), ids=NUMBERS)


@pytest.fixture(autouse=True)
def books(database: str, sandbox: SandboxServer) -> None:
    sandbox.world.accounts.append(FULL_STACK)
    sandbox.world.contacts.append(contact())
    sync_services()


def bill(sandbox: SandboxServer, **raw: Any) -> None:
    sandbox.world.invoices.extend([invoice(1, date(2024, 3, 5), raw=raw), invoice(2, date(2024, 3, 6))])


def put(sandbox: SandboxServer, mark: bytes, odd: bytes, vendor: Vendor = "holded") -> None:
    """Send `odd` wherever the true answer has `mark`."""
    sandbox.faults.add(
        Fault(
            vendor,
            "altered",
            times=None,
            alter=lambda answer: replace(answer, content=answer.content.replace(mark, odd)),
        )
    )


@odd_text
def test_an_odd_name_on_a_document_is_told_and_its_money_counts(sandbox: SandboxServer, odd: bytes) -> None:
    bill(sandbox, contactName="Mu#oz")
    put(sandbox, b"Mu#oz", odd)

    result = sync_invoices(MARCH)

    assert (result["invoices_processed"], result["invoices_created"], result["errors"]) == (1, 2, 1)
    assert LedgerView().errors() == {("invoice", "d1")}
    assert LedgerView().contracts()[ANA_FS][1] == Decimal("200.00")
    assert "characters that cannot be stored" in rows(IntegrationError)[0]["error_message"]
    assert rows(Invoice)[0]["original_data"]["contactName"].startswith("Mu\ufffd")
    before = whole_ledger()
    sync_invoices(MARCH)
    assert whole_ledger() == before

    sandbox.faults.clear()
    assert sync_invoices(MARCH)["errors"] == 0


@odd_text
def test_an_odd_email_is_nobodys(sandbox: SandboxServer, odd: bytes) -> None:
    bill(sandbox)
    sandbox.world.contacts[0] = contact(email="Mu#oz@example.org")
    put(sandbox, b"Mu#oz", odd)

    result = sync_invoices(MARCH)

    assert (result["invoices_created"], LedgerView().errors(), rows(Client)) == (2, {("contact", "c-ana")}, [])


@odd_number
def test_a_total_that_no_number_holds_costs_its_document(sandbox: SandboxServer, odd: bytes) -> None:
    bill(sandbox, total="#")
    put(sandbox, b'"#"', odd)

    result = sync_invoices(MARCH)

    assert (result["invoices_processed"], result["invoices_created"], result["errors"]) == (1, 1, 1)
    (error,) = rows(IntegrationError)
    assert (error["entity_type"], error["entity_external_id"]) == ("invoice", "d1")
    assert "is not an amount" in error["error_message"]
    assert len(error["error_message"]) < 300


@odd_number
def test_a_number_that_nobody_reads_is_kept_as_its_text(sandbox: SandboxServer, odd: bytes) -> None:
    bill(sandbox, forecastDate="#")
    put(sandbox, b'"#"', odd)

    assert (sync_invoices(MARCH)["invoices_created"], LedgerView().errors()) == (2, set())
    assert isinstance(rows(Invoice)[0]["original_data"]["forecastDate"], str)


@pytest.mark.parametrize("name", ["id", "contact"])
@pytest.mark.parametrize("odd", [b"\xf1", b"x" * 5000], ids=["latin-1", "5000 letters"])
def test_an_id_that_cannot_be_one_costs_its_document(sandbox: SandboxServer, name: str, odd: bytes) -> None:
    bill(sandbox, **{name: "Mu#oz"})
    put(sandbox, b"Mu#oz", odd)

    result = sync_invoices(MARCH)

    assert (result["invoices_created"], result["errors"]) == (1, 1)


@pytest.mark.parametrize(
    ("odd", "reason"),
    [
        (b"[" * 100_000 + b"]" * 100_000, "it nests deeper than 100 levels"),
        (b'{"a":' * 300 + b"1" + b"}" * 300, "it nests deeper than 100 levels"),
    ],
    ids=["100,000 levels", "300 levels"],
)
def test_an_answer_that_cannot_be_read_is_refused_once_and_in_words(
    sandbox: SandboxServer, odd: bytes, reason: str
) -> None:
    bill(sandbox, forecastDate="#")
    put(sandbox, b'"#"', odd)
    before = len(sandbox.requests)

    with pytest.raises(VendorPayloadError) as caught:
        sync_invoices(MARCH)

    assert str(caught.value) == f"holded: GET /documents/invoice: the answer cannot be used: {reason}"
    assert len(sandbox.requests) == before + 1


@odd_text
@pytest.mark.parametrize("step", ["services", "students", "pages"])
def test_every_list_is_read_so(sandbox: SandboxServer, step: str, odd: bytes) -> None:
    bill(sandbox)
    sync_invoices(MARCH)
    sandbox.world.accounts.append(Account("acc-2", "Full Mu#oz", 70500009))
    sandbox.world.students.append(student(user(), email="Mu#oz"))
    sandbox.world.pages.append(page(raw={"Name": {"id": "title", "type": "title", "title": "Mu#oz"}}))
    steps: dict[str, tuple[Vendor, Callable[[], dict[str, Any]]]] = {
        "services": ("holded", sync_services),
        "students": ("fourgeeks", lambda: sync_crm_clients(MARCH)),
        "pages": ("notion", sync_notion_external_ids),
    }
    vendor, run = steps[step]
    put(sandbox, b"Mu#oz", odd, vendor)

    result = run()

    assert (result[f"{step}_created"], result["errors"]) == (1, 1)
    (error,) = rows(IntegrationError)
    assert "characters that cannot be stored" in error["error_message"]


@odd_text
def test_an_odd_reason_of_an_error_answer_is_shown_without_it(sandbox: SandboxServer, odd: bytes) -> None:
    bill(sandbox)
    body = b'{"status": 0, "info": "Mu#oz"}'.replace(b"Mu#oz", odd)
    sandbox.faults.add(
        Fault("holded", "altered", "/documents/invoice", times=None, alter=lambda answer: replace(answer, content=body))
    )

    with pytest.raises(VendorPayloadError, match="Mu\ufffd"):
        sync_invoices(MARCH)


def test_a_services_name_keeps_what_can_be_read(sandbox: SandboxServer) -> None:
    sandbox.world.accounts.append(Account("acc-2", "Ciberseguridad de Mu#oz", 70500009))
    put(sandbox, b"Mu#oz", TEXTS["latin-1"])

    sync_services()

    assert {row["name"]: row["service_type"] for row in rows(Service)}["Ciberseguridad de Mu\ufffdoz"] == "CS"
