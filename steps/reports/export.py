"""Reports as CSV, XLSX and JSON. No text of the ledger becomes a formula: one that looks so is made plain first."""

import csv
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import StrEnum
from io import BytesIO, StringIO
from typing import TYPE_CHECKING, Any

from steps.ledger.money import ZERO
from steps.ledger.months import MonthWindow
from steps.reports.basis import Basis
from steps.reports.explain import Explanation
from steps.reports.groups import GroupedRollForward
from steps.reports.journal import Account, Journal
from steps.reports.monthly import Amounts, ContractName, MonthlyAccruals
from steps.reports.reconciliation import Reconciliation
from steps.reports.roll_forward import MOVED, RollForward, RollForwardChain, RollForwardLine
from steps.reports.waterfall import Waterfall, WaterfallRow, WaterfallTotal
from steps.reports.worklist import Worklist
from tracking.audit import AuditEvent
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
    formulas: Mapping[str, str] = field(default_factory=dict)
    """Column -> what it is worked out from in a workbook, in each row and total, such as `{opening}+{invoiced}`."""
    fixed: tuple[str, ...] = ()
    """Columns whose totals are not the sum of their rows."""
    notes: tuple[str, ...] = ()
    """What the report says of itself (`Basis.lines`)."""


_LINE = (*MOVED, "difference")
_DIFFERENCE = {"difference": "{opening}+{brought_forward}+{late}+{invoiced}-{credited}-{accrued}-{adjusted}-{closing}"}
WITHOUT_CONTRACT = "without contract (in no total)"


def roll_forward_sheet(report: RollForwardChain) -> Sheet:
    """A row per currency and month, a total per currency."""
    rows = (
        (month.month, "closed" if month.closed else "open", *_line(month.line(currency)))
        for currency in report.currencies
        for month in report.months
    )
    totals = ((str(report.window), "total", *_line(report.summary(currency))) for currency in report.currencies)
    return Sheet(
        f"Roll-forward {report.window}",
        ("month", "state", "currency", *_LINE, WITHOUT_CONTRACT),
        tuple(rows),
        tuple(totals),
        _DIFFERENCE,
        () if len(report.months) == 1 else ("opening", "closing"),
    )


def _line(line: RollForwardLine) -> tuple[Any, ...]:
    return (line.currency, *(getattr(line, name) for name in (*_LINE, "unlinked")))


def grouped_sheet(report: GroupedRollForward) -> Sheet:
    """A row per currency and group, a total per currency."""
    rows = ((each.group, *_line(each.line)[:-1]) for each in report.lines)
    totals = (("Total", *_line(line)[:-1]) for line in report.totals)
    header = (report.by.value, "currency", *_LINE)
    return Sheet(f"By {report.by} {report.window}", header, tuple(rows), tuple(totals), _DIFFERENCE)


def monthly_sheet(report: MonthlyAccruals) -> Sheet:
    """A row per contract and period, a column per month, a total per currency."""
    months = _names(report.months)
    rows = (
        (*_contract(row.contract), row.period, row.contract.currency, *_by_month(row.amounts, report.months), row.total)
        for row in report.rows
    )
    totals = (
        ("Total", "", None, "", "", currency, *_by_month(amounts, report.months), sum(amounts.values(), ZERO))
        for currency, amounts in report.totals.items()
    )
    header = ("client", "email", "contract", "service", "period", "currency", *months, "total")
    formula = {"total": f"SUM({{{months[0]}}}:{{{months[-1]}}})"}
    return Sheet(f"Accruals {report.window}", header, tuple(rows), tuple(totals), formula)


def waterfall_sheet(report: Waterfall) -> Sheet:
    """A row per contract, a column per month to come, a total per currency."""
    header = ("client", "email", "contract", "service", "currency", "deferred", *_names(report.months), "not scheduled")

    def amounts(row: WaterfallRow | WaterfallTotal) -> tuple[Any, ...]:
        return (row.currency, row.deferred, *_by_month(row.expected, report.months), row.not_scheduled)

    rows = (
        (*_contract(row.contract), *amounts(row), *((row.waiting.reason.value,) if row.waiting else ("",)))
        for row in report.rows
    )
    totals = (("Total", "", None, "", *amounts(total), "") for total in report.totals)
    return Sheet(f"Waterfall after {report.month:%Y-%m}", (*header, "reason"), tuple(rows), tuple(totals))


