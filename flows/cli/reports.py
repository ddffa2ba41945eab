"""What the commands of the accruals' reports show: `report`, `explain`."""

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

from rich import box
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text
from sqlmodel import Session

from flows.cli.app import ExitStatus
from flows.cli.output import print_json, write_file
from flows.parameters import AskedRange, resolve_range
from steps.errors import UsageError
from steps.ledger.money import ZERO
from steps.ledger.months import MonthWindow, next_month
from steps.reports import export as sheets
from steps.reports.basis import read_basis
from steps.reports.export import as_json as plain_json
from steps.reports.groups import GroupedRollForward, RollForwardBy, roll_forward_by
from steps.reports.journal import Journal, journals
from steps.reports.monthly import ALL_CONTRACTS, ContractFilter, MonthlyAccruals, monthly_accruals
from steps.reports.pack import pack_bytes, read_pack
from steps.reports.reconciliation import (
    DifferenceKind,
    DocumentDifference,
    Reconciliation,
    last_reconciliation,
)
from steps.reports.roll_forward import MOVED, RollForwardChain, RollForwardLine, draw_roll_forward, roll_forwards
from steps.reports.spreadsheet import CsvFormat, Sheet, csv_text, xlsx_bytes
from steps.reports.waterfall import Reason, Waterfall, WaterfallTotal, waterfall
from steps.settings import SyncSettings
from tracking.database import read_session

MOST_WAITING = 20
"""Contracts listed on the screen; a file has them all."""
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
    names = _shown_names(lines)
    table = narrow_table(f"Deferred revenue, {currency}, {report.window}", "month", amounts=names)
    for month in report.months:
        label = f"{month.month:%Y-%m}{'*' if month.closed else ''}"
        table.add_row(label, *_amounts(month.line(currency), names))
    if len(report.months) > 1:
        table.add_section()
        table.add_row("all", *_amounts(summary, names), style="bold")
    return table


def _shown_names(lines: Iterable[RollForwardLine]) -> list[str]:
    lines = list(lines)
    return [name for name in MOVED if name not in _SELDOM or any(getattr(line, name) for line in lines)]


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
    states = report.tie_out
    for each in states.differences:
        by_state = "has no state" if each.remaining is None else f"its state says {each.remaining:,.2f}"
        left = f"{each.documents:,.2f} in documents - {each.posted:,.2f} posted = {each.documents - each.posted:,.2f}"
        yield Text(
            f"Contract {each.contract_id} does not tie out: {left} {each.currency}, {by_state}", style="bold red"
        )
    if states.never_accrued:
        yield Text(f"Never accrued: {', '.join(f'{month:%Y-%m}' for month in states.never_accrued)}", style="yellow")
    if report.ties_out:
        compared = f", and the contracts' states of {states.accrued_to:%Y-%m} say the same" if states.accrued_to else ""
        yield Text(f"Ties out to the cent{compared}.", style="green")


def grouped_tables(report: GroupedRollForward) -> Iterator[RenderableType]:
    """A table per currency, a line for each group, and what they add up to."""
    if not report.lines:
        yield NOTHING
    for total in report.totals:
        lines = [each for each in report.lines if each.line.currency == total.currency]
        if not lines:
            continue
        names = _shown_names([total, *(each.line for each in lines)])
        table = narrow_table(
            f"Deferred revenue by {report.by}, {total.currency}, {report.window}", report.by.value, amounts=names
        )
        for each in lines:
            table.add_row(Text(each.group), *_amounts(each.line, names))
        table.add_section()
        table.add_row("all", *_amounts(total, names), style="bold")
        yield table
        if report.rest(total).deferred_or_earned:
            yield Text(f"The lines do not add up to the roll-forward in {total.currency}.", style="bold red")
    yield from _tie_out(report.total)


