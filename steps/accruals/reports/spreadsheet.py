"""A sheet as CSV or as an Excel workbook; no cell of either can carry a formula."""

from datetime import date
from decimal import Decimal
from io import BytesIO, StringIO
from typing import Any, TextIO

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
from openpyxl.styles import Font
from openpyxl.utils import get_column_letter
from openpyxl.worksheet._write_only import WriteOnlyWorksheet

from steps.accruals.reports.sheet import Cell, Sheet
from tracking.spreadsheet import neutralised, write_csv

_MONEY_FORMAT = "#,##0.00"
_DATE_FORMAT = "yyyy-mm-dd"
_NARROWEST, _WIDEST = 10, 40
_LONGEST_TITLE = 31
"""Of a worksheet; Excel refuses more."""
_BOLD = Font(bold=True)


def csv_text(sheet: Sheet) -> str:
    """The sheet as CSV, totals at the bottom."""
    file = StringIO(newline="")
    write_sheet(file, sheet)
    return file.getvalue()


def write_sheet(file: TextIO, sheet: Sheet) -> None:
    """The sheet as CSV into a text file that was opened with `newline=""`."""
    write_csv(file, sheet.header, (*sheet.rows, *sheet.totals))


def xlsx_bytes(*sheets: Sheet) -> bytes:
    """The sheets as one workbook, totals at the bottom in bold. Amounts are numbers, to the cent."""
    workbook = Workbook(write_only=True)  # rows go out as they come: memory does not grow with the report
    for sheet in sheets:
        _add_worksheet(workbook, sheet)
    file = BytesIO()
    workbook.save(file)
    return file.getvalue()


def _add_worksheet(workbook: Workbook, sheet: Sheet) -> None:
    worksheet = workbook.create_sheet(sheet.title[:_LONGEST_TITLE])
    worksheet.freeze_panes = "A2"
    for number, width in enumerate(_widths(sheet), start=1):
        worksheet.column_dimensions[get_column_letter(number)].width = width
    worksheet.append([_cell(worksheet, name, bold=True) for name in sheet.header])
    for row in sheet.rows:
        worksheet.append([_cell(worksheet, value) for value in row])
    for row in sheet.totals:
        worksheet.append([_cell(worksheet, value, bold=True) for value in row])


def _cell(worksheet: WriteOnlyWorksheet, value: Cell, *, bold: bool = False) -> Any:
    shown: Any = neutralised(value)
    if isinstance(shown, str):
        shown = ILLEGAL_CHARACTERS_RE.sub("", shown)
    cell = WriteOnlyCell(worksheet, shown)
    if isinstance(value, Decimal):
        cell.number_format = _MONEY_FORMAT
    elif isinstance(value, date):
        cell.number_format = _DATE_FORMAT
    if bold:
        cell.font = _BOLD
    return cell


def _widths(sheet: Sheet) -> list[int]:
    """Wide enough for what is in a column, within reason."""
    widths = [len(name) for name in sheet.header]
    for row in (*sheet.rows, *sheet.totals):
        widths = [max(width, len(_shown(value))) for width, value in zip(widths, row, strict=True)]
    return [min(max(width + 2, _NARROWEST), _WIDEST) for width in widths]


def _shown(value: Cell) -> str:
    return f"{value:,.2f}" if isinstance(value, Decimal) else str(value or "")
