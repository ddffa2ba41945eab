"""The ledger against what Holded has: each kind of difference, over HTTP, after something changed there or here."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import update
from sqlmodel import col

from steps.context import StepContext
from steps.invoices import reconcile
from steps.ledger.contract import Invoice
from steps.reports.export import reconciliation_sheet
from steps.reports.reconciliation import DifferenceKind, Reconciliation, last_reconciliation
from steps.sandbox.server import SandboxServer
from tests.steps.calls import sync_invoices, sync_services
from tests.steps.records import FULL_STACK, RENT, contact, credit_note, invoice, month
from tracking.database import read_session, write_session

MARCH = month(3)


@pytest.fixture
def academy(database: str, sandbox: SandboxServer) -> SandboxServer:
    """Four documents of March, imported."""
    world = sandbox.world
    world.accounts.extend([FULL_STACK, RENT])
    world.contacts.extend([contact("ana"), contact("bob")])
    world.invoices.extend(
        [
            invoice(1, date(2024, 3, 1), "100.00"),
            invoice(2, date(2024, 3, 15), "200.00", contact_id="c-bob"),
            invoice(3, date(2024, 3, 31), "300.00"),
        ]
    )
    world.credit_notes.append(credit_note(4, date(2024, 3, 20), "30.00"))
    sync_services()
    sync_invoices(MARCH)
    return sandbox


def compared() -> Reconciliation:
    with StepContext() as context:
        return reconcile(context, MARCH)


def found(report: Reconciliation) -> list[tuple[Any, ...]]:
    """Kind, document, here, there, amount."""
    return [(each.kind, each.external_id, each.here, each.there, str(each.amount)) for each in report.differences]


def change(sandbox: SandboxServer, number: int, **changes: Any) -> None:
    documents = sandbox.world.invoices
    documents[number] = replace(documents[number], **changes)


def test_nothing_differs_after_an_import(academy: SandboxServer) -> None:
    report = compared()

    assert report.agrees
    assert found(report) == []
    (total,) = report.totals
    assert (total.here, total.documents_here, total.there, total.documents_there) == (
        Decimal("570.00"), 4, Decimal("570.00"), 4,
    )  # fmt: skip


def test_a_document_that_only_holded_has_is_missing_here(academy: SandboxServer) -> None:
    academy.world.invoices.append(invoice(5, date(2024, 3, 9), "50.00"))
    academy.world.invoices.append(invoice(6, date(2024, 4, 1), "60.00"))

    report = compared()

    assert not report.agrees
    assert found(report) == [(DifferenceKind.MISSING_HERE, "d5", "none", "50.00", "50.00")]
    assert report.totals[0].there - report.totals[0].here == Decimal("50.00")


def test_a_document_that_only_the_ledger_has_is_gone_there(academy: SandboxServer) -> None:
    del academy.world.invoices[1]

    assert found(compared()) == [(DifferenceKind.GONE_THERE, "d2", "200.00", "none", "-200.00")]


def test_a_changed_amount_date_and_status_are_told_apart(academy: SandboxServer) -> None:
    line = invoice(1, date(2024, 3, 1), "101.50")
    change(academy, 0, lines=line.lines, subtotal=line.subtotal)
    change(academy, 1, date=date(2024, 3, 16))
    change(academy, 2, status=2)

    assert found(compared()) == [
        (DifferenceKind.DATE, "d2", "2024-03-15", "2024-03-16", "0.00"),
        (DifferenceKind.AMOUNT, "d1", "net 100.00, total 100.00", "net 101.50, total 101.50", "1.50"),
        (DifferenceKind.STATUS, "d3", "1", "2", "0.00"),
    ]


def test_a_document_that_moved_to_another_month_is_a_date(academy: SandboxServer) -> None:
    change(academy, 1, date=date(2024, 4, 2))

    assert found(compared()) == [(DifferenceKind.DATE, "d2", "2024-03-15", "2024-04-02", "-200.00")]


def test_another_currency_and_another_client_are_differences(academy: SandboxServer) -> None:
    change(academy, 0, currency="usd")
    change(academy, 1, contact_id="c-ana")

    report = compared()

    assert found(report) == [
        (DifferenceKind.CURRENCY, "d1", "EUR", "USD", "0.00"),
        (DifferenceKind.CLIENT, "d2", "client 2", "client 1", "0.00"),
    ]
    assert [(each.currency, str(each.here), str(each.there)) for each in report.totals] == [
        ("EUR", "570.00", "470.00"),
        ("USD", "0.00", "100.00"),
    ]


def test_a_document_that_was_made_void_here_is_missing(academy: SandboxServer) -> None:
    del academy.world.invoices[1]
    sync_invoices(MARCH)
    assert compared().agrees
    academy.world.invoices.append(invoice(2, date(2024, 3, 15), "200.00", contact_id="c-bob"))

    (difference,) = compared().differences
    assert (difference.kind, difference.why) == (DifferenceKind.MISSING_HERE, "void here")


def test_a_document_that_was_edited_in_the_ledger_is_found(academy: SandboxServer) -> None:
    with write_session() as session:
        session.execute(update(Invoice).where(col(Invoice.external_id) == "d4").values(net_amount=Decimal("-20.00")))

    assert found(compared()) == [
        (DifferenceKind.AMOUNT, "d4", "net -20.00, total -30.00", "net -30.00, total -30.00", "-10.00")
    ]


def test_a_document_without_contract_says_why_and_one_of_no_service_is_no_difference(academy: SandboxServer) -> None:
    academy.world.invoices.append(invoice(5, date(2024, 3, 9), "700.00", account=RENT))
    sync_invoices(MARCH)
    assert compared().agrees
    academy.world.contacts.append(contact("eva", email=None))
    academy.world.invoices.append(invoice(6, date(2024, 3, 9), "60.00", contact_id="c-eva"))
    sync_invoices(MARCH)

    report = compared()

    assert not report.agrees
    assert [(each.external_id, each.why) for each in report.differences] == [
        ("d5", "no line is on a service's account"),
        ("d6", "integration error 1"),
    ]


def test_the_last_one_of_a_month_is_kept_as_it_was(academy: SandboxServer) -> None:
    with read_session() as session:
        assert last_reconciliation(session, MARCH.start) is None
    compared()
    del academy.world.invoices[1]
    report = compared()

    with read_session() as session:
        assert last_reconciliation(session, MARCH.start) == report


def test_the_sheet_has_amounts_as_numbers(academy: SandboxServer) -> None:
    academy.world.invoices[1:] = []
    change(academy, 0, currency="usd")

    sheet = reconciliation_sheet(compared())

    assert [row[6:9] for row in sheet.rows] == [
        (Decimal("200.00"), "none", Decimal("-200.00")),
        (Decimal("300.00"), "none", Decimal("-300.00")),
        ("EUR", "USD", Decimal("0.00")),
    ]
    assert [(row[5], *row[6:9]) for row in sheet.totals] == [
        ("EUR", Decimal("570.00"), Decimal("-30.00"), Decimal("-600.00")),
        ("USD", Decimal("0.00"), Decimal("100.00"), Decimal("100.00")),
    ]
