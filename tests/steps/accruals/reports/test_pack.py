"""The month-end pack: its formulas come to the ledger's figures, and its checks find what does not tie."""

import re
from decimal import Decimal
from io import BytesIO
from typing import Any

import pytest
from openpyxl import Workbook, load_workbook
from sqlalchemy import update
from sqlmodel import col

from steps.ledger.accrual import AccruedPeriod
from steps.reports.pack import pack_bytes, read_pack
from steps.reports.roll_forward import roll_forward
from steps.reports.spreadsheet import sheet_name
from tests.steps.accruals.builders import day
from tests.steps.accruals.reports.books import SETTINGS, Books
from tests.steps.accruals.reports.calculator import Calculator
from tracking.database import read_session, write_session


@pytest.fixture
def academy(database: str) -> Books:
    """February is closed, March open: two services, two currencies, late and credited documents, one put off."""
    books = Books()
    web, data = books.service("Web", "70500001"), books.service("Data", "70500002")
    ana, bob = books.contract("Ana", service=web), books.contract("=Bob", service=data)
    dan = books.contract("Dan", service=data, currency="USD")
    books.period(ana, "2024-01-01", "2024-06-30")
    books.period(bob, "2024-01-01", "2024-06-30", "POSTPONED", "2024-02-15")
    books.document(ana, "2024-02-10", "600.00")
    books.document(bob, "2024-02-10", "300.10")
    books.post(ana, "2024-02", "100.00")
    books.post(bob, "2024-02", "0.10")
    books.close("2024-02")
    books.document(ana, "2024-02-20", "12.34")
    books.document(ana, "2024-03-20", "-50.00")
    books.document(dan, "2024-03-20", "70.00", "USD")
    books.document(None, "2024-03-20", "5.00")
    books.post(ana, "2024-03", "120.05")
    books.post(dan, "2024-03", "7.00")
    books.error(books.executed("invoices", "2024-03", "failed"))
    return books


def workbook(month: str = "2024-03", *, values: bool = False) -> Workbook:
    """With its formulas, or as a program sees it that works out none."""
    with read_session() as session:
        pack = read_pack(session, day(month), SETTINGS)
    return load_workbook(BytesIO(pack_bytes(pack)), data_only=values)


def checks(book: Workbook) -> list[list[Any]]:
    """Label, currency, is, should be, difference, verdict of each, worked out."""
    calculator = Calculator(book)
    rows = [[calculator.value("Cover", cell.coordinate) for cell in row] for row in book["Cover"].iter_rows()]
    return [row for row in rows if row[1] in {"EUR", "USD"}]


def test_every_check_of_the_cover_ties(academy: Books) -> None:
    found = checks(workbook())

    assert len(found) == 16
    assert {row[5].strip() for row in found} == {"ok"}
    closing = {row[1]: row[3] for row in found if row[0].startswith("Closing deferred, from opening")}
    with read_session() as session:
        report = roll_forward(session, day("2024-03"), SETTINGS)
    assert closing == {currency: report.line(currency).closing for currency in ("EUR", "USD")}
    assert closing == {"EUR": Decimal("642.29"), "USD": Decimal("63.00")}


def test_totals_are_formulas_and_come_to_what_the_ledger_says(academy: Books) -> None:
    book = workbook()
    calculator, formulas = Calculator(book), 0
    with read_session() as session:
        pack = read_pack(session, day("2024-03"), SETTINGS)
    for sheet in pack.sheets.values():
        name = sheet_name(sheet)
        for number, row in enumerate((*sheet.rows, *sheet.totals), start=2):
            for index, value in enumerate(row):
                cell = book[name].cell(number, index + 1)
                if isinstance(cell.value, str) and cell.value.startswith("="):
                    formulas += 1
                    assert calculator.value(name, cell.coordinate) == value, f"{name} {cell.coordinate}"
    assert formulas > 40


def require_values_of_formulas(seen: Workbook, made: Workbook) -> None:
    """What a viewer shows that works out nothing is what each formula comes to."""
    calculator = Calculator(made)
    for sheet in made.worksheets:
        for cell in (cell for row in sheet.iter_rows() for cell in row if cell.data_type == "f"):
            shown = seen[sheet.title][cell.coordinate].value
            value = Decimal(str(shown)).quantize(Decimal("0.01")) if isinstance(shown, int | float) else shown
            assert value == calculator.value(sheet.title, cell.coordinate), f"{sheet.title} {cell.coordinate}"


def test_a_viewer_that_works_out_nothing_shows_every_figure(academy: Books) -> None:
    require_values_of_formulas(workbook(values=True), workbook())


def test_a_tampered_posting_is_a_check_that_differs(academy: Books) -> None:
    with write_session() as session:
        moved = update(AccruedPeriod).where(col(AccruedPeriod.accrual_date) == day("2024-02"))
        session.execute(moved.values(accrued_amount=Decimal("101.00")))

    differing = {row[0] for row in checks(workbook()) if row[5].strip() != "ok"}

    assert "Closing deferred, from opening and movements" in differing
    require_values_of_formulas(workbook(values=True), workbook())


def test_the_cover_says_what_it_is(academy: Books) -> None:
    cover = {str(row[0].value): str(row[1].value) for row in workbook()["Cover"].iter_rows() if row[0].value}
    closed = {str(row[0].value): str(row[1].value) for row in workbook("2024-02")["Cover"].iter_rows() if row[0].value}

    assert cover["This month"].startswith("OPEN")
    assert cover["Closed"] == "2024-02 and all before it"
    assert cover["Reconciliation with Holded"] == "not done: sync-actions report reconciliation 2024-03"
    assert cover["Integration errors open"] == "1"
    assert closed["This month"].startswith("closed by Eva on ")
    assert re.fullmatch(r"[0-9a-f]{64}", closed["Hash of the close"])
    assert {"Prepared by", "Reviewed by", "Approved by"} <= cover.keys()


def test_sheets_are_typed_frozen_filtered_and_ready_to_print(academy: Books) -> None:
    book = workbook()

    assert book.sheetnames == [
        "Cover", "Roll-forward 2024-03", "By service 2024-03", "Journal", "Accruals 2024-03", "Waterfall after 2024-03",
        "Not scheduled after 2024-03", "Errors",
    ]  # fmt: skip
    for sheet in book.worksheets[1:]:
        assert sheet.freeze_panes == "A2"
        assert sheet.auto_filter.ref.startswith("A1:")
        assert sheet.print_title_rows == "$1:$1"
        assert (sheet.page_setup.orientation, sheet.page_setup.fitToHeight) == ("landscape", 0)
    journal, rolled = book["Journal"], book["Roll-forward 2024-03"]
    assert (journal["A2"].value.date(), journal["A2"].number_format) == (day("2024-03-31"), "yyyy-mm-dd")
    assert (rolled["A2"].value.date(), rolled["A2"].number_format) == (day("2024-03"), "yyyy-mm")
    assert isinstance(rolled["D2"].value, int | float)
    waiting = book["Not scheduled after 2024-03"]
    assert [waiting.cell(2, column).value for column in (1, 6, 7, 9)] == ["'=Bob", 300, "postponed", 45]
    assert waiting["H2"].value.date() == day("2024-02-15")


def test_a_month_in_which_nothing_was_has_a_pack(database: str) -> None:
    assert checks(workbook("2024-05")) == []
