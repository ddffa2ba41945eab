"""Rows for spreadsheets: a cell that a spreadsheet would take for a formula is made plain text first."""

import csv
from collections.abc import Iterable, Sequence
from typing import TextIO

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def neutralised(cell: object) -> object:
    """Text that starts like a formula gets an apostrophe in front, as a spreadsheet's own user would write it.

    Numbers stay numbers: only text can carry a formula.
    """
    if isinstance(cell, str) and cell.startswith(_FORMULA_STARTS):
        return f"'{cell}"
    return cell


def write_csv(file: TextIO, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A header and rows as CSV, each cell neutralised."""
    writer = csv.writer(file)
    writer.writerow(header)
    writer.writerows([neutralised(cell) for cell in row] for row in rows)