def monthly_tables(report: MonthlyAccruals) -> Iterator[RenderableType]:
    """Each contract and period with its first and last month; then what each month comes to."""
    if not report.rows:
        yield NOTHING
        return
    table = narrow_table(
        f"Accrued, {report.window}", "client", "contract", "period", "from", "to", "", amounts=["accrued"]
    )
    for row in report.rows:
        months = f"{min(row.amounts):%Y-%m}", f"{max(row.amounts):%Y-%m}"
        client, period = Text(row.contract.client or row.contract.email), Text(row.period or "-")
        table.add_row(client, str(row.contract.id), period, *months, row.contract.currency, money(row.total))
    yield table
    for currency, amounts in report.totals.items():
        totals = narrow_table(f"Accrued by month, {currency}", "month", amounts=["accrued"])
        for month in report.months:
            totals.add_row(f"{month:%Y-%m}", money(amounts.get(month, ZERO)))
        totals.add_section()
        totals.add_row("all", money(sum(amounts.values(), ZERO)), style="bold")
        yield totals
    yield "Month by month per contract: --output FILE.xlsx or FILE.csv"


def waterfall_tables(report: Waterfall) -> Iterator[RenderableType]:
    """A table per currency: the months to come, what has none, and the sum."""
    if not report.totals:
        yield f"Nothing is deferred after {report.month:%Y-%m}."
    for total in report.totals:
        yield _waterfall_table(report, total)
        if total.late:
            yield f"{money(total.late)} {total.currency} of it came late: it is not in the closing that was stored."
    if report.waiting:
        yield _waiting_table(report)


def _waterfall_table(report: Waterfall, total: WaterfallTotal) -> Table:
    title = f"Deferred after {report.month:%Y-%m}, {total.currency}"
    table = narrow_table(title, "expected in", amounts=["amount", "contracts"])
    rows = [row for row in report.rows if row.currency == total.currency]
    for month in report.months:
        count = sum(1 for row in rows if row.expected.get(month))
        table.add_row(f"{month:%Y-%m}", money(total.expected.get(month, ZERO)), str(count))
    for reason in Reason:
        waiting = [row for row in rows if row.waiting and row.waiting.reason is reason]
        if waiting:
            amount = sum((row.not_scheduled for row in waiting), ZERO)
            table.add_row(f"not scheduled: {reason}", money(amount), str(len(waiting)))
    table.add_row("not scheduled", money(total.not_scheduled), str(sum(1 for row in rows if row.waiting)))
    table.add_section()
    table.add_row("all", money(total.deferred), str(len(rows)), style="bold")
    return table


def _waiting_table(report: Waterfall) -> Table:
    """The largest amounts first."""
    texts = ("client", "contract", "why", "since", "days", "")
    table = narrow_table(f"Not scheduled after {report.month:%Y-%m}", *texts, amounts=["amount"])
    for row, days in sorted(report.waiting, key=lambda each: -abs(each[0].not_scheduled))[:MOST_WAITING]:
        if row.waiting:
            name = Text(row.contract.client or row.contract.email)
            why = row.waiting.reason.value, row.waiting.since.isoformat(), str(days)
            table.add_row(name, str(row.contract.id), *why, row.currency, money(row.not_scheduled))
    if len(report.waiting) > MOST_WAITING:
        table.add_row(f"and {len(report.waiting) - MOST_WAITING} more: --output FILE.xlsx or --json")
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


def reconciliation_tables(report: Reconciliation) -> Iterator[RenderableType]:
    """What each side counts, then each document that differs."""
    table = narrow_table(
        f"Documents of {report.month:%Y-%m}", "", "here", "Holded", amounts=["here", "Holded", "differ"]
    )
    for total in report.totals:
        sums = money(total.here), money(total.there), money(total.there - total.here)
        table.add_row(total.currency, str(total.documents_here), str(total.documents_there), *sums)
    yield table
    for kind in DifferenceKind:
        found = [each for each in report.differences if each.kind is kind]
        if found:
            yield _differences_table(kind, found)
    if report.agrees:
        yield Text("The ledger has what Holded has.", style="green")


def _differences_table(kind: DifferenceKind, found: Sequence[DocumentDifference]) -> Table:
    table = narrow_table(f"{kind.value.capitalize()}: {len(found)}", "document", "date", "here", "Holded", "why")
    for each in found:
        number = Text(each.number or each.external_id)
        sides = Text(each.here), Text(each.there)
        table.add_row(number, each.day.isoformat() if each.day else "-", *sides, Text(each.why))
    return table