def not_scheduled_sheet(report: Waterfall) -> Sheet:
    """A row per contract with an amount that has no month: why, since when and for how many days."""
    header = ("client", "email", "contract", "service", "currency", "not scheduled", "reason", "since", "days")
    rows = (
        (*_contract(row.contract), row.currency, row.not_scheduled, row.waiting.reason.value, row.waiting.since, age)
        for row, age in report.waiting
        if row.waiting
    )
    totals = (("Total", "", None, "", total.currency, total.not_scheduled, "", None, None) for total in report.totals)
    return Sheet(f"Not scheduled after {report.month:%Y-%m}", header, tuple(rows), tuple(totals))


def journal_sheet(journals: Iterable[Journal]) -> Sheet:
    """A row per line; debit and credit of each month and currency at the bottom."""
    reports = tuple(journals)
    rows = (
        (line.day, line.entry, line.kind.value, *line.account, line.text, line.currency, line.debit, line.credit)
        for report in reports
        for line in report.lines
    )
    totals = (
        (f"Total {report.month:%Y-%m}", None, "", "", "", "", currency, debit, credit)
        for report in reports
        for currency, (debit, credit) in report.totals.items()
    )
    header = ("date", "entry", "kind", "account", "account name", "text", "currency", "debit", "credit")
    fixed = () if len(reports) == 1 else ("debit", "credit")
    return Sheet("Journal", header, tuple(rows), tuple(totals), fixed=fixed)


def reconciliation_sheet(report: Reconciliation) -> Sheet:
    """A row per document and difference."""
    rows = (
        (each.kind.value, each.document, each.number, each.external_id, each.day, each.currency,
         *map(_amount_or_text, (each.here, each.there)), each.amount, each.why)
        for each in report.differences
    )  # fmt: skip
    totals = (
        ("Total", f"{total.documents_here} here, {total.documents_there} there", None, "", None, total.currency,
         total.here, total.there, total.there - total.here, "")
        for total in report.totals
    )  # fmt: skip
    header = ("difference", "document", "number", "id", "date", "currency", "here", "there", "amount", "why")
    return Sheet(
        f"Reconciliation {report.month:%Y-%m}", header, tuple(rows), tuple(totals), fixed=("here", "there", "amount")
    )


def _amount_or_text(value: str) -> Decimal | str:
    return Decimal(value) if re.fullmatch(r"-?\d+\.\d\d", value) else value


_ERROR = (
    "id", "integration_name", "operation", "entity_type", "entity_external_id", "error_message", "status",
    "sync_execution_id", "created_at", "updated_at", "occurrences", "first_seen_at", "last_seen_at",
)  # fmt: skip


OPEN_ERROR = (
    "id", "operation", "entity_type", "entity_external_id", "error_message", "occurrences",
    "first_seen_at", "last_seen_at",
)  # fmt: skip


def errors_sheet(errors: Iterable[IntegrationError], columns: tuple[str, ...] = _ERROR) -> Sheet:
    """A row per integration error, in the order given; times are UTC."""
    return Sheet("Errors", columns, tuple(tuple(getattr(error, name) for name in columns) for error in errors))


_ACT = ("id", "at", "door", "who", "role", "address", "action", "asked", "outcome")


def audit_sheet(events: Iterable[AuditEvent]) -> Sheet:
    """A row per act, in the order given; times are UTC."""
    return Sheet("Audit", _ACT, tuple(tuple(getattr(event, name) for name in _ACT) for event in events))


def _contract(name: ContractName) -> tuple[Any, ...]:
    return name.client, name.email, name.id, name.service


def _names(months: Iterable[date]) -> tuple[str, ...]:
    return tuple(f"{month:%Y-%m}" for month in months)


def _by_month(amounts: Amounts, months: Iterable[date]) -> Iterator[Decimal]:
    return (amounts.get(month, ZERO) for month in months)


