"""Works out the few formulas that a workbook of ours has, in exact decimals."""

import re
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from openpyxl import Workbook

_REFERENCE = r"(?:'([^']+)'!)?\$?([A-Z]+)\$?(\d+)"
_RANGE = re.compile(f"{_REFERENCE}:\\$?([A-Z]+)\\$?(\\d+)")
_CELL = re.compile(_REFERENCE)
_CALL = re.compile(r"(SUMIFS|SUMIF|SUM|ROUND)\(([^()]*)\)")
_IF = re.compile(r'IF\(([A-Z]+\d+)=0,"([^"]*)","([^"]*)"\)')


class Calculator:
    """Of one workbook."""

    def __init__(self, book: Workbook) -> None:
        self._book = book

    def value(self, sheet: str, place: str) -> Any:
        """What a cell comes to: a number in cents, or what it holds."""
        held = self._book[sheet][place].value
        if isinstance(held, int | float) and not isinstance(held, bool):
            return Decimal(str(held)).quantize(Decimal("0.01"))
        if not (isinstance(held, str) and held.startswith("=")):
            return held
        text = held[1:]
        if choice := _IF.fullmatch(text):
            return choice[2] if self.value(sheet, choice[1]) == 0 else choice[3]
        while call := _CALL.search(text):
            text = text.replace(call[0], str(self._call(sheet, call[1], call[2])))
        return self._sum(sheet, text)

    def _sum(self, sheet: str, text: str) -> Decimal:
        """Cells and numbers with plus and minus between them."""
        numbers = _CELL.sub(lambda found: str(self.value(found[1] or sheet, found[2] + found[3])), text)
        parts = re.findall(r"([+-]*)(\d+(?:\.\d+)?)", numbers.replace("--", "+").replace("+-", "-"))
        assert "".join(sign + digits for sign, digits in parts) == numbers.replace("--", "+").replace("+-", "-"), (
            numbers
        )
        return sum((-Decimal(digits) if sign == "-" else Decimal(digits) for sign, digits in parts), Decimal("0.00"))

    def _call(self, sheet: str, name: str, arguments: str) -> Decimal:
        given = arguments.split(",")
        if name == "ROUND":
            return self._sum(sheet, given[0]).quantize(Decimal("0.01"), ROUND_HALF_UP)
        if name == "SUM":
            return sum(self._column(sheet, given[0]), Decimal("0.00"))
        if name == "SUMIF":
            wanted = self._book[sheet][given[1].replace("$", "")].value
            keys = self._column(sheet, given[0])
            return sum(
                (v for k, v in zip(keys, self._column(sheet, given[2]), strict=True) if k == wanted), Decimal("0.00")
            )
        total = self._column(sheet, given[0])
        for column, wanted in zip(given[1::2], given[2::2], strict=True):
            keys = self._column(sheet, column)
            total = [v if str(k) == wanted.strip('"') else Decimal("0.00") for k, v in zip(keys, total, strict=True)]
        return sum(total, Decimal("0.00"))

    def _column(self, sheet: str, text: str) -> list[Any]:
        """The values of a range, row by row."""
        found = _RANGE.fullmatch(text)
        assert found, text
        of, corner, other = found[1] or sheet, f"{found[2]}{found[3]}", f"{found[4]}{found[5]}"
        return [self.value(of, cell.coordinate) for row in self._book[of][f"{corner}:{other}"] for cell in row]
