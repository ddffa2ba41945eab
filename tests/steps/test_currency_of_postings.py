"""A posting keeps the currency it was made in, whatever its documents come to later (docs/accrual-rules.md)."""

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from steps.ledger.accrual import AccruedPeriod, ContractAccrual
from steps.reports.export import as_json
from steps.reports.journal import journal
from steps.reports.monthly import monthly_accruals
from steps.reports.roll_forward import roll_forward, roll_forwards
from steps.reports.waterfall import waterfall
from steps.sandbox.records import Document
from steps.sandbox.server import SandboxServer
from tests.new_database import NewDatabase, on_both_databases
from tests.older_database import older_database
from tests.steps.accruals.database_ledger import Stored, amounts, contract_statuses, errors, execute, states, store
from tests.steps.accruals.recorded_imports import sound_import
from tests.steps.accruals.reports.books import SETTINGS, Books
from tests.steps.calls import process_accruals, sync_invoices, sync_service_periods, sync_services
from tests.steps.ledger_view import rows
from tests.steps.records import FULL_STACK, contact, enrollment, invoice, month
from tracking.database import read_session

pytestmark = pytest.mark.slow

ON = date(2024, 1, 15)


def sold(currency: str = "eur", amount: str = "600.00") -> Document:
    """Ana's only document, as the vendor has it now."""
    return invoice(1, ON, amount, currency=currency)


@pytest.fixture
def ana(database: str, sandbox: SandboxServer) -> SandboxServer:
    """Her course of February to June for 600.00 EUR, imported; the sandbox is what changes afterwards."""
    sandbox.world.accounts.append(FULL_STACK)
    sandbox.world.contacts.append(contact())
    sandbox.world.invoices.append(sold())
    sandbox.world.enrollments.append(enrollment())
    sync_services()
    sync_invoices(month(1))
    sync_service_periods(month(1))
    return sandbox


def send_again(sandbox: SandboxServer, document: Document | None) -> dict[str, Any]:
    """The vendor's document is changed, or gone, and imported again."""
    sandbox.world.invoices[:] = [] if document is None else [document]
    return sync_invoices(month(1))


def accrue(*numbers: int) -> list[dict[str, Any]]:
    return [process_accruals(month(number)) for number in numbers]


def reports(*numbers: int) -> list[Any]:
    """What every report says of these months, documents aside: they are the vendor's to change."""
    with read_session() as session:
        return [
            as_json(each)
            for number in numbers
            for each in (
                journal(session, month(number).start, SETTINGS),
                monthly_accruals(session, month(number)),
                roll_forward(session, month(number).start, SETTINGS),
            )
        ]


def test_a_document_sent_again_in_usd_moves_nothing_of_closed_months(ana: SandboxServer) -> None:
    accrue(2, 3, 4)
    Books().close("2024-01", "2024-02", "2024-03", "2024-04")
    before, postings = reports(1, 2, 3, 4), rows(AccruedPeriod)

    send_again(ana, sold("usd"))
    (may,) = accrue(5)

    reason = f"its documents are in USD, but {_posted(postings)} EUR are posted: nothing moves between currencies"
    assert may["failures"] == [{"contract_id": 1, "reason": reason}]
    assert reports(1, 2, 3, 4) == before
    assert rows(AccruedPeriod) == postings
    assert {row["currency"] for row in postings} == {"EUR"}


def _posted(postings: list[dict[str, Any]]) -> Decimal:
    return sum((row["accrued_amount"] for row in postings), Decimal(0))


def test_the_roll_forward_of_the_open_month_shows_in_each_currency_what_the_change_did(ana: SandboxServer) -> None:
    accrue(2, 3)
    Books().close("2024-01", "2024-02", "2024-03")
    posted = _posted(rows(AccruedPeriod))
    send_again(ana, sold("usd"))
    accrue(4)

    with read_session() as session:
        report = roll_forwards(session, month(4), SETTINGS)
        (waiting,) = waterfall(session, month(4).start, SETTINGS).totals[-1:]

    euros, dollars = report.months[0].line("EUR"), report.months[0].line("USD")
    assert (euros.late, euros.closing, euros.difference) == (Decimal(-600), -posted, Decimal(0))
    assert (dollars.closing, waiting.currency, waiting.not_scheduled) == (Decimal(600), "USD", Decimal(600))


def test_the_contract_goes_on_when_its_document_is_in_its_currency_again(ana: SandboxServer) -> None:
    accrue(2, 3)
    before = amounts()
    send_again(ana, sold("usd"))
    accrue(4)
    assert errors()["1"][0] == "pending"
    send_again(ana, sold())

    (april,) = accrue(4)

    assert april["failures"] == []
    assert amounts() == before | {"2024-04": april["amount_accrued"]}
    assert errors()["1"][0] == "resolved"
    assert states()[1][0] == "600.00"