class ReportKind(StrEnum):
    """The reports there are."""

    ACCRUALS = "accruals"
    ROLL_FORWARD = "roll-forward"
    WATERFALL = "waterfall"
    JOURNAL = "journal"
    CHART = "chart"
    RECONCILIATION = "reconciliation"
    PACK = "pack"


@dataclass(frozen=True)
class ReportOptions:
    """What a report is limited to or broken down by, and how it is written."""

    by: str | None = None
    wanted: ContractFilter = ALL_CONTRACTS
    file: str | None = None
    csv_format: str | None = None
    sandbox: bool = False
    as_json: bool = False


@dataclass(frozen=True)
class _Kind:
    """How a report is made, and the two forms that a terminal or a spreadsheet shows."""

    read: Callable[[Session, MonthWindow, SyncSettings, ContractFilter], Any]
    tables: Callable[[Any], Iterable[RenderableType]]
    sheets: Callable[[Any], Iterable[Sheet]]


_ROLL_FORWARD = _Kind(
    lambda session, window, settings, _: roll_forwards(session, window, settings),
    roll_forward_tables,
    lambda report: [sheets.roll_forward_sheet(report)],
)
_KINDS = {
    ReportKind.ROLL_FORWARD: _ROLL_FORWARD,
    ReportKind.CHART: _ROLL_FORWARD,
    ReportKind.ACCRUALS: _Kind(
        lambda session, window, _, wanted: monthly_accruals(session, window, wanted),
        monthly_tables,
        lambda report: [sheets.monthly_sheet(report)],
    ),
    ReportKind.WATERFALL: _Kind(
        lambda session, window, settings, _: waterfall(session, next_month(window.end, -1), settings),
        waterfall_tables,
        lambda report: [sheets.waterfall_sheet(report), sheets.not_scheduled_sheet(report)],
    ),
    ReportKind.JOURNAL: _Kind(
        lambda session, window, settings, _: journals(session, window, settings),
        journal_tables,
        lambda report: [sheets.journal_sheet(report)],
    ),
    ReportKind.RECONCILIATION: _Kind(
        lambda session, window, *_: last_reconciliation(session, window.start),
        reconciliation_tables,
        lambda report: [sheets.reconciliation_sheet(report)],
    ),
    ReportKind.PACK: _Kind(
        lambda session, window, settings, _: read_pack(session, window.start, settings),
        lambda _: (),
        lambda report: report.sheets.values(),
    ),
}
_OF_ONE_MONTH = (ReportKind.RECONCILIATION, ReportKind.PACK)
_SHEET_ENDINGS, _PICTURE_ENDINGS = (".csv", ".xlsx"), (".png", ".svg")
_ENDINGS = {ReportKind.CHART: _PICTURE_ENDINGS, ReportKind.PACK: (".xlsx",)}
"""Of those that are nothing but a file."""


def show_report(kind: str, asked: AskedRange, options: ReportOptions) -> ExitStatus:
    """Show a report, or write it to a file. Failed is a reconciliation in which the two sides differ.

    Raises:
        UsageError: there is no such report, or an option does not fit it.
    """
    wanted = _choice("report", kind, ReportKind)
    form, ending, spanish = _form(wanted, options), _ending(wanted, options), _is_spanish(wanted, options)
    settings: SyncSettings = SyncSettings.load()
    window = resolve_range(asked, datetime.now(UTC), settings)
    if wanted in _OF_ONE_MONTH and window != MonthWindow.of(window.start):
        raise UsageError(f"a {wanted} is of one month, and {window} are several: give its MONTH")
    if wanted is ReportKind.RECONCILIATION:
        _reconcile(window, sandbox=options.sandbox)
    with read_session() as session:
        report = form.read(session, window, settings, options.wanted)
        basis = read_basis(session, settings)
    if options.as_json:
        print_json(plain_json(report, basis))
    elif wanted is ReportKind.PACK:
        _write(Path(options.file or ""), pack_bytes(report))
    elif ending in _PICTURE_ENDINGS:
        _write_charts(Path(options.file or ""), report, basis.lines)
    elif ending:
        made = [replace(sheet, notes=basis.lines) for sheet in form.sheets(report)]
        _write_sheets(options.file, ending, made, spanish=spanish)
    else:
        console = Console(highlight=False)
        for part in (*form.tables(report), *basis.lines):
            console.print(part)
    return ExitStatus.FAILED if isinstance(report, Reconciliation) and not report.agrees else ExitStatus.COMPLETED


