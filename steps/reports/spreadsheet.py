"""A sheet of rows, as CSV and in a workbook. No text becomes a formula: one that looks so is made plain first.

Knows no report, which `export.py` makes sheets of: a command that lists errors need not load them all.
"""

import csv
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import StrEnum
from io import BytesIO, StringIO
from typing import TYPE_CHECKING, Any

from steps.ledger.money import ZERO
from tracking.audit import AuditEvent
from tracking.models import IntegrationError

if TYPE_CHECKING:
    from xlsxwriter.format import Format
    from xlsxwriter.worksheet import Worksheet


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
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f]")
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
    book = Book()
    for sheet in sheets:
        book.add_sheet(sheet, with_formulas=False)
    return book.done()


@dataclass(frozen=True, slots=True)
class Formula:
    """A cell that a workbook works out by itself, and what it comes to: a program that only reads shows that."""

    text: str
    """Without `=`; a term of a sum, or a sum."""
    value: Decimal | str

    def __add__(self, term: "Formula") -> "Formula":
        return Formula(f"{self.text}+{term.text}", _amount(self) + _amount(term))

    def __sub__(self, term: "Formula") -> "Formula":
        return Formula(f"{self.text}-{term.text}", _amount(self) - _amount(term))


def _amount(formula: Formula) -> Decimal:
    return Decimal(formula.value)


HEAD: dict[str, Any] = {"bold": True, "bg_color": "#DDE6F0"}
TOTAL: dict[str, Any] = {"bold": True, "top": 1}
TITLE: dict[str, Any] = {"bold": True, "font_size": 16}
_NOTE: dict[str, Any] = {"italic": True}


