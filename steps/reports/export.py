"""Reports as sheets, for CSV and workbooks, and as JSON."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from steps.ledger.money import ZERO
from steps.ledger.months import MonthWindow
from steps.reports.basis import Basis
from steps.reports.explain import Explanation
from steps.reports.groups import GroupedRollForward
from steps.reports.journal import Account, Journal
from steps.reports.monthly import Amounts, ContractName, MonthlyAccruals
from steps.reports.reconciliation import Reconciliation
from steps.reports.roll_forward import MOVED, RollForward, RollForwardChain, RollForwardLine
from steps.reports.spreadsheet import Sheet
from steps.reports.waterfall import Waterfall, WaterfallRow, WaterfallTotal
from steps.reports.worklist import Worklist

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


def _contract(name: ContractName) -> tuple[Any, ...]:
    return name.client, name.email, name.id, name.service


def _names(months: Iterable[date]) -> tuple[str, ...]:
    return tuple(f"{month:%Y-%m}" for month in months)


def _by_month(amounts: Amounts, months: Iterable[date]) -> Iterator[Decimal]:
    return (amounts.get(month, ZERO) for month in months)


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
