"""What is still deferred, by the month in which it is expected to be earned: every cent of it, in one column."""

from decimal import Decimal

from sqlalchemy import update
from sqlmodel import col

from steps.ledger.contract import Invoice
from steps.ledger.money import ZERO
from steps.ledger.months import MonthWindow
from steps.reports.export import not_scheduled_sheet, waterfall_sheet
from steps.reports.roll_forward import roll_forward
from steps.reports.waterfall import Reason, Waiting, Waterfall, waterfall
from tests.steps.accruals.builders import day
from tests.steps.accruals.reports.books import LATER, SETTINGS, Books
from tests.steps.calls import accrue_month
from tracking.database import read_session, write_session


def academy() -> Books:
    """January is accrued. Ana is taught until June, Bob put off, Cleo's cohort is over but active; Dan pays dollars."""
    books = Books()
    for name, currency in (("Ana", "EUR"), ("Bob", "EUR"), ("Cleo", "EUR"), ("Dan", "USD")):
        contract = books.contract(name, currency=currency)
        books.document(contract, "2024-01-01", "600.00", currency)
    books.period(1, "2024-01-01", "2024-06-30")
    books.period(2, "2024-01-01", "2024-06-30", "POSTPONED", "2024-01-15")
    books.period(3, "2023-09-01", "2023-12-31")
    books.period(4, "2024-02-01", "2024-02-29")
    accrue_month(MonthWindow.of(day("2024-01")), LATER)
    return books


def january() -> Waterfall:
    with read_session() as session:
        return waterfall(session, day("2024-01"), SETTINGS)


def test_every_contract_has_its_months_and_what_has_none(database: str) -> None:
    academy()

    report = january()

    by_client = {row.contract.client: row for row in report.rows}
    assert [f"{month:%Y-%m}" for month in report.months] == ["2024-02", "2024-03", "2024-04", "2024-05", "2024-06"]
    assert list(by_client["Ana"].expected) == list(report.months)
    assert by_client["Ana"].not_scheduled == ZERO
    assert by_client["Bob"].expected == {}
    assert by_client["Bob"].not_scheduled == by_client["Bob"].deferred > ZERO
    assert by_client["Cleo"].not_scheduled == Decimal("600.00")
    assert by_client["Dan"].expected == {day("2024-02"): Decimal("600.00")}


def test_it_adds_up_to_closing_deferred_exactly(database: str) -> None:
    academy()

    with read_session() as session:
        closing = roll_forward(session, day("2024-01"), SETTINGS)

    for total in january().totals:
        assert total.deferred == closing.line(total.currency).closing
        assert sum(total.expected.values(), total.not_scheduled) == total.deferred
        assert total.late == ZERO
    assert [total.currency for total in january().totals] == ["EUR", "USD"]


def test_the_sheet_has_a_column_for_what_is_not_scheduled_and_totals(database: str) -> None:
    academy()

    sheet = waterfall_sheet(january())

    assert sheet.header[-2:] == ("not scheduled", "reason")
    euros, dollars = sheet.totals
    assert sum(cell for cell in euros[6:] if isinstance(cell, Decimal)) == euros[5]
    assert dollars[4:7] == ("USD", Decimal("600.00"), Decimal("600.00"))


def test_what_is_not_scheduled_is_listed_with_its_reason_and_age(database: str) -> None:
    books = academy()
    books.document(books.contract("Eva", begun="2024-01-20"), "2024-01-20", "50.00")
    books.document(5, "2024-01-20", "8.00", "USD")

    rows = {(row[0], row[4]): row[5:] for row in not_scheduled_sheet(january()).rows}

    bob = next(row for row in january().rows if row.contract.client == "Bob")
    assert rows == {
        ("Bob", "EUR"): (bob.deferred, "postponed", day("2024-01-15"), 16),
        ("Cleo", "EUR"): (Decimal("600.00"), "period over but active", day("2023-12-31"), 31),
        ("Eva", "EUR"): (Decimal("50.00"), "contract in failure", day("2024-01-20"), 11),
        ("Eva", "USD"): (Decimal("8.00"), "contract in failure", day("2024-01-20"), 11),
    }
    assert [total[5] for total in not_scheduled_sheet(january()).totals] == [
        bob.deferred + Decimal("650.00"),
        Decimal("8.00"),
    ]


def test_a_new_contract_without_enrollment_waits_for_one(database: str) -> None:
    books = Books()
    books.document(books.contract("Eva", begun="2024-01-25"), "2024-01-25", "50.00")

    ((row, days),) = january().waiting

    assert (row.waiting, days) == (Waiting(Reason.NO_ENROLLMENT, day("2024-01-25")), 6)


def test_the_waterfall_comes_true_if_nothing_else_happens(database: str) -> None:
    academy()
    ana = january().rows[0]

    for month in ("2024-02", "2024-03"):
        accrue_month(MonthWindow.of(day(month)), LATER)

    with read_session() as session:
        later = waterfall(session, day("2024-03"), SETTINGS).rows[0]
    assert later.deferred == ana.deferred - ana.expected[day("2024-02")] - ana.expected[day("2024-03")]
    assert later.expected == {month: amount for month, amount in ana.expected.items() if month > day("2024-03")}
    assert january().rows[0] == ana


def test_a_contract_with_bad_data_waits_for_a_person(database: str) -> None:
    academy()
    with write_session() as session:
        session.execute(update(Invoice).where(col(Invoice.service_contract_id) == 1).values(currency="GBP"))

    report = january()

    pounds = next(row for row in report.rows if row.currency == "GBP")
    assert pounds.not_scheduled == pounds.deferred == Decimal("600.00")
    assert sum(total.deferred for total in report.totals) == sum(row.deferred for row in report.rows)


def test_what_came_late_for_a_closed_month_is_told_apart_from_its_closing(database: str) -> None:
    books = academy()
    books.close("2024-01")
    books.document(1, "2024-01-20", "50.00")

    euros = january().totals[0]

    assert euros.late == Decimal("50.00")
    assert euros.deferred - euros.late == january().closing["EUR"]


def test_documents_and_postings_after_the_month_are_not_in_it(database: str) -> None:
    books = academy()
    before = january()

    books.document(1, "2024-02-01", "50.00")
    accrue_month(MonthWindow.of(day("2024-02")), LATER)

    assert january() == before


def test_nothing_deferred_is_an_empty_waterfall(database: str) -> None:
    report = january()

    assert (report.rows, report.totals, report.months) == ((), (), ())