class Book:
    """A workbook in the making; rows go out as they come: memory does not grow with a report."""

    def __init__(self) -> None:
        from xlsxwriter import Workbook

        self._file = BytesIO()
        self._workbook = Workbook(self._file, {"constant_memory": True})
        self._formats: dict[tuple[tuple[str, Any], ...], Format] = {}

    def done(self) -> bytes:
        """The file."""
        self._workbook.close()
        return self._file.getvalue()

    def add_sheet(self, sheet: Sheet, *, with_formulas: bool) -> None:
        """One worksheet: a frozen head, a filter, totals and notes below, ready to be printed."""
        worksheet = self.add_worksheet(sheet_name(sheet), _widths(sheet), sheet.title, sheet.notes)
        worksheet.freeze_panes(1, 0)
        worksheet.repeat_rows(0)
        worksheet.autofilter(0, 0, len(sheet.rows), len(sheet.header) - 1)
        for index, name in enumerate(sheet.header):
            self.write(worksheet, (0, index), name, HEAD | _alignment(sheet, name))
        rows: list[tuple[tuple[Any, ...], dict[str, Any]]] = [(row, {}) for row in sheet.rows]
        rows += [(row, TOTAL) for row in sheet.totals]
        for number, (row, style) in enumerate(rows, start=1):
            if (lines := -(-max(map(len, map(_shown, row)), default=0) // _WIDEST)) > 1:
                worksheet.set_row(number, lines * _LINE_HEIGHT)
            filled: Sequence[Any] = row
            if with_formulas:
                filled = _with_formulas(sheet, _with_sums(sheet, row, number + 1) if style else row, number + 1)
            for index, (name, value) in enumerate(zip(sheet.header, filled, strict=True)):
                month = {"num_format": _MONTH_FORMAT} if name == _MONTH and isinstance(value, date) else {}
                wraps = {"text_wrap": True} if len(str(value)) > _WIDEST and not isinstance(value, Formula) else {}
                self.write(worksheet, (number, index), value, style | month | wraps)
        for number, note in enumerate(sheet.notes, start=len(rows) + 2):
            self.write_row(worksheet, number, (note,), _NOTE)

    def add_worksheet(self, name: str, widths: Iterable[int], title: str, notes: Sequence[str]) -> "Worksheet":
        """An empty one: column widths; on paper landscape, as wide as the page, with title, notes and page numbers."""
        worksheet = self._workbook.add_worksheet(name)
        for number, width in enumerate(widths):
            worksheet.set_column(number, number, width)
        worksheet.set_landscape()
        worksheet.set_paper(_A4)
        worksheet.fit_to_pages(1, 0)
        worksheet.set_header(f"&L{title.replace('&', '&&')}")
        worksheet.set_footer(f"&L{' / '.join(notes[:2]).replace('&', '&&')}&R&P / &N")
        return worksheet

    def write_row(self, worksheet: "Worksheet", row: int, values: Iterable[Any], style: Mapping[str, Any]) -> None:
        """Cells that look alike, from the left; `row` counts from 0."""
        for index, value in enumerate(values):
            self.write(worksheet, (row, index), value, style)

    def write(self, worksheet: "Worksheet", place: tuple[int, int], value: Any, style: Mapping[str, Any]) -> None:
        """A cell with its value's number format; dates and whole numbers at the left, for they are no amounts.

        `style` is in the words of XlsxWriter's formats, and wins.
        """
        kind = type(value.value if isinstance(value, Formula) else value)
        align = style.get("align", "left" if issubclass(kind, date | int | str) else "right")
        number_format = next((text for each, text in _FORMATS if issubclass(kind, each)), "General")
        look = {"num_format": number_format, "align": align, "valign": "top", "indent": int(align == "left"), **style}
        key = tuple(look.items())
        made = self._formats.get(key) or self._formats.setdefault(key, self._workbook.add_format(look))
        if isinstance(value, Formula):
            worksheet.write_formula(*place, f"={value.text}", made, value.value)
        elif value and isinstance(value, str):
            worksheet.write_string(*place, _CONTROLS.sub("", _plain_text(value)), made)
        elif isinstance(value, datetime) and value.tzinfo:
            in_utc = value.astimezone(UTC).replace(tzinfo=None)  # a spreadsheet knows no zones
            worksheet.write_datetime(*place, in_utc, made)
        else:
            worksheet.write(*place, value, made)


def sheet_name(sheet: Sheet) -> str:
    """What its tab is called."""
    return sheet.title[:_LONGEST_TITLE]


def column_letter(index: int) -> str:
    """`A` is 0."""
    from xlsxwriter.utility import xl_col_to_name

    return xl_col_to_name(index)


def total_cell(sheet: Sheet, currency: str, column: str) -> Formula:
    """The total of a currency as another worksheet names it; 0 where there is none."""
    place, index = sheet.header.index("currency"), sheet.header.index(column)
    for number, row in enumerate(sheet.totals, start=len(sheet.rows) + 2):
        if row[place] == currency:
            return Formula(f"'{sheet_name(sheet)}'!{column_letter(index)}{number}", row[index])
    return Formula("0", ZERO)


def sum_where(sheet: Sheet, column: str, wanted: Mapping[str, str]) -> Formula:
    """The sum of a column over the rows that hold what is wanted, as another worksheet works it out."""

    def cells(name: str) -> str:
        letter = column_letter(sheet.header.index(name))
        return f"'{sheet_name(sheet)}'!${letter}$2:${letter}${max(len(sheet.rows), 1) + 1}"

    conditions = ",".join(f'{cells(name)},"{value}"' for name, value in wanted.items())
    fitting = (
        row for row in sheet.rows if all(row[sheet.header.index(name)] == value for name, value in wanted.items())
    )
    total = sum((row[sheet.header.index(column)] for row in fitting), ZERO)
    return Formula(f"SUMIFS({cells(column)},{conditions})", total)


def _with_formulas(sheet: Sheet, row: Sequence[Any], number: int) -> list[Any]:
    """A row with the columns that are worked out from others of it."""
    cells = {name: f"{column_letter(index)}{number}" for index, name in enumerate(sheet.header)}

    def made(name: str, value: Any) -> Any:
        text = sheet.formulas.get(name)
        return value if text is None else Formula(text.format_map(cells), value)

    return [made(*each) for each in zip(sheet.header, row, strict=True)]


def _with_sums(sheet: Sheet, row: Sequence[Any], number: int) -> list[Any]:
    """A row of totals, each the sum of its column over the rows of its currency."""
    if "currency" not in sheet.header or not sheet.rows:
        return list(row)
    last, currency = len(sheet.rows) + 1, column_letter(sheet.header.index("currency"))

    def total(index: int, value: Any) -> Any:
        if not isinstance(value, Decimal) or sheet.header[index] in {*sheet.fixed, *sheet.formulas}:
            return value
        letter = column_letter(index)
        range_ = f"{letter}$2:{letter}${last}"
        return Formula(f"SUMIF(${currency}$2:${currency}${last},${currency}{number},{range_})", value)

    return [total(*each) for each in enumerate(row)]


def _alignment(sheet: Sheet, column: str) -> dict[str, Any]:
    """The head of amounts stands above them, at the right; any other at the left."""
    index = sheet.header.index(column)
    amounts = any(isinstance(row[index], Decimal) for row in (*sheet.rows[:1], *sheet.totals[:1]))
    return {"align": "right"} if amounts else {}


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
