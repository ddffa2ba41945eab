"""Reports as CSV, XLSX and JSON. No cell of a file is a formula: a text that looks like one is made plain first."""

import csv
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import date
from decimal import Decimal
from io import BytesIO, StringIO
from typing import TYPE_CHECKING, Any

from steps.ledger.money import ZERO
from steps.ledger.months import MonthWindow
from steps.reports.explain import Explanation
from steps.reports.journal import Account, Journal
from steps.reports.monthly import Amounts, ContractName, MonthlyAccruals
from steps.reports.roll_forward import RollForward, RollForwardChain, RollForwardLine
from steps.reports.waterfall import Waterfall, WaterfallRow, WaterfallTotal
from steps.reports.worklist import Worklist
from tracking.models import IntegrationError

if TYPE_CHECKING:
    from openpyxl import Workbook
    from openpyxl.worksheet._write_only import WriteOnlyWorksheet


@dataclass(frozen=True, slots=True)
class Sheet:
    """A header, rows, and rows of totals at the bottom."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    totals: tuple[tuple[Any, ...], ...] = ()


_ROLL_FORWARD = (
    "opening",
    "brought_forward",
    "late",
    "invoiced",
    "credited",
    "accrued",
    "adjusted",
    "closing",
    "difference",
    "unlinked",
)


def roll_forward_sheet(report: RollForwardChain) -> Sheet:
    """A row per currency and month, a total per currency."""
    rows = (
        (f"{month.month:%Y-%m}", "closed" if month.closed else "open", *_line(month.line(currency)))
        for currency in report.currencies
        for month in report.months
    )
    totals = ((str(report.window), "total", *_line(report.summary(currency))) for currency in report.currencies)
    header = ("month", "state", "currency", *_ROLL_FORWARD[:-1], "without contract (in no total)")
    return Sheet(f"Roll-forward {report.window}", header, tuple(rows), tuple(totals))


def _line(line: RollForwardLine) -> tuple[Any, ...]:
    return (line.currency, *(getattr(line, name) for name in _ROLL_FORWARD))


def monthly_sheet(report: MonthlyAccruals) -> Sheet:
    """A row per contract and period, a column per month, a total per currency."""
    header = ("client", "email", "contract", "service", "period", "currency", *_names(report.months), "total")
    rows = (
        (*_contract(row.contract), row.period, row.contract.currency, *_by_month(row.amounts, report.months), row.total)
        for row in report.rows
    )
    totals = (
        ("Total", "", None, "", "", currency, *_by_month(amounts, report.months), sum(amounts.values(), ZERO))
        for currency, amounts in report.totals.items()
    )
    return Sheet(f"Accruals {report.window}", header, tuple(rows), tuple(totals))


def waterfall_sheet(report: Waterfall) -> Sheet:
    """A row per contract, a column per month to come, a total per currency."""
    header = ("client", "email", "contract", "service", "currency", "deferred", *_names(report.months), "not scheduled")

    def amounts(row: WaterfallRow | WaterfallTotal) -> tuple[Any, ...]:
        return (row.currency, row.deferred, *_by_month(row.expected, report.months), row.not_scheduled)

    rows = ((*_contract(row.contract), *amounts(row)) for row in report.rows)
    totals = (("Total", "", None, "", *amounts(total)) for total in report.totals)
    return Sheet(f"Waterfall after {report.month:%Y-%m}", header, tuple(rows), tuple(totals))


def journal_sheet(journals: Iterable[Journal]) -> Sheet:
    """A row per line; debit and credit of each month and currency at the bottom."""
    reports = tuple(journals)
    rows = (
        (line.day, line.entry, *line.account, line.text, line.currency, line.debit, line.credit)
        for report in reports
        for line in report.lines
    )
    totals = (
        (f"Total {report.month:%Y-%m}", None, "", "", "", currency, debit, credit)
        for report in reports
        for currency, (debit, credit) in report.totals.items()
    )
    header = ("date", "entry", "account", "account name", "text", "currency", "debit", "credit")
    return Sheet("Journal", header, tuple(rows), tuple(totals))


_ERROR = (
    "id", "integration_name", "operation", "entity_type", "entity_external_id", "error_message", "status",
    "sync_execution_id", "created_at", "updated_at", "occurrences", "first_seen_at", "last_seen_at",
)  # fmt: skip


def errors_sheet(errors: Iterable[IntegrationError]) -> Sheet:
    """A row per integration error, in the order given."""
    return Sheet("Errors", _ERROR, tuple(tuple(getattr(error, name) for name in _ERROR) for error in errors))


def _contract(name: ContractName) -> tuple[Any, ...]:
    return name.client, name.email, name.id, name.service


def _names(months: Iterable[date]) -> tuple[str, ...]:
    return tuple(f"{month:%Y-%m}" for month in months)


def _by_month(amounts: Amounts, months: Iterable[date]) -> Iterator[Decimal]:
    return (amounts.get(month, ZERO) for month in months)


_MONEY_FORMAT = "#,##0.00"
_DATE_FORMAT = "yyyy-mm-dd"
_NARROWEST, _WIDEST = 10, 40
_LONGEST_TITLE = 31
"""Of a worksheet; Excel refuses more."""


def csv_text(sheet: Sheet) -> str:
    """The sheet as CSV, totals at the bottom."""
    file = StringIO(newline="")
    writer = csv.writer(file)
    writer.writerow(sheet.header)
    writer.writerows(map(_plain_text, row) for row in (*sheet.rows, *sheet.totals))
    return file.getvalue()


_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def _plain_text(value: Any) -> Any:
    """Text that starts like a formula gets an apostrophe in front, as a spreadsheet's own user would write it.

    Numbers stay numbers: only text can carry a formula.
    """
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA_STARTS) else value


def xlsx_bytes(*sheets: Sheet) -> bytes:
    """The sheets as one workbook, totals at the bottom in bold. Amounts are numbers, to the cent."""
    from openpyxl import Workbook  # with numpy, which it loads, it takes as long as all else that a report loads

    workbook = Workbook(write_only=True)  # rows go out as they come: memory does not grow with the report
    for sheet in sheets:
        _add_worksheet(workbook, sheet)
    file = BytesIO()
    workbook.save(file)
    return file.getvalue()


def _add_worksheet(workbook: "Workbook", sheet: Sheet) -> None:
    from openpyxl.utils import get_column_letter

    worksheet = workbook.create_sheet(sheet.title[:_LONGEST_TITLE])
    worksheet.freeze_panes = "A2"
    for number, width in enumerate(_widths(sheet), start=1):
        worksheet.column_dimensions[get_column_letter(number)].width = width
    worksheet.append([_cell(worksheet, name, bold=True) for name in sheet.header])
    for row in sheet.rows:
        worksheet.append([_cell(worksheet, value) for value in row])
    for row in sheet.totals:
        worksheet.append([_cell(worksheet, value, bold=True) for value in row])


def _cell(worksheet: "WriteOnlyWorksheet", value: Any, *, bold: bool = False) -> Any:
    from openpyxl.cell import WriteOnlyCell
    from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
    from openpyxl.styles import Font

    shown = _plain_text(value)
    if isinstance(shown, str):
        shown = ILLEGAL_CHARACTERS_RE.sub("", shown)
    cell = WriteOnlyCell(worksheet, shown)
    if isinstance(value, Decimal):
        cell.number_format = _MONEY_FORMAT
    elif isinstance(value, date):
        cell.number_format = _DATE_FORMAT
    if bold:
        cell.font = Font(bold=True)
    return cell


def _widths(sheet: Sheet) -> list[int]:
    """Wide enough for what is in a column, within reason."""
    widths = [len(name) for name in sheet.header]
    for row in (*sheet.rows, *sheet.totals):
        widths = [max(width, len(_shown(value))) for width, value in zip(widths, row, strict=True)]
    return [min(max(width + 2, _NARROWEST), _WIDEST) for width in widths]


def _shown(value: Any) -> str:
    return f"{value:,.2f}" if isinstance(value, Decimal) else str(value or "")


_WORKED_OUT: dict[type, tuple[str, ...]] = {
    RollForwardLine: ("difference",),
    RollForward: ("ties_out",),
    MonthlyAccruals: ("totals",),
    WaterfallRow: ("not_scheduled",),
    Waterfall: ("months", "totals"),
    Worklist: ("totals",),
    Journal: ("totals", "balanced"),
    Explanation: ("posted", "changed_since"),
}
"""Properties that belong in the answer."""


def as_json(value: Any) -> Any:
    """Plain JSON of a report or any part of it."""
    if isinstance(value, RollForwardChain):
        summary = [value.summary(currency) for currency in value.currencies]
        return _plain({"window": value.window, "months": value.months, "summary": summary, "ties_out": value.ties_out})
    return _plain(value)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key.isoformat() if isinstance(key, date) else str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, MonthWindow):
        return {"start_date": value.start.isoformat(), "end_date": value.end.isoformat()}
    if is_dataclass(value) and not isinstance(value, type):
        names = [field.name for field in fields(value)]
        return {name: _plain(getattr(value, name)) for name in (*names, *_WORKED_OUT.get(type(value), ()))}
    if isinstance(value, Account):
        return value._asdict()
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, Decimal):
        return str(value)
    return value.isoformat() if isinstance(value, date) else value
