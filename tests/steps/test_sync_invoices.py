"""Documents of a month, from the vendor's answer to the ledger's rows."""

import os
import subprocess
import sys
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import update
from sqlmodel import select

from steps.errors import SuspiciousEmptyError
from steps.ledger.contract import ServiceContract
from steps.ledger.months import MonthWindow
from steps.sandbox.records import Line
from steps.sandbox.server import SandboxServer
from tests.steps.calls import one_run, sync_invoices, sync_services
from tests.steps.ledger_view import LedgerView, rows, whole_ledger
from tests.steps.records import DATA_SCIENCE, FULL_STACK, RENT, contact, credit_note, invoice, month
from tracking.database import read_session, write_session
from tracking.models import IntegrationError

ANA_FS = ("ana@example.org", FULL_STACK.id)
ANA_DS = ("ana@example.org", DATA_SCIENCE.id)


@pytest.fixture(autouse=True)
def books(database: str, sandbox: SandboxServer) -> None:
    sandbox.world.accounts.extend([FULL_STACK, DATA_SCIENCE, RENT])
    sandbox.world.contacts.append(contact())
    sync_services()


def contracts() -> dict[tuple[str, str], tuple[Any, ...]]:
    """(Email, account) -> date and amount."""
    return {key: (row[0], str(row[1])) for key, row in LedgerView().contracts().items()}


def contract_of(document_id: str) -> Any:
    return LedgerView().invoices()[document_id][2]


def test_a_document_makes_its_client_its_contract_and_itself(sandbox: SandboxServer) -> None:
    sandbox.world.invoices.append(invoice(1, date(2024, 3, 5), "1000.00", tax=Decimal("210.00")))

    result = sync_invoices(month(3))

    assert result == {
        "invoices_processed": 1,
        "invoices_created": 1,
        "invoices_updated": 0,
        "invoices_skipped": 0,
        "clients_created": 1,
        "clients_updated": 0,
        "invoices_voided": 0,
        "errors": 0,
        "other_errors": 0,
    }
    assert contracts() == {ANA_FS: (date(2024, 3, 5), "1000.00")}


def test_the_accrual_basis_may_be_the_total(sandbox: SandboxServer, monkeypatch: pytest.MonkeyPatch) -> None:
    sandbox.world.invoices.append(invoice(1, date(2024, 3, 5), "1000.00", tax=Decimal("210.00")))
    monkeypatch.setenv("SYNC_ACCRUAL_BASIS", "total")

    sync_invoices(month(3))

    assert contracts() == {ANA_FS: (date(2024, 3, 5), "1210.00")}


def test_only_documents_of_the_window_are_imported(sandbox: SandboxServer) -> None:
    sandbox.world.invoices.extend(
        [invoice(1, date(2024, 2, 29)), invoice(2, date(2024, 3, 31)), invoice(3, date(2024, 4, 1))]
    )

    sync_invoices(month(3))

    assert LedgerView().invoices().keys() == {"d2"}


def test_the_service_is_that_of_the_first_line_on_a_known_service(sandbox: SandboxServer) -> None:
    lines = tuple(Line("x", account, Decimal(50)) for account in ("", RENT.id, DATA_SCIENCE.id, FULL_STACK.id))
    sandbox.world.invoices.append(invoice(1, date(2024, 3, 5), lines=lines))

    sync_invoices(month(3))

    assert contract_of("d1") == ANA_DS


def test_a_document_without_a_service_line_is_skipped_and_kept_without_contract(sandbox: SandboxServer) -> None:
    sandbox.world.invoices.extend(
        [invoice(1, date(2024, 3, 5), account=RENT), invoice(2, date(2024, 3, 6), account=None)]
    )

    result = sync_invoices(month(3))

    assert (result["invoices_skipped"], result["invoices_created"], result["errors"]) == (2, 2, 0)
    assert {row[1:3] for row in LedgerView().invoices().values()} == {("ana@example.org", None)}