XLSX_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_MONEY_FORMAT = "#,##0.00"
_FORMATS: tuple[tuple[type, str], ...] = (
    (Decimal, _MONEY_FORMAT),
    (datetime, "yyyy-mm-dd hh:mm"),
    (date, "yyyy-mm-dd"),
)
_MONTH, _MONTH_FORMAT = "month", "yyyy-mm"
"""A column of first days of months."""
_NARROWEST, _WIDEST = 10, 60
_LONGEST_TITLE = 31
"""Of a worksheet; Excel refuses more."""
_A4, _LINE_HEIGHT = 9, 15


class CsvFormat(StrEnum):
    """How numbers and columns of a CSV are written."""

    CSV = "csv"
    SPANISH = "csv-es"


def csv_text(sheet: Sheet, *, spanish: bool = False) -> str:
    """The sheet as CSV, totals at the bottom.

    What the report says of itself stands in the header after the columns, so that the rows stay a table for programs.
    `spanish` is for a Spanish Excel: semicolons, decimal commas, a byte order mark, and the notes below the totals.
    """
    file = StringIO(newline="")
    writer = csv.writer(file, delimiter=";" if spanish else ",")
    writer.writerow(sheet.header if spanish else (*sheet.header, *sheet.notes))
    for row in (*sheet.rows, *sheet.totals):
        writer.writerow([_csv_value(*each, spanish=spanish) for each in zip(sheet.header, row, strict=True)])
    if spanish:
        writer.writerows((note,) for note in sheet.notes)
    return f"{_BYTE_ORDER_MARK if spanish else ''}{file.getvalue()}"


_BYTE_ORDER_MARK = "\ufeff"


def _csv_value(column: str, value: Any, *, spanish: bool) -> Any:
    if isinstance(value, Decimal) and spanish:
        return str(value).replace(".", ",")
    if isinstance(value, date) and column == _MONTH:
        return f"{value:%Y-%m}"
    return _plain_text(value)


_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def _plain_text(value: Any) -> Any:
    """Text that starts like a formula gets an apostrophe in front, as a spreadsheet's own user would write it.

    Numbers stay numbers: only text can carry a formula.
    """
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA_STARTS) else value


def xlsx_bytes(*sheets: Sheet) -> bytes:
    """The sheets as one workbook: totals at the bottom in bold, amounts and dates as such."""

    def fill(workbook: "Workbook") -> None:
        for sheet in sheets:
            add_worksheet(workbook, sheet, with_formulas=False)

    return workbook_bytes(fill)


def workbook_bytes(fill: Callable[["Workbook"], None]) -> bytes:
    """A workbook to which `fill` adds worksheets; rows go out as they come: memory does not grow with a report."""
    from openpyxl import Workbook  # with numpy, which it loads, it takes as long as all else that a report loads

    workbook = Workbook(write_only=True)
    workbook.calculation.fullCalcOnLoad = True
    fill(workbook)
    file = BytesIO()
    workbook.save(file)
    return file.getvalue()


@dataclass(frozen=True, slots=True)
class Formula:
    """A cell that a workbook works out by itself."""

    text: str
    number_format: str = _MONEY_FORMAT


