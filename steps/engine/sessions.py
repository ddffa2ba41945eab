"""How many sessions a contract has in a month and after it: its enrollments as of a day, and their classes."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import lru_cache
from typing import NamedTuple

from steps.ledger.months import first_of_month, last_of_month
from steps.ledger.service import DEFAULT_SESSIONS_PER_WEEK, DEFAULT_TOTAL_SESSIONS, PeriodStatus

_WEEK = frozenset(range(7))


@dataclass(frozen=True, slots=True)
class ServiceInputs:
    """How much is taught, and when."""

    total_sessions: int = DEFAULT_TOTAL_SESSIONS
    sessions_per_week: int = DEFAULT_SESSIONS_PER_WEEK
    class_weekdays: frozenset[int] | None = None
    """Monday 0. None or empty: not known (a course without a class day is a field nobody filled in)."""

    @property
    def is_usable(self) -> bool:
        """Whether the class weekdays are days of a week."""
        return (self.class_weekdays or _WEEK) <= _WEEK


@dataclass(slots=True)
class PeriodInputs:
    """One enrollment as the ledger has it today: its present status, and since when."""

    id: int
    external_id: str
    start: date
    end: date
    """The last day, included."""
    status: PeriodStatus = PeriodStatus.ACTIVE
    status_change_date: date | None = None
    created_on: date | None = None
    """The day from which the CRM had the enrollment; None: not known."""

    def was_known(self, day: date) -> bool:
        """Whether the enrollment existed at the end of `day` (docs/vendors.md, 4Geeks facts): no replay sees it before.

        One that was entered after its course was over is a record of the past: its creation says nothing.
        """
        return self.created_on is None or self.created_on <= day or self.created_on > self.end


DAY = timedelta(days=1)


class Span(NamedTuple):
    """Days from `first` to `last`, both counted; never empty."""

    first: date
    last: date

    @classmethod
    @lru_cache
    def of_month(cls, month: date) -> "Span":
        """The days of the month that `month` lies in."""
        return cls(first_of_month(month), last_of_month(month))

    def within(self, first: date, last: date) -> "Span | None":
        """The part of it from `first` to `last`; None when there is none."""
        start, end = max(self.first, first), min(self.last, last)
        return Span(start, end) if start <= end else None

    def without(self, other: "Span") -> list["Span"]:
        """What is left when the days of `other` are taken out: itself, none, one or two parts."""
        if other.last < self.first or self.last < other.first:
            return [self]
        left = [Span(self.first, other.first - DAY)] if self.first < other.first else []
        right = [Span(other.last + DAY, self.last)] if other.last < self.last else []
        return left + right


@dataclass(slots=True)
class PeriodAsOf:
    """A period with the status it had on the day that is looked back to."""

    inputs: PeriodInputs
    status: PeriodStatus
    effective_end: date
    """May lie before the start: postponed before it began, and then never in force."""

    @property
    def in_force(self) -> Span | None:
        """From its start to its effective end."""
        if self.inputs.start > self.effective_end:
            return None
        return Span(self.inputs.start, self.effective_end)

    def is_in_force(self, days: Span) -> bool:
        """Whether any of `days` is."""
        return days.first <= self.effective_end and self.inputs.start <= min(self.effective_end, days.last)

    @property
    def put_off(self) -> Span | None:
        """Its days after the effective end; for a `POSTPONED` one they are still to be taught, some day."""
        if self.effective_end >= self.inputs.end:
            return None
        return Span(max(self.inputs.start, self.effective_end + DAY), self.inputs.end)


def change_date(period: PeriodInputs) -> date:
    """Since when the period has its status; a missing date counts as the `end_date`."""
    return period.status_change_date or period.end


def as_of(period: PeriodInputs, day: date) -> PeriodAsOf:
    """The period as it stood on `day`: `ACTIVE` until the change to another status is not after it.

    One that was not known on `day` is `ACTIVE` and begins when it became known, at the earliest.
    """
    if period.created_on is not None and not period.was_known(day):
        later = replace(period, start=max(period.start, period.created_on))
        return PeriodAsOf(later, PeriodStatus.ACTIVE, period.end)
    if period.status is PeriodStatus.ACTIVE or change_date(period) > day:
        return PeriodAsOf(period, PeriodStatus.ACTIVE, period.end)
    return PeriodAsOf(period, period.status, min(period.end, change_date(period)))


def last_of(periods: Iterable[PeriodAsOf]) -> PeriodAsOf | None:
    """The one with the latest effective end; ties: started last, later `end_date`, greater `external_id`."""
    return max(periods, key=lambda period: (period.effective_end, *_start_key(period)), default=None)


def owned_days(periods: Sequence[PeriodAsOf]) -> list[tuple[PeriodInputs, list[Span]]]:
    """Each period in order of start, with the days in force that are its own.

    A day in force in several periods belongs to the one that started last (then the later `end_date`, then the
    greater `external_id`), so that no day is counted twice.
    """
    owned: list[tuple[PeriodInputs, list[Span]]] = []
    taken: list[Span] = []
    for period in sorted(periods, key=_start_key, reverse=True):
        own = [] if period.in_force is None else [period.in_force]
        for span in taken:
            own = [rest for part in own for rest in part.without(span)]
        taken += own
        owned.append((period.inputs, own))
    return owned[::-1]


def _start_key(period: PeriodAsOf) -> tuple[date, date, str]:
    return period.inputs.start, period.inputs.end, period.inputs.external_id


def divide_half_up(numerator: int, denominator: int) -> int:
    """The quotient of two numbers that are not negative, rounded to a whole number, halves up."""
    return (2 * numerator + denominator) // (2 * denominator)


def planned_sessions(days: int, service: ServiceInputs) -> int:
    """The sessions of a whole period of `days` days: at most `total_sessions`, and never less than 1."""
    return max(1, min(divide_half_up(days * service.sessions_per_week, 7), service.total_sessions))


@dataclass(slots=True)
class Timetable:
    """The sessions of any days of a period, by the service's class weekdays or else spread over the period."""

    service: ServiceInputs
    holidays: Sequence[date]
    """Ascending."""

    def sessions(self, period: PeriodInputs, days: Span) -> int:
        """Those of `days`, which lie between the period's start and end."""
        if self.service.class_weekdays:
            return self._class_days(self.service.class_weekdays, days)
        length = (period.end - period.start).days + 1
        planned = planned_sessions(length, self.service)
        before = (days.first - period.start).days
        upto = (days.last - period.start).days + 1
        return divide_half_up(planned * upto, length) - divide_half_up(planned * before, length)

    def sessions_between(self, period: PeriodInputs, own: Sequence[Span], first: date, last: date) -> int:
        """Those of the period's own days that are from `first` to `last`."""
        parts = [span.within(first, last) for span in own]
        return sum([self.sessions(period, part) for part in parts if part])

    def _class_days(self, weekdays: frozenset[int], days: Span) -> int:
        first, last = days.first.toordinal(), days.last.toordinal()
        # Day 1 of the calendar is a Monday: up to day n there are (n + 6 - weekday) // 7 days of a weekday.
        classes = sum((last + 6 - weekday) // 7 - (first + 5 - weekday) // 7 for weekday in weekdays)
        free = self.holidays[bisect_left(self.holidays, days.first) : bisect_right(self.holidays, days.last)]
        return classes - sum(1 for holiday in free if holiday.weekday() in weekdays)


@dataclass(slots=True)
class MonthSessions:
    """The sessions of one contract as seen from one month."""

    by_period: list[tuple[PeriodInputs, int]]
    """Those in the month, per period, in order of start; 0 for a period that has none."""
    in_month: int
    """Of all periods together."""
    after: int
    """Those left after the month: of days in force, and put off."""
    before: int | None = None
    """Taught before the month; counted for the method `catch-up` alone."""

    @property
    def remaining(self) -> int:
        """What is still to be taught as seen from the month's first day, whatever was posted before."""
        return self.in_month + self.after


def count_sessions(
    periods: Sequence[PeriodAsOf],
    last_period: PeriodAsOf | None,
    month: Span,
    timetable: Timetable,
    *,
    catch_up: bool = False,
) -> MonthSessions:
    """The sessions in `month`, and those still to come after it; to `catch_up` those before it too."""
    by_period: list[tuple[PeriodInputs, int]] = []
    in_month = after = before = 0
    for period, own in owned_days(periods):
        if catch_up:
            before += timetable.sessions_between(period, own, date.min, month.first - DAY)
        sessions = timetable.sessions_between(period, own, *month)
        by_period.append((period, sessions))
        in_month += sessions
        after += timetable.sessions_between(period, own, month.last + DAY, date.max)
    if last_period is not None and last_period.status is PeriodStatus.POSTPONED and last_period.put_off:
        after += timetable.sessions(last_period.inputs, last_period.put_off)
    return MonthSessions(by_period, in_month, after, before if catch_up else None)
