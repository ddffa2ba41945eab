"""What the commands of the accruals' reports show: `report`, `explain`."""

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text
from sqlmodel import Session

from flows.parameters import AskedRange, resolve_range
from steps.errors import UsageError
from steps.ledger.accrual import ADJUSTMENT
from steps.ledger.money import ZERO
from steps.ledger.months import MonthWindow, next_month
from steps.reports import export as sheets
from steps.reports.explain import Calculation, ExplainedPosting, Explanation, explain
from steps.reports.export import Sheet
from steps.reports.export import as_json as plain_json
from steps.reports.journal import Journal, journal
from steps.reports.monthly import MonthlyAccruals, MonthlyRow, monthly_accruals
from steps.reports.roll_forward import RollForwardChain, RollForwardLine, draw_roll_forward, roll_forwards
from steps.reports.waterfall import Waterfall, WaterfallTotal, waterfall
from steps.settings import SyncSettings
from tracking.database import read_session

_AMOUNTS = ("opening", "brought_forward", "late", "invoiced", "credited", "accrued", "adjusted", "closing")
_SELDOM = ("brought_forward", "late", "adjusted")
"""Left out where no month has any."""
NOTHING = "Nothing was invoiced or accrued in these months."


def money(amount: Decimal) -> str:
    """Two decimals, thousands apart; nothing for zero, so that the eye finds what is there."""
    return f"{amount:,.2f}" if amount else "-"


