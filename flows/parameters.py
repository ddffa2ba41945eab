"""What a person may ask for: steps in the order of the import, a range of months, the options of a run.

One rule set for command line, API, form and schedule. Explicit dates win over `period`, `period` over `year`, and the
default year is for those who say nothing (docs/interfaces.md, Months). A wrong request is answered at once: what takes
long to import (settings, the database) is imported by the functions that get that far.
"""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from steps.catalog import ACCRUALS, CRM_CLIENTS, INVOICES, NOTION_EXTERNAL_ID, SERVICE_PERIODS, SERVICES, STEPS, Step
from steps.errors import UsageError
from steps.ledger.months import MonthWindow, first_of_month, next_month

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from steps.engine.gate import Override
    from steps.settings import SyncSettings

FIRST_YEAR, LAST_YEAR = 2000, 2100
MONTHS_A_QUARTER = 3

IMPORT_ORDER = (SERVICES, INVOICES, CRM_CLIENTS, SERVICE_PERIODS, NOTION_EXTERNAL_ID)
"""The order of the import: nothing else knows it.

Services exist before contracts, invoices before the clients that the CRM is asked about, clients before their periods,
periods before accruals; external ids come last for completeness (docs/interfaces.md, The six steps).
"""


class ImportStep(StrEnum):
    """The import steps as a drop-down, in their order."""

    services = SERVICES.id
    invoices = INVOICES.id
    crm_clients = CRM_CLIENTS.id
    service_periods = SERVICE_PERIODS.id
    notion_external_id = NOTION_EXTERNAL_ID.id


def steps_from(step_id: str) -> tuple[Step, ...]:
    """The import steps from this one on."""
    ids = [step.id for step in IMPORT_ORDER]
    return IMPORT_ORDER[ids.index(step_id) :]


class Only(StrEnum):
    """Which step runs of the asked range a run does; the others are left as they are."""

    failed = "failed"
    missing = "missing"
    stale = "stale"
    due = "due"
    """Whatever is failed, missing or stale."""


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

    def of_dates(self) -> MonthWindow | None:
        """The months between the dates; None: none were given. What no setting makes right is refused.

        Raises:
            UsageError: one line that says what was given and what is allowed.
        """
        start, end = self.start_date, self.end_date
        if start is None and end is None:
            if self.period is None and self.year is not None and not FIRST_YEAR <= self.year <= LAST_YEAR:
                raise UsageError(
                    f"year {self.year} is not allowed: a year from {FIRST_YEAR} to {LAST_YEAR} is expected"
                )
            return None
        if start is None or end is None:
            given, missing = ("end date", "start date") if start is None else ("start date", "end date")
            raise UsageError(f"{given} without {missing}: give both (the end is exclusive), or a year instead")
        for name, day in (("start date", start), ("end date", end)):
            if day.day != 1:
                raise UsageError(f"{name} {day} is not the first day of a month: {first_of_month(day)} is")
        if min(start, end).year < FIRST_YEAR or max(start, end) > date(LAST_YEAR + 1, 1, 1):
            raise UsageError(
                f"{start} to {end} is not allowed: dates from {FIRST_YEAR}-01-01 to {LAST_YEAR + 1}-01-01 are expected"
            )
        if end <= start:
            raise UsageError(
                f"end date {end} is not after start date {start}: the end is exclusive, so {next_month(start)} or "
                "later is expected"
            )
        return MonthWindow(start, end)


def resolve_range(asked: AskedRange, scheduled: datetime, settings: "SyncSettings") -> MonthWindow:
    """The months to work on.

    `scheduled` is when the run was meant to start (aware): a late or backfilled one still works on its month.

    Raises:
        UsageError: one line that says what was given and what is allowed.
    """
    if (span := asked.of_dates()) is not None:
        return span
    if asked.period is not None:
        return _range_of_period(asked.period, local_day(scheduled, settings.zone))
    year = settings.default_year if asked.year is None else asked.year
    return months_of_year(year)


def months_of_year(year: int) -> MonthWindow:
    """January to December."""
    return MonthWindow(date(year, 1, 1), date(year + 1, 1, 1))