def test_a_deleted_account_that_fits_the_settings_becomes_a_service(sandbox: SandboxServer) -> None:
    old = replace(FULL_STACK, id="acc-old", name="Full Stack 2019", archived=True)
    sandbox.world.accounts.append(old)
    sandbox.world.invoices.append(invoice(1, date(2024, 3, 5), account=old))

    result = sync_invoices(month(3))

    assert result["invoices_skipped"] == 0
    assert LedgerView().services()["acc-old"] == ("70500001", "Full Stack 2019", "", "FS")


def test_accounts_that_are_no_services_are_asked_for_by_id_only_if_they_are_not_listed(sandbox: SandboxServer) -> None:
    unknown = replace(FULL_STACK, id="acc-nobody")
    sandbox.world.invoices.extend(
        [invoice(1, date(2024, 3, 5), account=RENT), invoice(2, date(2024, 3, 5), account=unknown)]
    )

    sync_invoices(month(3))

    asked = [each.path for each in sandbox.requests if "/saleschannels/" in each.path]
    assert len(asked) == 1
    assert asked[0].endswith("/saleschannels/acc-nobody")


def test_a_changed_document_changes_here_and_in_its_contract(sandbox: SandboxServer) -> None:
    sandbox.world.invoices.extend([invoice(1, date(2024, 3, 5)), invoice(2, date(2024, 3, 9))])
    sync_invoices(month(3))

    sandbox.world.invoices[0] = invoice(1, date(2024, 3, 12), "70.00")
    result = sync_invoices(month(3))

    assert (result["invoices_created"], result["invoices_updated"]) == (0, 1)
    assert contracts() == {ANA_FS: (date(2024, 3, 9), "170.00")}


def test_a_document_that_moves_to_another_service_leaves_its_old_contract(sandbox: SandboxServer) -> None:
    sandbox.world.invoices.append(invoice(1, date(2024, 3, 5)))
    sync_invoices(month(3))

    sandbox.world.invoices[0] = invoice(1, date(2024, 3, 5), account=DATA_SCIENCE)
    sync_invoices(month(3))

    assert contracts() == {ANA_FS: (date(2024, 3, 5), "0.00"), ANA_DS: (date(2024, 3, 5), "100.00")}


def test_a_second_run_writes_nothing(sandbox: SandboxServer) -> None:
    sandbox.world.contacts.append(contact("bob", email=""))
    sandbox.world.invoices.extend([invoice(1, date(2024, 3, 5)), invoice(2, date(2024, 3, 6), contact_id="c-bob")])
    sandbox.world.credit_notes.append(credit_note(3, date(2024, 3, 7), source_invoice_id="d1"))
    first = sync_invoices(month(3))
    before = whole_ledger()

    second = sync_invoices(month(3))

    assert whole_ledger() == before
    assert {name: count for name, count in second.items() if count} == {"invoices_processed": 2, "errors": 1}
    assert first["errors"] == 1


def test_a_document_in_another_currency_is_kept_without_contract_and_reported(sandbox: SandboxServer) -> None:
    sandbox.world.invoices.extend([invoice(1, date(2024, 3, 5)), invoice(2, date(2024, 3, 6), currency="usd")])

    result = sync_invoices(month(3))

    assert (result["errors"], contract_of("d2")) == (1, None)
    assert LedgerView().errors() == {("invoice", "d2")}
    assert contracts() == {ANA_FS: (date(2024, 3, 5), "100.00")}


def test_the_currency_is_that_of_the_first_document_in_whatever_order_months_come(sandbox: SandboxServer) -> None:
    sandbox.world.invoices.extend([invoice(1, date(2024, 3, 5), currency="usd"), invoice(2, date(2024, 2, 6))])

    sync_invoices(month(3))
    assert LedgerView().contracts()[ANA_FS][2] == "USD"
    result = sync_invoices(month(2))

    assert (result["invoices_created"], result["invoices_updated"], result["other_errors"]) == (1, 1, 1)
    assert LedgerView().contracts()[ANA_FS][:3] == (date(2024, 2, 6), Decimal("100.00"), "EUR")
    assert contract_of("d1") is None
    assert sync_invoices(month(3))["errors"] == 1


