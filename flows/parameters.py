"""What a person may ask for -> a range of months, and what a run is called.

One rule set for command line, API, form and schedule. Explicit dates win over `period`, `period` over `year`, and the
default year is for those who say nothing (docs/interfaces.md, Months).
"""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import Field

from steps.catalog import ACCRUALS, STEPS
from steps.engine.gate import LONGEST_REASON, Override
from steps.errors import UsageError
from steps.ledger.months import MonthWindow, first_of_month, next_month
from steps.settings import SyncSettings

FIRST_YEAR, LAST_YEAR = 2000, 2100
MONTHS_A_QUARTER = 3

MonthDate = Annotated[date, Field(json_schema_extra={"pattern": r"^(20\d{2}|2100|2101)-(0[1-9]|1[0-2])-01$"})]
"""A first of a month; Prefect refuses another day by the pattern, before a run exists."""
OverrideReason = Annotated[str, Field(json_schema_extra={"minLength": 1, "maxLength": LONGEST_REASON})]
"""Why accruals are to go on although the import of a month is broken; Prefect's form refuses an empty one."""
Year = Annotated[int, Field(ge=FIRST_YEAR, le=LAST_YEAR)]


class Period(StrEnum):
    """A range that is relative to the moment a run was scheduled for."""

    previous_month = "previous-month"
    current_month = "current-month"
    previous_quarter = "previous-quarter"
    year_to_date = "year-to-date"


@dataclass(frozen=True)
class AskedRange:
    """What was asked for, as far as anything was."""

    year: int | None = None
    start_date: date | None = None
    end_date: date | None = None
    """Exclusive."""
    period: Period | None = None


def resolve_range(asked: AskedRange, scheduled: datetime, settings: SyncSettings) -> MonthWindow:
    """The months to work on.

    Args:
        asked: Dates, period, year or nothing.
        scheduled: When the run was meant to start (aware), so that a late or backfilled one still works on its month.
        settings: For the default year and the zone that `scheduled` is read in.

    Raises:
        UsageError: one line that says what was given and what is allowed.
    """
    if asked.start_date is not None or asked.end_date is not None:
        return _range_of_dates(asked.start_date, asked.end_date)
    if asked.period is not None:
        return _range_of_period(asked.period, local_day(scheduled, settings.zone))
    year = settings.default_year if asked.year is None else asked.year
    if not FIRST_YEAR <= year <= LAST_YEAR:
        raise UsageError(f"year {year} is not allowed: a year from {FIRST_YEAR} to {LAST_YEAR} is expected")
    return months_of_year(year)


def months_of_year(year: int) -> MonthWindow:
    """January to December."""
    return MonthWindow(date(year, 1, 1), date(year + 1, 1, 1))


def resolve_accrual_range(asked: AskedRange, scheduled: datetime, settings: SyncSettings) -> MonthWindow:
    """The months to accrue: the same rules, but `year-to-date` ends with the last month that is over.

    A month that is not over cannot be accrued; who names one gets that as its failure, who says "to date" means those
    that can.

    Raises:
        UsageError: one line that says what was given and what is allowed.
    """
    span = resolve_range(asked, scheduled, settings)
    if asked.start_date is not None or asked.period is not Period.year_to_date:
        return span
    this_month = first_of_month(local_day(scheduled, settings.zone))
    if this_month == span.start:
        raise UsageError(
            f"period {asked.period}: no month of {span.start.year} is over yet; {Period.previous_month} is"
        )
    return MonthWindow(span.start, this_month)


def local_day(moment: datetime, zone: ZoneInfo) -> date:
    """The day of a moment in a zone; Prefect's own kind of time would give a kind of date that it deprecates."""
    return date.fromordinal(moment.astimezone(zone).toordinal())


def resolve_override(step_id: str, reason: str | None, by: str) -> Override | None:
    """A person's word that the accruals are to go on although the import of a month is broken; None: nobody gave it.

    Raises:
        UsageError: the reason is empty, or the step is not the accruals.
    """
    if reason is None:
        return None
    if step_id != ACCRUALS.id:
        raise UsageError(f"override is for {ACCRUALS.id} alone: it says nothing about {step_id}")
    return Override.of(reason, by)


def _range_of_dates(start: date | None, end: date | None) -> MonthWindow:
    if start is None or end is None:
        given, missing = ("end date", "start date") if start is None else ("start date", "end date")
        raise UsageError(f"{given} without {missing}: give both (the end is exclusive), or a year instead")
    for name, day in (("start date", start), ("end date", end)):
        if day.day != 1:
            raise UsageError(f"{name} {day} is not the first day of a month: {first_of_month(day)} is")
    if end <= start:
        raise UsageError(
            f"end date {end} is not after start date {start}: the end is exclusive, so {next_month(start)} or later "
            "is expected"
        )
    if start.year < FIRST_YEAR or end > date(LAST_YEAR + 1, 1, 1):
        raise UsageError(
            f"{start} to {end} is not allowed: dates from {FIRST_YEAR}-01-01 to {LAST_YEAR + 1}-01-01 are expected"
        )
    return MonthWindow(start, end)


def _range_of_period(period: Period, today: date) -> MonthWindow:
    month = first_of_month(today)
    match period:
        case Period.previous_month:
            return MonthWindow(next_month(month, -1), month)
        case Period.current_month:
            return MonthWindow(month, next_month(month))
        case Period.previous_quarter:
            quarter = date(month.year, (month.month - 1) // MONTHS_A_QUARTER * MONTHS_A_QUARTER + 1, 1)
            return MonthWindow(next_month(quarter, -MONTHS_A_QUARTER), quarter)
        case Period.year_to_date:
            return MonthWindow(date(month.year, 1, 1), next_month(month))


def parse_month_date(name: str, text: str) -> date:
    """A date as `YYYY-MM-01`.

    Raises:
        UsageError: it is no date of that form; that the day is the first is `resolve_range`'s to check.
    """
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
        try:
            return date.fromisoformat(text)
        except ValueError:
            pass
    raise UsageError(f"{name} {text!r} is no date: YYYY-MM-01 is expected, such as 2024-03-01")


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


def parse_moment(name: str, text: str, zone: ZoneInfo) -> datetime:
    """A date or a time in ISO 8601, aware; one without an offset is read in `zone`.

    Raises:
        UsageError: it is neither.
    """
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise UsageError(f"{name} {text!r} is no date or time: 2024-03-01 or 2024-03-01T09:30 is expected") from None


def parse_year(text: str) -> int:
    """A year as four digits.

    Raises:
        UsageError: it is no year; that it is in range is `resolve_range`'s to check.
    """
    if not re.fullmatch(r"\d{1,6}", text):
        raise UsageError(f"year {text!r} is not allowed: a year from {FIRST_YEAR} to {LAST_YEAR} is expected")
    return int(text)


def parse_step(text: str) -> str:
    """One of the six step ids.

    Raises:
        UsageError: it is none of them.
    """
    if text not in STEPS:
        raise UsageError(f"step {text!r} is not known: one of {', '.join(STEPS)} is expected")
    return text
