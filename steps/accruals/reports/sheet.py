"""A report as a table of cells, for whatever form it takes: CSV, XLSX or a page."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from steps.accruals.reports.journal import Journal, JournalLine
from steps.accruals.reports.monthly import Amounts, MonthlyAccruals
from steps.accruals.reports.roll_forward import RollForwardChain, RollForwardLine
from steps.accruals.reports.waterfall import Waterfall
from steps.domain.money import ZERO

Cell = str | Decimal | int | date | None


@dataclass(frozen=True, slots=True)
class Sheet:
    """A header, rows, and rows of totals at the bottom."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    totals: tuple[tuple[Cell, ...], ...] = ()


_ROLL_FORWARD = ("opening", "late", "invoiced", "credited", "accrued", "closing", "difference", "unlinked")


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


def _line(line: RollForwardLine) -> tuple[Cell, ...]:
    return (line.currency, *(getattr(line, name) for name in _ROLL_FORWARD))


def monthly_sheet(report: MonthlyAccruals) -> Sheet:
    """A row per contract and period, a column per month, a total per currency."""
    header = ("client", "email", "contract", "service", "period", "currency", *_names(report.months), "total")
    rows = (
        (
            row.contract.client,
            row.contract.email,
            row.contract.id,
            row.contract.service,
            row.period,
            row.contract.currency,
            *_by_month(row.amounts, report.months),
            row.total,
        )
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
    rows: Iterator[tuple[Cell, ...]] = (
        (
            row.contract.client,
            row.contract.email,
            row.contract.id,
            row.contract.service,
            row.currency,
            row.deferred,
            *_by_month(row.expected, report.months),
            row.not_scheduled,
        )
        for row in report.rows
    )
    totals: Iterator[tuple[Cell, ...]] = (
        (
            "Total",
            "",
            None,
            "",
            total.currency,
            total.deferred,
            *_by_month(total.expected, report.months),
            total.not_scheduled,
        )
        for total in report.totals
    )
    return Sheet(f"Waterfall after {report.month:%Y-%m}", header, tuple(rows), tuple(totals))


def journal_sheet(journals: Iterable[Journal]) -> Sheet:
    """A row per line; debit and credit of each month and currency at the bottom."""
    reports = tuple(journals)
    rows = (_journal_row(line) for report in reports for line in report.lines)
    totals = (
        (f"Total {report.month:%Y-%m}", None, "", "", "", currency, debit, credit)
        for report in reports
        for currency, (debit, credit) in report.totals.items()
    )
    header = ("date", "entry", "account", "account name", "text", "currency", "debit", "credit")
    return Sheet("Journal", header, tuple(rows), tuple(totals))


def _journal_row(line: JournalLine) -> tuple[Cell, ...]:
    number, name = line.account
    return line.day, line.entry, number, name, line.text, line.currency, line.debit, line.credit


def _names(months: Iterable[date]) -> tuple[str, ...]:
    return tuple(f"{month:%Y-%m}" for month in months)


def _by_month(amounts: Amounts, months: Iterable[date]) -> Iterator[Decimal]:
    return (amounts.get(month, ZERO) for month in months)