def add_worksheet(workbook: "Workbook", sheet: Sheet, *, with_formulas: bool) -> None:
    """One worksheet: a frozen head, a filter, totals and notes below, ready to be printed.

    Programs that read a file find no value in a formula, before a spreadsheet has worked it out.
    """
    worksheet = workbook.create_sheet(sheet_name(sheet))
    lay_out(worksheet, _widths(sheet), sheet.title, sheet.notes)
    worksheet.freeze_panes = "A2"
    worksheet.print_title_rows = "1:1"
    last = column_letter(len(sheet.header) - 1)
    worksheet.auto_filter.ref = f"A1:{last}{len(sheet.rows) + 1}"
    worksheet.append(
        [styled_cell(worksheet, name, name, style=HEAD | _alignment(sheet, name)) for name in sheet.header]
    )
    for number, row in enumerate(sheet.rows, start=2):
        if (lines := -(-max(map(len, map(_shown, row)), default=0) // _WIDEST)) > 1:
            worksheet.row_dimensions[number].height = lines * _LINE_HEIGHT
        filled = _with_formulas(sheet, row, number) if with_formulas else row
        worksheet.append([styled_cell(worksheet, *each) for each in zip(sheet.header, filled, strict=True)])
    for number, row in enumerate(sheet.totals, start=len(sheet.rows) + 2):
        filled = _with_formulas(sheet, _with_sums(sheet, row, number), number) if with_formulas else row
        worksheet.append(
            [styled_cell(worksheet, *each, style=TOTAL) for each in zip(sheet.header, filled, strict=True)]
        )
    for note in ("", *sheet.notes) if sheet.notes else ():
        worksheet.append([styled_cell(worksheet, "", note, style=_NOTE)])


def sheet_name(sheet: Sheet) -> str:
    """What its tab is called."""
    return sheet.title[:_LONGEST_TITLE]


def lay_out(worksheet: Any, widths: Iterable[int], title: str, notes: Sequence[str]) -> None:
    """Column widths; on paper landscape, as wide as the page, with title, notes and page numbers on each."""
    for number, width in enumerate(widths):
        worksheet.column_dimensions[column_letter(number)].width = width
    worksheet.page_setup.orientation = "landscape"
    worksheet.page_setup.paperSize = _A4
    worksheet.page_setup.fitToWidth, worksheet.page_setup.fitToHeight = 1, 0
    worksheet.sheet_properties.pageSetUpPr.fitToPage = True
    worksheet.oddHeader.left.text = title.replace("&", "&&")
    worksheet.oddFooter.left.text = " / ".join(notes[:2]).replace("&", "&&")
    worksheet.oddFooter.right.text = "&P / &N"


def column_letter(index: int) -> str:
    """`A` is 0."""
    from openpyxl.utils import get_column_letter

    return get_column_letter(index + 1)


def total_cell(sheet: Sheet, currency: str, column: str) -> str | None:
    """Where the total of a currency stands, as a formula of another worksheet names it; None: it has none."""
    place = sheet.header.index("currency")
    rows = (number for number, row in enumerate(sheet.totals, start=len(sheet.rows) + 2) if row[place] == currency)
    row = next(rows, None)
    return None if row is None else f"'{sheet_name(sheet)}'!{column_letter(sheet.header.index(column))}{row}"


def column_range(sheet: Sheet, column: str) -> str:
    """The cells of a column, without head and totals."""
    letter = column_letter(sheet.header.index(column))
    return f"'{sheet_name(sheet)}'!${letter}$2:${letter}${max(len(sheet.rows), 1) + 1}"


def _with_formulas(sheet: Sheet, row: Sequence[Any], number: int) -> list[Any]:
    """A row with the columns that are worked out from others of it."""
    cells = {name: f"{column_letter(index)}{number}" for index, name in enumerate(sheet.header)}
    made = {name: Formula(f"={text.format_map(cells)}") for name, text in sheet.formulas.items()}
    return [made.get(name, value) for name, value in zip(sheet.header, row, strict=True)]


def _with_sums(sheet: Sheet, row: Sequence[Any], number: int) -> list[Any]:
    """A row of totals, each the sum of its column over the rows of its currency."""
    if "currency" not in sheet.header or not sheet.rows:
        return list(row)
    last, currency = len(sheet.rows) + 1, column_letter(sheet.header.index("currency"))

    def total(index: int, value: Any) -> Any:
        if not isinstance(value, Decimal) or sheet.header[index] in sheet.fixed:
            return value
        letter = column_letter(index)
        return Formula(f"=SUMIF(${currency}$2:${currency}${last},${currency}{number},{letter}$2:{letter}${last})")

    return [total(*each) for each in enumerate(row)]


HEAD: dict[str, Any] = {"bold": True, "fill": "DDE6F0"}
TOTAL: dict[str, Any] = {"bold": True, "top": "thin"}
TITLE: dict[str, Any] = {"bold": True, "size": 16}
_NOTE: dict[str, Any] = {"italic": True}


def _alignment(sheet: Sheet, column: str) -> dict[str, Any]:
    """The head of amounts stands above them, at the right; any other at the left."""
    index = sheet.header.index(column)
    amounts = any(isinstance(row[index], Decimal) for row in (*sheet.rows[:1], *sheet.totals[:1]))
    return {"align": "right"} if amounts else {}


def styled_cell(
    worksheet: "WriteOnlyWorksheet", column: str, value: Any, style: Mapping[str, Any] | None = None
) -> Any:
    """A cell with its value's number format; dates and whole numbers at the left, for they are no amounts."""
    from openpyxl.cell import WriteOnlyCell
    from openpyxl.styles import Alignment, Border, Font, PatternFill, Side

    cell, look = WriteOnlyCell(worksheet, _cell_value(value)), style or {}
    if number_format := _number_format(column, value):
        cell.number_format = number_format
    cell.font = Font("Calibri", look.get("size", 11), bold=look.get("bold", False), italic=look.get("italic", False))
    align = look.get("align", "left" if isinstance(value, date | int | str) else "right")
    wraps = bool(column) and len(str(value)) > _WIDEST
    cell.alignment = Alignment(align, "top", indent=1 if align == "left" else 0, wrap_text=wraps)
    if "fill" in look:
        cell.fill = PatternFill("solid", start_color=look["fill"])
    if "top" in look:
        cell.border = Border(top=Side(look["top"]))
    return cell


def _cell_value(value: Any) -> Any:
    from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

    if isinstance(value, Formula):
        return value.text
    if isinstance(value, datetime) and value.tzinfo:
        return value.astimezone(UTC).replace(tzinfo=None)  # a spreadsheet knows no zones
    shown = _plain_text(value)
    return ILLEGAL_CHARACTERS_RE.sub("", shown) if isinstance(shown, str) else shown


def _number_format(column: str, value: Any) -> str | None:
    if isinstance(value, Formula):
        return value.number_format
    if column == _MONTH and isinstance(value, date):
        return _MONTH_FORMAT
    return next((number_format for kind, number_format in _FORMATS if isinstance(value, kind)), None)


def _widths(sheet: Sheet) -> list[int]:
    """Wide enough for what is in a column, within reason."""
    widths = [len(name) for name in sheet.header]
    for row in (*sheet.rows, *sheet.totals):
        widths = [max(width, len(_shown(value))) for width, value in zip(widths, row, strict=True)]
    return [min(max(width + 3, _NARROWEST), _WIDEST) for width in widths]


def _shown(value: Any) -> str:
    if isinstance(value, Decimal):
        return f"{value:,.2f}"
    return f"{value:%F %H:%M}" if isinstance(value, datetime) else str(value or "")


_WORKED_OUT: dict[type, tuple[str, ...]] = {
    RollForwardLine: ("difference",),
    RollForward: ("ties_out",),
    MonthlyAccruals: ("totals",),
    WaterfallRow: ("not_scheduled",),
    GroupedRollForward: ("ties_out",),
    Waterfall: ("months", "totals"),
    Worklist: ("totals",),
    Journal: ("totals", "balanced"),
    Reconciliation: ("agrees",),
    Explanation: ("posted", "changed_since", "formula"),
}
"""Properties that belong in the answer."""


def as_json(value: Any, basis: Basis | None = None) -> Any:
    """Plain JSON of a report or any part of it; with a basis that is in it, or in each of several."""
    plain = _plain(value)
    if basis is not None:
        for report in plain if isinstance(plain, list) else [plain]:
            report["basis"] = _plain(basis)
    return plain


def _plain(value: Any) -> Any:
    if isinstance(value, RollForwardChain):
        summary = [value.summary(currency) for currency in value.currencies]
        shown = {"window": value.window, "months": value.months, "summary": summary, "ties_out": value.ties_out}
        return _plain(shown | {"tie_out": value.tie_out})
    if isinstance(value, Mapping):
        return {key.isoformat() if isinstance(key, date) else str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, MonthWindow):
        return {"start_date": value.start.isoformat(), "end_date": value.end.isoformat()}
    if is_dataclass(value) and not isinstance(value, type):
        names = [each.name for each in fields(value)]
        return {name: _plain(getattr(value, name)) for name in (*names, *_WORKED_OUT.get(type(value), ()))}
    if isinstance(value, Account):
        return value._asdict()
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, Decimal):
        return str(value)
    return value.isoformat() if isinstance(value, date) else value