def resolve_accrual_range(asked: AskedRange, scheduled: datetime, settings: "SyncSettings") -> MonthWindow:
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


def local_day(moment: datetime, zone: "ZoneInfo") -> date:
    """The day of a moment in a zone; Prefect's own kind of time would give a kind of date that it deprecates."""
    return date.fromordinal(moment.astimezone(zone).toordinal())


def resolve_override(step_id: str, reason: str | None, by: str) -> "Override | None":
    """A person's word that the accruals are to go on although the import of a month is broken; None: nobody gave it.

    Raises:
        UsageError: the reason is empty, or the step is not the accruals.
    """
    if reason is None:
        return None
    if step_id != ACCRUALS.id:
        raise UsageError(f"override is for {ACCRUALS.id} alone: it says nothing about {step_id}")
    from steps.engine.gate import Override

    return Override.of(reason, by)


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
            if FIRST_YEAR <= start.year <= LAST_YEAR:
                return start
            raise UsageError(f"month {text} is not allowed: from {FIRST_YEAR}-01 to {LAST_YEAR}-12 is expected")
    raise UsageError(f"month {text!r} is no month: YYYY-MM is expected, such as 2024-03")


def parse_report_range(month: str | None, year: str | None, start_date: str | None, end_date: str | None) -> AskedRange:
    """The months of a report: dates win over the year, as everywhere; a single month goes with neither.

    Raises:
        UsageError: one line that says what was given and what is allowed.
    """
    if month is not None:
        if year or start_date or end_date:
            raise UsageError("--month is a range of its own: leave out --year, --start-date and --end-date")
        first = parse_month(month)
        return AskedRange(None, first, next_month(first))
    return _parse_range(year, start_date, end_date)


def _parse_range(year: str | None, start_date: str | None, end_date: str | None) -> AskedRange:
    start = None if start_date is None else parse_month_date("start date", start_date)
    end = None if end_date is None else parse_month_date("end date", end_date)
    asked = AskedRange(None if year is None or (start and end) else parse_year(year), start, end)
    asked.of_dates()
    return asked


def parse_moment(name: str, text: str, zone: "ZoneInfo") -> datetime:
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


_WAIT = "wait"


@dataclass(frozen=True)
class TypedOptions:
    """The options of a run, as a person typed or chose them at the command line or on the page."""

    from_step: str | None = None
    year: str | None = None
    start_date: str | None = None
    end_date: str | None = None
    only: str | None = None
    overlap: str = _WAIT
    """An `Overlap`."""
    plan: int | None = None
    """Run this plan; what says which steps and months does not go with it."""
    override: str | None = None

    def resolve(self) -> tuple[str, MonthWindow]:
        """The first step and the range of months; whatever was typed is looked at.

        Raises:
            UsageError: one line that says what was given and what is allowed.
        """
        if self.only is not None and self.only not in set(Only):
            raise UsageError(f"only {self.only!r} is not known: one of {', '.join(Only)} is expected")
        if self.overlap != _WAIT:
            from tracking.recorder import Overlap

            if self.overlap not in set(Overlap):
                raise UsageError(f"overlap {self.overlap!r} is not known: one of {', '.join(Overlap)} is expected")
        if self.plan is not None:
            step, span = _range_of_plan(self.plan)
        else:
            step = parse_step(self.from_step or IMPORT_ORDER[0].id)
            asked = _parse_range(self.year, self.start_date, self.end_date)
            from steps.settings import SyncSettings

            span = resolve_range(asked, datetime.now(UTC), SyncSettings.load())
        resolve_override(step, self.override, "")
        return step, span


def _range_of_plan(plan_id: int) -> tuple[str, MonthWindow]:
    from flows.plan import step_runs_of_plan
    from steps.settings import SyncSettings

    settings: SyncSettings = SyncSettings.load()
    step_runs, span = step_runs_of_plan(plan_id, settings.zone)
    return step_runs[0].step.id if step_runs else IMPORT_ORDER[0].id, span
