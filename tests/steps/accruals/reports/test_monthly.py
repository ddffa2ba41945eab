"""Month by month per client, contract and period, as data and as a spreadsheet."""

import csv
from decimal import Decimal
from io import BytesIO, StringIO
from typing import Any

import pytest
from openpyxl import load_workbook

from steps.ledger.months import MonthWindow
from steps.reports.export import monthly_sheet
from steps.reports.monthly import ContractFilter, MonthlyAccruals, monthly_accruals
from steps.reports.spreadsheet import Sheet, csv_text, xlsx_bytes
from tests.steps.accruals.builders import day
from tests.steps.accruals.reports.books import Books
from tracking.database import read_session

QUARTER = MonthWindow(day("2024-01"), day("2024-04"))


def quarter() -> MonthlyAccruals:
    """Two euro contracts, one of them with a period and without, and one in dollars; April is not asked for."""
    books = Books()
    ana, bob, cleo = books.contract("Ana"), books.contract("Bob", currency="USD"), books.contract("Cleo")
    period = books.period(ana, "2024-01-01", "2024-06-30")
    books.post(ana, "2024-01", "100.10", period=period)
    books.post(ana, "2024-03", "50.00", period=period)
    books.post(ana, "2024-03", "7.00")
    books.post(cleo, "2024-01", "-0.10")
    books.post(bob, "2024-02", "9.99")
    books.post(ana, "2024-04", "1000.00", period=period)
    with read_session() as session:
        return monthly_accruals(session, QUARTER)


def test_each_client_contract_and_period_has_its_months(database: str) -> None:
    report = quarter()

    rows = [(row.contract.client, row.period, row.contract.currency, str(row.total)) for row in report.rows]
    assert rows == [
        ("Ana", None, "EUR", "7.00"),
        ("Ana", "cohort-1", "EUR", "150.10"),
        ("Cleo", None, "EUR", "-0.10"),
        ("Bob", None, "USD", "9.99"),
    ]
    assert report.rows[1].amounts == {day("2024-01"): Decimal("100.10"), day("2024-03"): Decimal("50.00")}
    assert report.totals == {
        "EUR": {day("2024-01"): Decimal("100.00"), day("2024-03"): Decimal("57.00")},
        "USD": {day("2024-02"): Decimal("9.99")},
    }


def test_a_range_without_postings_is_an_empty_report(database: str) -> None:
    with read_session() as session:
        report = monthly_accruals(session, QUARTER)

    assert report.rows == ()
    assert monthly_sheet(report).totals == ()


def test_the_csv_has_plain_amounts_and_the_totals_of_each_currency_at_the_bottom(database: str) -> None:
    lines = list(csv.reader(StringIO(csv_text(monthly_sheet(quarter())))))

    assert lines[0] == ["client", "email", "contract", "service", "period", "currency", *MONTHS, "total"]
    assert lines[2] == [
        "Ana",
        "ana@example.org",
        "1",
        "Course of Ana",
        "cohort-1",
        "EUR",
        "100.10",
        "0.00",
        "50.00",
        "150.10",
    ]
    assert lines[-2] == ["Total", "", "", "", "", "EUR", "100.00", "0.00", "57.00", "157.00"]
    assert lines[-1] == ["Total", "", "", "", "", "USD", "0.00", "9.99", "0.00", "9.99"]


MONTHS = ["2024-01", "2024-02", "2024-03"]


def worksheet(content: bytes) -> Any:
    """The first sheet of a workbook."""
    return load_workbook(BytesIO(content)).worksheets[0]


def test_the_workbook_opens_again_with_numbers_and_bold_totals(database: str) -> None:
    sheet = worksheet(xlsx_bytes(monthly_sheet(quarter())))

    rows = list(sheet.iter_rows(values_only=True))
    assert rows[0][-4:] == (*MONTHS, "total")
    assert rows[-2] == ("Total", None, None, None, None, "EUR", 100, 0, 57, 157)
    assert sheet.cell(3, 7).value == 100.10
    assert sheet.cell(3, 7).number_format == "#,##0.00"
    assert sheet.cell(len(rows), 1).font.bold
    assert not sheet.cell(3, 1).font.bold
    assert sheet.freeze_panes == "A2"
    assert sheet.title == "Accruals 2024-01..2024-03"


FORMULAS = ["=HYPERLINK(1)", "+1", "-1+1", "@SUM(1)", "\t=1"]


@pytest.mark.parametrize("text", FORMULAS)
def test_no_cell_of_either_file_can_carry_a_formula(text: str) -> None:
    sheet = Sheet("Evil", ("client", "amount"), ((text, Decimal("-1.00")),), ((text, None),))

    lines = list(csv.reader(StringIO(csv_text(sheet))))
    assert lines == [["client", "amount"], [f"'{text}", "-1.00"], [f"'{text}", ""]]
    cells = [cell for row in worksheet(xlsx_bytes(sheet)).iter_rows() for cell in row]
    assert {cell.data_type for cell in cells} <= {"s", "n"}
    assert [cell.value for cell in cells] == ["client", "amount", f"'{text}", -1, f"'{text}", None]


def test_a_client_whose_name_is_a_formula_is_harmless_in_the_report(database: str) -> None:
    books = Books()
    books.post(books.contract("=cmd()"), "2024-01", "1.00")
    with read_session() as session:
        sheet = monthly_sheet(monthly_accruals(session, QUARTER))

    assert "'=cmd()" in csv_text(sheet)
    assert worksheet(xlsx_bytes(sheet)).cell(2, 1).value == "'=cmd()"


def test_characters_that_no_workbook_can_hold_are_left_out() -> None:
    content = xlsx_bytes(Sheet("A title that is longer than Excel allows", ("name",), (("A\x07na\x00",),)))

    assert worksheet(content).cell(2, 1).value == "Ana"
    assert worksheet(content).title == "A title that is longer than Exc"


@pytest.mark.parametrize(
    ("wanted", "contracts"),
    [
        (ContractFilter(), {1, 2, 3}),
        (ContractFilter(client="AN"), {1, 3}),
        (ContractFilter(client="bob@example"), {2}),
        (ContractFilter(service="course of a"), {1}),
        (ContractFilter(service="7050"), {1, 2, 3}),
        (ContractFilter(service="0500"), set()),
        (ContractFilter(contract=2), {2}),
        (ContractFilter(client="ana", contract=2), set()),
    ],
)
def test_contracts_are_chosen_by_client_service_and_id(wanted: ContractFilter, contracts: set[int]) -> None:
    books = Books()
    for name in ("Ana", "Bob", "Dan"):
        books.post(books.contract(name), "2024-01", "10.00")

    with read_session() as session:
        report = monthly_accruals(session, MonthWindow.of(day("2024-01")), wanted)

    assert {row.contract.id for row in report.rows} == contracts
    assert sum(sum(amounts.values()) for amounts in report.totals.values()) == 10 * len(contracts)