def _reconcile(window: MonthWindow, *, sandbox: bool) -> None:
    """Read the month's documents at the vendor, compare them and keep what came out."""
    from flows.cli.run import sandboxed  # with all that reads a vendor
    from steps.context import StepContext
    from steps.invoices import reconcile

    with sandboxed() if sandbox else nullcontext(), StepContext() as context:
        reconcile(context, window)


Choice = TypeVar("Choice", bound=StrEnum)


def _choice(what: str, text: str, choices: type[Choice]) -> Choice:
    try:
        return choices(text)
    except ValueError:
        raise UsageError(f"{what} {text!r} is not known: one of {', '.join(choices)} is expected") from None


def _form(kind: ReportKind, options: ReportOptions) -> _Kind:
    if options.wanted != ALL_CONTRACTS and kind is not ReportKind.ACCRUALS:
        raise UsageError(f"--client, --service and --contract are for {ReportKind.ACCRUALS}, not for {kind}")
    if options.sandbox and kind is not ReportKind.RECONCILIATION:
        raise UsageError(f"--sandbox is for {ReportKind.RECONCILIATION}: {kind} asks no vendor")
    if options.by is None:
        return _KINDS[kind]
    if kind is not ReportKind.ROLL_FORWARD:
        raise UsageError(f"--by is for {ReportKind.ROLL_FORWARD}: {kind} is not broken down")
    by = _choice("--by", options.by, RollForwardBy)
    return _Kind(
        lambda session, window, settings, _: roll_forward_by(session, window, by, settings),
        grouped_tables,
        lambda report: [sheets.grouped_sheet(report)],
    )


def _ending(kind: ReportKind, options: ReportOptions) -> str:
    """Of the file; `.csv` where CSV goes to standard output, and none for a terminal."""
    output = None if options.file is None else Path(options.file)
    if options.as_json and (output or options.csv_format):
        raise UsageError(f"{'--output' if output else '--format'} and --json exclude each other: give one of them")
    if output is None:
        if kind in _ENDINGS and not (options.as_json and kind is ReportKind.CHART):
            raise UsageError(f"a {kind} needs a file: --output FILE{' or FILE'.join(_ENDINGS[kind])}")
        return _SHEET_ENDINGS[0] if options.csv_format else ""
    allowed = _ENDINGS.get(kind, _SHEET_ENDINGS)
    if output.suffix.lower() not in allowed:
        raise UsageError(f"{output} has no ending that fits {kind}: {' or '.join(allowed)} is expected")
    return output.suffix.lower()


def _is_spanish(kind: ReportKind, options: ReportOptions) -> bool:
    if options.csv_format is None:
        return False
    if kind in _ENDINGS or not (options.file or ".csv").lower().endswith(".csv"):
        raise UsageError(f"--format is for CSV: {options.file or kind} is none")
    return _choice("--format", options.csv_format, CsvFormat) is CsvFormat.SPANISH


def _write_sheets(file: str | None, ending: str, made: Sequence[Sheet], *, spanish: bool) -> None:
    """A workbook has all sheets, a CSV the first."""
    content = xlsx_bytes(*made) if ending == ".xlsx" else csv_text(made[0], spanish=spanish).encode()
    if file is None:
        sys.stdout.buffer.write(content)
    else:
        _write(Path(file), content)


def _write_charts(output: Path, report: RollForwardChain, notes: Sequence[str]) -> None:
    """A file per currency; with one currency alone, the very file that was asked for."""
    drawn = [currency for currency in report.currencies if report.moves(currency)]
    if not drawn:
        raise UsageError(f"there is nothing to draw: {NOTHING}")
    alone = len(drawn) == 1
    for currency in drawn:
        path = output if alone else output.with_stem(f"{output.stem}-{currency}")
        _write(path, draw_roll_forward(report, currency, output.suffix.lower()[1:], notes))


def _write(path: Path, content: bytes) -> None:
    write_file(path, content)
    Console(highlight=False, soft_wrap=True).print(f"written: {path}", markup=False)