def test_a_currency_that_is_mended_upstream_is_mended_here(sandbox: SandboxServer) -> None:
    sandbox.world.invoices.append(invoice(1, date(2024, 3, 5), currency="usd"))
    sync_invoices(month(3))

    sandbox.world.invoices[0] = invoice(1, date(2024, 3, 5))
    result = sync_invoices(month(3))

    assert result["errors"] == 0
    assert LedgerView().contracts()[ANA_FS][1:3] == (Decimal("100.00"), "EUR")


def test_a_contract_status_is_never_touched(sandbox: SandboxServer) -> None:
    sandbox.world.invoices.append(invoice(1, date(2024, 3, 5)))
    sync_invoices(month(3))
    with write_session() as session:
        session.execute(update(ServiceContract).values(status="CLOSED"))

    sandbox.world.invoices.append(invoice(2, date(2024, 3, 6)))
    sync_invoices(month(3))

    assert LedgerView().contracts()[ANA_FS] == (date(2024, 3, 5), Decimal("200.00"), "EUR", "CLOSED")


def test_a_loss_of_most_documents_is_refused_and_nothing_is_written(
    sandbox: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox.world.invoices.extend(invoice(number, date(2024, 3, 5)) for number in range(10))
    sync_invoices(month(3))
    before = whole_ledger()
    del sandbox.world.invoices[4:]

    with pytest.raises(SuspiciousEmptyError, match="6 of 10"):
        sync_invoices(month(3))
    assert whole_ledger() == before

    monkeypatch.setenv("SYNC_ACCEPT_LOSS", "true")
    assert sync_invoices(month(3))["invoices_voided"] == 6


@pytest.mark.sqlite_first
@pytest.mark.slow
def test_a_total_of_120000_letters_costs_its_document_and_not_the_month(sandbox: SandboxServer) -> None:
    essay = "a" * 120_000
    sandbox.world.contacts.append(contact("eva", email=f"{essay}@example.org", raw={"name": essay}))
    sandbox.world.invoices.extend(
        [
            invoice(1, date(2024, 3, 5), raw={"total": essay}),
            invoice(2, date(2024, 3, 6), raw={"date": essay}),
            invoice(3, date(2024, 3, 7), contact_id="c-eva"),
            invoice(4, date(2024, 3, 8)),
        ]
    )
    imports = "from tests.steps.calls import sync_invoices; from tests.steps.records import month"

    done = subprocess.run(
        [sys.executable, "-c", f"{imports}; sync_invoices(month(3))"],
        env={**os.environ, "PYTHONPATH": ":".join(sys.path), "SYNC_ERROR_BUDGET": "100%"},
        capture_output=True,
        text=True,
        timeout=60,  # a pattern that goes back and forth takes many minutes
        check=False,
    )

    assert done.returncode == 0, done.stderr[-2000:]
    assert LedgerView().errors() == {("invoice", "d1"), ("invoice", "d2"), ("contact", "c-eva")}
    assert set(LedgerView().invoices()) == {"d3", "d4"}
    with read_session() as session:
        messages = session.exec(select(IntegrationError.error_message)).all()
    assert all(len(message) < 1_000 for message in messages)
    assert any(message.endswith("a number such as 1234.56 is expected") for message in messages)


def test_a_document_dated_outside_of_what_was_asked_for_is_told_once(sandbox: SandboxServer) -> None:
    sandbox.world.invoices.append(invoice(1, date(2024, 3, 5), raw={"date": 1900000000}))

    with one_run(MonthWindow(date(2024, 2, 1), date(2024, 5, 1))):
        results = [sync_invoices(month(number)) for number in (2, 3, 4)]

    assert [result["errors"] for result in results] == [1, 0, 0]
    (error,) = rows(IntegrationError)
    assert (
        error["error_message"] == "invoice d1: date 2030-03-17 is none of those that were asked for (2024-02..2024-04)"
    )


def test_a_name_of_several_lines_makes_no_message_of_several(sandbox: SandboxServer) -> None:
    sandbox.world.contacts.append(replace(contact("bob", email=""), name="Bob\nthe builder"))
    sandbox.world.invoices.append(invoice(1, date(2024, 3, 5), contact_id="c-bob"))

    sync_invoices(month(3))

    assert rows(IntegrationError)[0]["error_message"].startswith("contact c-bob (Bob the builder) has no usable email")
