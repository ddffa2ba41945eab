"""Reports as tables for a terminal of 80 to 100 columns."""

from collections.abc import Iterable, Iterator
from decimal import Decimal

from rich import box
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from steps.accruals.reports.journal import Journal
from steps.accruals.reports.monthly import MonthlyAccruals, MonthlyRow
from steps.accruals.reports.roll_forward import RollForwardChain, RollForwardLine
from steps.accruals.reports.waterfall import Waterfall, WaterfallTotal
from steps.domain.money import ZERO

_AMOUNTS = ("opening", "late", "invoiced", "credited", "accrued", "closing")
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
    names = [name for name in _AMOUNTS if name != "late" or any(m.line(currency).late for m in report.months)]
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
