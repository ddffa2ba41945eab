"""`sync-actions report`: what the accruals come to, in the terminal, as a file or as JSON."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console, RenderableType
from sqlmodel import Session

from flows.cli import report_tables as tables
from flows.cli.months import parse_window
from steps.accruals.reports import sheet as sheets
from steps.accruals.reports.as_json import as_json as plain_json
from steps.accruals.reports.journal import Journal, journal
from steps.accruals.reports.monthly import monthly_accruals
from steps.accruals.reports.roll_forward import RollForwardChain, roll_forwards
from steps.accruals.reports.sheet import Sheet
from steps.accruals.reports.waterfall import waterfall
from steps.domain.months import MonthWindow, next_month
from steps.errors import UsageError
from steps.settings import SyncSettings
from tracking.database import read_session


class ReportKind(StrEnum):
    """The reports there are."""

    ACCRUALS = "accruals"
    ROLL_FORWARD = "roll-forward"
    WATERFALL = "waterfall"
    JOURNAL = "journal"
    CHART = "chart"


@dataclass(frozen=True)
class _Kind:
    """How a report is made, and the two forms that a terminal or a spreadsheet shows."""

    read: Callable[[Session, MonthWindow, SyncSettings], Any]
    tables: Callable[[Any], Iterable[RenderableType]]
    sheet: Callable[[Any], Sheet]


def _journals(session: Session, window: MonthWindow, _: SyncSettings) -> tuple[Journal, ...]:
    return tuple(journal(session, month.start) for month in window.months())


_ROLL_FORWARD = _Kind(roll_forwards, tables.roll_forward_tables, sheets.roll_forward_sheet)
_KINDS = {
    ReportKind.ROLL_FORWARD: _ROLL_FORWARD,
    ReportKind.CHART: _ROLL_FORWARD,
    ReportKind.ACCRUALS: _Kind(
        lambda session, window, _: monthly_accruals(session, window), tables.monthly_tables, sheets.monthly_sheet
    ),
    ReportKind.WATERFALL: _Kind(
        lambda session, window, settings: waterfall(session, next_month(window.end, -1), settings),
        tables.waterfall_tables,
        sheets.waterfall_sheet,
    ),
    ReportKind.JOURNAL: _Kind(_journals, tables.journal_tables, sheets.journal_sheet),
}
_SHEET_ENDINGS, _PICTURE_ENDINGS = (".csv", ".xlsx"), (".png", ".svg")


def show_report(
    kind: Annotated[
        str, typer.Argument(metavar="[KIND]", help=f"One of {', '.join(ReportKind)}.")
    ] = ReportKind.ROLL_FORWARD,
    month: Annotated[str | None, typer.Option(metavar="YYYY-MM", help="One month.")] = None,
    year: Annotated[str | None, typer.Option(metavar="YYYY", help="Whole year; without any, the default year.")] = None,
    start_date: Annotated[str | None, typer.Option(metavar="YYYY-MM-01", help="First month, included.")] = None,
    end_date: Annotated[str | None, typer.Option(metavar="YYYY-MM-01", help="Month to stop before, excluded.")] = None,
    output: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write to this file; .csv or .xlsx, or of a chart .png or .svg."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON value on standard output.")] = False,
) -> None:
    """Show what was invoiced, accrued and is still deferred; the waterfall is that of the last month."""
    wanted = _parse_kind(kind)
    settings: SyncSettings = SyncSettings.load()
    window = parse_window(month, year, start_date, end_date, settings)
    ending = _ending(wanted, output, as_json=as_json)
    form = _KINDS[wanted]
    with read_session() as session:
        report = form.read(session, window, settings)
    if output is not None and ending in _PICTURE_ENDINGS:
        _write_charts(output, ending, report)
    elif output is not None:
        _write_sheet(output, ending, form.sheet(report))
    elif as_json:
        print(json.dumps(plain_json(report), indent=2))  # noqa: T201 - the one thing on standard output
    else:
        console = Console(highlight=False)
        for part in form.tables(report):
            console.print(part)


def _parse_kind(text: str) -> ReportKind:
    try:
        return ReportKind(text)
    except ValueError:
        raise UsageError(f"report {text!r} is not known: one of {', '.join(ReportKind)} is expected") from None


def _ending(kind: ReportKind, output: Path | None, *, as_json: bool) -> str:
    allowed = _PICTURE_ENDINGS if kind is ReportKind.CHART else _SHEET_ENDINGS
    if output is not None and as_json:
        raise UsageError("--output and --json exclude each other: give one of them")
    if output is None:
        if kind is ReportKind.CHART and not as_json:
            raise UsageError("a chart needs a file: --output FILE.png or FILE.svg")
        return ""
    if output.suffix.lower() not in allowed:
        raise UsageError(f"{output} has no ending that fits {kind}: {' or '.join(allowed)} is expected")
    return output.suffix.lower()


def _write_sheet(output: Path, ending: str, sheet: Sheet) -> None:
    from steps.accruals.reports.spreadsheet import csv_text, xlsx_bytes

    _write(output, xlsx_bytes(sheet) if ending == ".xlsx" else csv_text(sheet).encode())


def _write_charts(output: Path, ending: str, report: RollForwardChain) -> None:
    """A file per currency; with one currency alone, the very file that was asked for."""
    from steps.accruals.reports.chart import draw_roll_forward  # plotting takes a second to import

    drawn = [currency for currency in report.currencies if report.moves(currency)]
    if not drawn:
        raise UsageError(f"there is nothing to draw: {tables.NOTHING}")
    alone = len(drawn) == 1
    for currency in drawn:
        path = output if alone else output.with_stem(f"{output.stem}-{currency}")
        _write(path, draw_roll_forward(report, currency, ending.removeprefix(".")))


def _write(path: Path, content: bytes) -> None:
    try:
        path.write_bytes(content)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from None
    Console(highlight=False, soft_wrap=True).print(f"written: {path}", markup=False)
