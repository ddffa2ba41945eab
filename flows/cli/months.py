"""Months and ranges as people type them behind a command."""

import re
from datetime import UTC, date, datetime

from flows.parameters import AskedRange, parse_month_date, parse_year, resolve_range
from steps.domain.months import MonthWindow, next_month
from steps.errors import UsageError
from steps.settings import SyncSettings


def parse_month(text: str) -> date:
    """A month as `YYYY-MM` or `YYYY-MM-01`, as its first day.

    Raises:
        UsageError: it is neither, or outside the years that are allowed.
    """
    first = text if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text) else f"{text}-01"
    if re.fullmatch(r"\d{4}-\d{2}-01", first):
        try:
            start = date.fromisoformat(first)
        except ValueError:
            pass
        else:
            return resolve_range(
                AskedRange(None, start, next_month(start)), datetime.now(UTC), SyncSettings.load()
            ).start
    raise UsageError(f"month {text!r} is no month: YYYY-MM is expected, such as 2024-03")


def parse_window(
    month: str | None, year: str | None, start_date: str | None, end_date: str | None, settings: SyncSettings
) -> MonthWindow:
    """The months of a report: dates win over the year, as everywhere; a single month goes with neither.

    Raises:
        UsageError: one line that says what was given and what is allowed.
    """
    if month is not None:
        if year or start_date or end_date:
            raise UsageError("--month is a range of its own: leave out --year, --start-date and --end-date")
        return MonthWindow.of(parse_month(month))
    start = None if start_date is None else parse_month_date("start date", start_date)
    end = None if end_date is None else parse_month_date("end date", end_date)
    asked_year = None if year is None or (start and end) else parse_year(year)
    return resolve_range(AskedRange(asked_year, start, end), datetime.now(UTC), settings)
