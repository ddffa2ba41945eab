"""Credit notes: always negative, and wherever their invoice is."""

from datetime import date
from decimal import Decimal
from itertools import permutations
from typing import Any

import pytest

from steps.ledger.months import MonthWindow
from steps.sandbox.server import SandboxServer
from tests.steps.calls import one_run, sync_invoices, sync_services
from tests.steps.ledger_view import LedgerView, whole_ledger
from tests.steps.records import DATA_SCIENCE, FULL_STACK, contact, credit_note, invoice, month

ANA_FS = ("ana@example.org", FULL_STACK.id)
ANA_DS = ("ana@example.org", DATA_SCIENCE.id)


@pytest.fixture(autouse=True)
def books(database: str, sandbox: SandboxServer) -> None:
    sandbox.world.accounts.extend([FULL_STACK, DATA_SCIENCE])
    sandbox.world.contacts.append(contact())
    sync_services()


def amounts() -> dict[Any, Decimal]:
    return {key: row[1] for key, row in LedgerView().contracts().items()}


@pytest.mark.parametrize("amount", ["30.00", "-30.00"])
def test_a_credit_note_takes_away_whatever_its_sign_upstream(sandbox: SandboxServer, amount: str) -> None:
    sandbox.world.invoices.append(invoice(1, date(2024, 3, 5)))
    sandbox.world.credit_notes.append(credit_note(2, date(2024, 3, 8), amount))

    sync_invoices(month(3))

    assert amounts() == {ANA_FS: Decimal("70.00")}


def test_a_credit_note_made_from_an_invoice_follows_it_whatever_its_own_lines(sandbox: SandboxServer) -> None:
    sandbox.world.invoices.append(invoice(1, date(2024, 3, 5)))
    sandbox.world.credit_notes.append(credit_note(2, date(2024, 3, 8), source_invoice_id="d1", account=DATA_SCIENCE))
    sandbox.world.credit_notes.append(credit_note(3, date(2024, 3, 9), source_invoice_id="d1", account=None))

    result = sync_invoices(month(3))

    assert amounts() == {ANA_FS: Decimal("40.00")}
    assert result["invoices_skipped"] == 0


def test_a_credit_note_of_an_invoice_that_nobody_knows_goes_by_its_own_lines(sandbox: SandboxServer) -> None:
    sandbox.world.credit_notes.append(credit_note(2, date(2024, 3, 8), source_invoice_id="d99", account=DATA_SCIENCE))

    sync_invoices(month(3))

    assert amounts() == {ANA_DS: Decimal("-30.00")}


@pytest.mark.parametrize("noted", [2, 3, 4])
def test_a_credit_note_goes_by_its_own_lines_once_its_invoice_is_gone_and_back_with_it(
    sandbox: SandboxServer, noted: int
) -> None:
    """As a fresh import has it, which never sees that invoice."""
    deleted, kept = invoice(1, date(2024, 3, 5)), invoice(3, date(2024, 3, 6))
    sandbox.world.invoices.extend([deleted, kept])
    note = credit_note(2, date(2024, noted, 8), source_invoice_id="d1", account=DATA_SCIENCE)
    sandbox.world.credit_notes.append(note)

    def import_all() -> dict[Any, Decimal]:
        with one_run(MonthWindow(month(2).start, month(4).end)):
            for number in (2, 3, 4):
                sync_invoices(month(number))
        return amounts()

    assert import_all() == {ANA_FS: Decimal("170.00")} | ({ANA_DS: Decimal(0)} if noted == 2 else {})
    sandbox.world.invoices.remove(deleted)
    assert import_all() == {ANA_FS: Decimal("100.00"), ANA_DS: Decimal("-30.00")}
    sandbox.world.invoices.append(deleted)
    assert import_all() == {ANA_FS: Decimal("170.00"), ANA_DS: Decimal(0)}


@pytest.mark.parametrize("months", list(permutations([2, 3, 4])))
def test_months_may_come_in_any_order(sandbox: SandboxServer, months: tuple[int, ...]) -> None:
    sandbox.world.invoices.append(invoice(1, date(2024, 3, 5)))
    sandbox.world.credit_notes.append(credit_note(2, date(2024, 2, 8), source_invoice_id="d1", account=DATA_SCIENCE))
    sandbox.world.credit_notes.append(credit_note(3, date(2024, 4, 8), source_invoice_id="d1", account=None))

    for number in months:
        sync_invoices(month(number))

    assert {key: amount for key, amount in amounts().items() if amount} == {ANA_FS: Decimal("40.00")}
    before = whole_ledger()
    for number in months:
        sync_invoices(month(number))
    assert whole_ledger() == before


def test_credit_notes_of_other_months_move_with_their_invoice(sandbox: SandboxServer) -> None:
    sandbox.world.invoices.append(invoice(1, date(2024, 3, 5)))
    sandbox.world.credit_notes.append(credit_note(2, date(2024, 4, 8), source_invoice_id="d1"))
    sync_invoices(month(3))
    sync_invoices(month(4))

    sandbox.world.invoices[0] = invoice(1, date(2024, 3, 5), account=DATA_SCIENCE)
    result = sync_invoices(month(3))

    assert result["invoices_updated"] == 2
    assert amounts() == {ANA_FS: Decimal("0.00"), ANA_DS: Decimal("70.00")}


def test_a_credit_note_in_another_currency_than_its_invoice_is_reported(sandbox: SandboxServer) -> None:
    sandbox.world.invoices.append(invoice(1, date(2024, 3, 5)))
    sandbox.world.credit_notes.append(credit_note(2, date(2024, 3, 8), source_invoice_id="d1", currency="usd"))

    result = sync_invoices(month(3))

    assert (result["errors"], amounts()) == (1, {ANA_FS: Decimal("100.00")})
    assert LedgerView().errors() == {("credit_note", "d2")}


def test_a_credit_note_alone_in_its_currency_makes_no_trouble_when_its_invoice_is_kept_without_contract(
    sandbox: SandboxServer,
) -> None:
    sandbox.world.invoices.append(invoice(1, date(2024, 3, 5), account=None))
    sandbox.world.credit_notes.append(credit_note(2, date(2024, 3, 8), source_invoice_id="d1", currency="usd"))

    assert sync_invoices(month(3))["errors"] == 0
    assert amounts() == {}