def narrow_table(title: str, *texts: str, amounts: Iterable[str] = ()) -> Table:
    """A table whose texts wrap before an amount is cut short."""
    table = Table(title=Text(title, style="bold"), title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for name in texts:
        table.add_column(name, overflow="fold")
    for name in amounts:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def roll_forward_tables(report: RollForwardChain) -> Iterator[RenderableType]:
    """A table per currency, then what is in no total and what does not tie out."""
    shown = [currency for currency in report.currencies if report.moves(currency)]
    if not shown:
        yield NOTHING
    for currency in shown:
        yield _roll_forward_table(report, currency)
    if any(month.closed for month in report.months):
        yield "* closed: as it was stored"
    for currency in report.currencies:
        yield from _unlinked(report, currency)
    yield from _tie_out(report)


def _roll_forward_table(report: RollForwardChain, currency: str) -> Table:
    summary = report.summary(currency)
    lines = [month.line(currency) for month in report.months]
    names = [name for name in _AMOUNTS if name not in _SELDOM or any(getattr(line, name) for line in lines)]
    table = narrow_table(f"Deferred revenue, {currency}, {report.window}", "month", amounts=names)
    for month in report.months:
        label = f"{month.month:%Y-%m}{'*' if month.closed else ''}"
        table.add_row(label, *_amounts(month.line(currency), names))
    if len(report.months) > 1:
        table.add_section()
        table.add_row("all", *_amounts(summary, names), style="bold")
    return table


def _amounts(line: RollForwardLine, names: Iterable[str]) -> Iterator[str]:
    return (money(getattr(line, name)) for name in names)


def _unlinked(report: RollForwardChain, currency: str) -> Iterator[RenderableType]:
    found = [(month.month, month.line(currency).unlinked) for month in report.months]
    months = ", ".join(f"{month:%Y-%m} {money(amount)}" for month, amount in found if amount)
    if months:
        yield f"Documents without a contract, in no total, {currency}: {months}"


def _tie_out(report: RollForwardChain) -> Iterator[RenderableType]:
    for month in report.months:
        for line in month.lines:
            if line.difference:
                what = f"does not tie out, {money(line.difference)} {line.currency} is missing"
                yield Text(f"{month.month:%Y-%m} {what}", style="bold red")
    if report.ties_out:
        yield Text("Ties out to the cent.", style="green")


def monthly_tables(report: MonthlyAccruals) -> Iterator[RenderableType]:
    """Each contract and period with its first and last month; then what each month comes to."""
    if not report.rows:
        yield NOTHING
        return
    table = narrow_table(
        f"Accrued, {report.window}", "client", "contract", "period", "from", "to", "", amounts=["accrued"]
    )
    for row in report.rows:
        table.add_row(*_monthly_row(row))
    yield table
    for currency, amounts in report.totals.items():
        totals = narrow_table(f"Accrued by month, {currency}", "month", amounts=["accrued"])
        for month in report.months:
            totals.add_row(f"{month:%Y-%m}", money(amounts.get(month, ZERO)))
        totals.add_section()
        totals.add_row("all", money(sum(amounts.values(), ZERO)), style="bold")
        yield totals
    yield "Month by month per contract: --output FILE.xlsx or FILE.csv"


def _monthly_row(row: MonthlyRow) -> Iterator[RenderableType]:
    yield Text(row.contract.client or row.contract.email)
    yield str(row.contract.id)
    yield Text(row.period or "-")
    yield f"{min(row.amounts):%Y-%m}"
    yield f"{max(row.amounts):%Y-%m}"
    yield row.contract.currency
    yield money(row.total)


def waterfall_tables(report: Waterfall) -> Iterator[RenderableType]:
    """A table per currency: the months to come, what has none, and the sum."""
    if not report.totals:
        yield f"Nothing is deferred after {report.month:%Y-%m}."
    for total in report.totals:
        yield _waterfall_table(report, total)
        if total.late:
            yield f"{money(total.late)} {total.currency} of it came late: it is not in the closing that was stored."


def _waterfall_table(report: Waterfall, total: WaterfallTotal) -> Table:
    title = f"Deferred after {report.month:%Y-%m}, {total.currency}"
    table = narrow_table(title, "expected in", amounts=["amount", "contracts"])
    rows = [row for row in report.rows if row.currency == total.currency]
    for month in report.months:
        count = sum(1 for row in rows if row.expected.get(month))
        table.add_row(f"{month:%Y-%m}", money(total.expected.get(month, ZERO)), str(count))
    count = sum(1 for row in rows if row.not_scheduled)
    table.add_row("not scheduled", money(total.not_scheduled), str(count))
    table.add_section()
    table.add_row("all", money(total.deferred), str(len(rows)), style="bold")
    return table


def journal_tables(reports: Iterable[Journal]) -> Iterator[RenderableType]:
    """A table per month that has entries."""
    found = [report for report in reports if report.lines]
    if not found:
        yield NOTHING
    for report in found:
        yield _journal_table(report)


def _journal_table(report: Journal) -> Table:
    title = f"Journal entries, {report.month:%Y-%m}"
    table = narrow_table(title, "", "account", "name", "", amounts=["debit", "credit"])
    for line in report.lines:
        number, name = line.account
        table.add_row(str(line.entry), Text(number), Text(name), line.currency, money(line.debit), money(line.credit))
    table.add_section()
    for currency, (debit, credit) in report.totals.items():
        table.add_row("", "", "all", currency, money(debit), money(credit), style="bold")
    return table


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


_ROLL_FORWARD = _Kind(roll_forwards, roll_forward_tables, sheets.roll_forward_sheet)
_KINDS = {
    ReportKind.ROLL_FORWARD: _ROLL_FORWARD,
    ReportKind.CHART: _ROLL_FORWARD,
    ReportKind.ACCRUALS: _Kind(
        lambda session, window, _: monthly_accruals(session, window), monthly_tables, sheets.monthly_sheet
    ),
    ReportKind.WATERFALL: _Kind(
        lambda session, window, settings: waterfall(session, next_month(window.end, -1), settings),
        waterfall_tables,
        sheets.waterfall_sheet,
    ),
    ReportKind.JOURNAL: _Kind(_journals, journal_tables, sheets.journal_sheet),
}
_SHEET_ENDINGS, _PICTURE_ENDINGS = (".csv", ".xlsx"), (".png", ".svg")


def show_report(kind: str, asked: AskedRange, file: str | None, *, as_json: bool) -> None:
    """Show a report, or write it to a file.

    Raises:
        UsageError: there is no such report, or the file does not fit it.
    """
    wanted, output = _parse_kind(kind), None if file is None else Path(file)
    settings: SyncSettings = SyncSettings.load()
    window = resolve_range(asked, datetime.now(UTC), settings)
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
    from steps.reports.export import csv_text, xlsx_bytes

    _write(output, xlsx_bytes(sheet) if ending == ".xlsx" else csv_text(sheet).encode())


def _write_charts(output: Path, ending: str, report: RollForwardChain) -> None:
    """A file per currency; with one currency alone, the very file that was asked for."""
    drawn = [currency for currency in report.currencies if report.moves(currency)]
    if not drawn:
        raise UsageError(f"there is nothing to draw: {NOTHING}")
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


def show_explanation(contract: int, month: date, *, as_json: bool) -> None:
    """Show what was posted for a contract in a month, and why."""
    settings: SyncSettings = SyncSettings.load()
    with read_session() as session:
        explanation = explain(session, contract, month, settings)
    if as_json:
        print(json.dumps(plain_json(explanation), indent=2))  # noqa: T201 - the one thing on standard output
        return
    console = Console(highlight=False)
    for part in _told(explanation):
        console.print(part)


def _told(explanation: Explanation) -> Iterator[RenderableType]:
    name = explanation.contract
    closed = ", which is closed" if explanation.closed else ""
    title = f"Contract {name.id}: {name.client} <{name.email}>, {name.service}, in {explanation.month:%Y-%m}{closed}"
    yield Text(title, style="bold")
    if explanation.postings:
        yield f"Posted {explanation.posted:,.2f} {explanation.postings[0].currency}:"
        yield from map(_posting, explanation.postings)
    else:
        yield "Nothing was posted."
    if explanation.rule is not None:
        rule = explanation.rule
        yield Text(f"Rule: row {rule.row}, {rule.condition}: {rule.outcome}")
    for line in explanation.notifications:
        yield Text(f"Told: {line}")
    if explanation.calculation is not None:
        yield from _calculation(explanation.calculation, name.currency)
    if explanation.changed_since and explanation.calculation is not None:
        today = f"{explanation.calculation.amount:,.2f} {name.currency}"
        yield Text(f"Worked out today it would be {today}: documents, periods or statuses changed since.", "yellow")
    if explanation.documents:
        yield from _documents(explanation)


def _posting(posting: ExplainedPosting) -> Text:
    if posting.rule == ADJUSTMENT:
        corrects = f", corrects {posting.corrects:%Y-%m}" if posting.corrects else ""
        return Text(f"  {posting.amount:,.2f} adjusted by {posting.made_by}: {posting.reason}{corrects}")
    what = f"{posting.amount:,.2f} for {posting.sessions} sessions, portion {posting.portion}"
    return Text(f"  {what}, {posting.period or 'no period'}")


def _calculation(found: Calculation, currency: str) -> Iterator[RenderableType]:
    parts = f"{found.total:,.2f} in documents - {found.accrued_before:,.2f} accrued before"
    yield Text(f"Remaining: {parts} = {found.remaining:,.2f} {currency}")
    yield Text(f"Sessions: {found.sessions_in_month} in the month, {found.sessions_remaining} remaining from its first")
    by_period: dict[str, list[str]] = defaultdict(list)
    for each in found.days:
        if each.sessions:
            by_period[each.period].append(f"{each.day.day}" + (f" (x{each.sessions})" if each.sessions > 1 else ""))
    for period, days in by_period.items():
        yield Text(f"  {period}: on day {', '.join(days)}")


def _documents(explanation: Explanation) -> Iterator[RenderableType]:
    table = narrow_table("Documents counted", "number", "kind", "date", "imported by", amounts=["amount"])
    for document in explanation.documents:
        moment = f", {document.imported_at:%Y-%m-%d %H:%M} UTC" if document.imported_at else ""
        by = f"execution {document.execution_id}{moment}" if document.execution_id else "no execution on record"
        amount = f"{document.amount:,.2f} {document.currency}"
        table.add_row(Text(document.number or "-"), document.kind, document.day.isoformat(), by, amount)
    yield table