def test_as_long_as_nothing_is_posted_the_contract_follows_its_document(ana: SandboxServer) -> None:
    accrue(1)
    assert amounts() == {}
    send_again(ana, sold("usd"))

    accrue(1, 2)

    assert [row["currency"] for row in rows(AccruedPeriod)] == ["USD"]
    assert [row["currency"] for row in rows(ContractAccrual)] == ["USD"]


def test_a_contract_that_lost_its_document_gives_back_what_it_posted_in_the_currency_it_was_posted_in(
    ana: SandboxServer,
) -> None:
    accrue(2, 3)
    posted = _posted(rows(AccruedPeriod))
    send_again(ana, sold("usd"))
    send_again(ana, None)

    (april,) = accrue(4)

    assert april["failures"] == []
    assert [(row["accrued_amount"], row["currency"]) for row in rows(AccruedPeriod)][-1] == (-posted, "EUR")
    assert contract_statuses() == {1: "CANCELED"}


def test_the_postings_of_an_older_database_get_the_currency_of_their_contract(database: str, tmp_path: Path) -> None:
    with older_database(database, tmp_path, "0012") as engine, engine.begin() as connection:
        for statement in (
            "INSERT INTO service (id, external_id, name, description, service_type, total_sessions, sessions_per_week)"
            " VALUES (1, 's', 'S', '', 'FS', 60, 3)",
            "INSERT INTO client (id, identifier, name) VALUES (1, 'a@example.org', 'A'), (2, 'b@example.org', 'B')",
            "INSERT INTO service_contract"
            " (id, service_id, client_id, contract_date, contract_amount, contract_currency, status)"
            " VALUES (1, 1, 1, '2024-01-01', 9, 'EUR', 'ACTIVE'), (2, 1, 2, '2024-01-01', 9, 'USD', 'ACTIVE')",
            "INSERT INTO contract_accrual"
            " (id, contract_id, total_to_accrue, accrued_amount, remaining_amount_to_accrue,"
            " total_sessions_to_accrue, sessions_accrued, remaining_sessions_to_accrue, accrual_status)"
            " VALUES (7, 2, 9, 9, 0, 1, 1, 0, 'COMPLETED'), (8, 1, 9, 9, 0, 1, 1, 0, 'COMPLETED')",
            "INSERT INTO accrued_period"
            " (contract_accrual_id, accrual_date, accrued_amount, accrual_portion, sessions_accrued, rule)"
            " VALUES (7, '2024-01-01', 9, 1, 1, 'row-9'), (8, '2024-01-01', 9, 1, 1, 'row-9')",
        ):
            connection.execute(text(statement))

    assert [(row["contract_id"], row["currency"]) for row in rows(ContractAccrual)] == [(2, "USD"), (1, "EUR")]
    assert [row["currency"] for row in rows(AccruedPeriod)] == ["USD", "EUR"]


EVENTS = st.lists(st.sampled_from(["EUR", "USD", "accrue", "accrue"]), min_size=2, max_size=10)


@on_both_databases(examples=25)
def test_whatever_currencies_documents_come_to_no_posting_changes_and_each_currency_adds_up(
    new_database: NewDatabase, examples: int
) -> None:
    """Promises 1 and 3 with two currencies; another contract is not concerned."""

    @example(events=["accrue"] * 10)
    @settings(max_examples=examples, deadline=None)
    @given(events=EVENTS)
    def check(events: list[str]) -> None:
        new_database()
        sound_import(month(1))
        store(Stored(1), Stored(2))
        number, kept = 1, list[Any]()
        for event in events:
            if event == "accrue":
                process_accruals(month(number))
                number += 1
            else:
                execute("UPDATE invoice SET currency = :to WHERE service_contract_id = 1", to=event)
                execute("UPDATE service_contract SET contract_currency = :to WHERE id = 1", to=event)
            now = rows(AccruedPeriod)
            assert now[: len(kept)] == kept
            kept = now

        own = {row["id"]: row["contract_id"] for row in rows(ContractAccrual)}
        currencies = [row["currency"] for row in kept if own[row["contract_accrual_id"]] == 1]
        assert len(set(currencies)) <= 1
        for state in rows(ContractAccrual):
            mine = [row["accrued_amount"] for row in kept if own[row["contract_accrual_id"]] == state["contract_id"]]
            assert sum(mine, Decimal(0)) == state["accrued_amount"]
            assert state["accrued_amount"] + state["remaining_amount_to_accrue"] == state["total_to_accrue"]
        assert len(kept) - len(currencies) == min(events.count("accrue"), 6)  # its enrollment lasts six months

    check()
