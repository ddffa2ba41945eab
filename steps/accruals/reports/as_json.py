"""Any report as JSON: fields by their names, amounts as texts, dates as ISO, sums and checks added."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from steps.accruals.reports.explain import Explanation
from steps.accruals.reports.journal import Journal
from steps.accruals.reports.monthly import MonthlyAccruals
from steps.accruals.reports.roll_forward import RollForward, RollForwardChain, RollForwardLine
from steps.accruals.reports.waterfall import Waterfall, WaterfallRow
from steps.domain.months import MonthWindow

_WORKED_OUT: dict[type, tuple[str, ...]] = {
    RollForwardLine: ("difference",),
    RollForward: ("ties_out",),
    MonthlyAccruals: ("totals",),
    WaterfallRow: ("not_scheduled",),
    Waterfall: ("months", "totals"),
    Journal: ("totals", "balanced"),
    Explanation: ("posted", "changed_since"),
}
"""Properties that belong in the answer."""


def as_json(value: Any) -> Any:
    """Plain JSON of a report or any part of it."""
    if isinstance(value, RollForwardChain):
        summary = [value.summary(currency) for currency in value.currencies]
        return _plain({"window": value.window, "months": value.months, "summary": summary, "ties_out": value.ties_out})
    return _plain(value)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key.isoformat() if isinstance(key, date) else str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, MonthWindow):
        return {"start_date": value.start.isoformat(), "end_date": value.end.isoformat()}
    if is_dataclass(value) and not isinstance(value, type):
        names = [field.name for field in fields(value)]
        return {name: _plain(getattr(value, name)) for name in (*names, *_WORKED_OUT.get(type(value), ()))}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return _plain(value._asdict())
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return _scalar(value)


def _scalar(value: Any) -> Any:
    if isinstance(value, Decimal):
        return str(value)
    return value.isoformat() if isinstance(value, date) else value
