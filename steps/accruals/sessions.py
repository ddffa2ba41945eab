"""Counting sessions, in closed form: no day is ever looked at alone (accruals.md, Counting sessions).

Integers only. Which days belong to which period is decided in `periods.py`.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from steps.accruals.facts import PeriodFacts, ServiceFacts
from steps.accruals.periods import DAY, PeriodAsOf, Span, owned_days
from steps.domain.period import PeriodStatus


def divide_half_up(numerator: int, denominator: int) -> int:
    """The quotient of two numbers that are not negative, rounded to a whole number, halves up."""
    return (2 * numerator + denominator) // (2 * denominator)


def planned_sessions(days: int, service: ServiceFacts) -> int:
    """The sessions of a whole period of `days` days: at most `total_sessions`, and never less than 1."""
    return max(1, min(divide_half_up(days * service.sessions_per_week, 7), service.total_sessions))


@dataclass(frozen=True, slots=True)
class Timetable:
    """The sessions of any days of a period, by the service's class weekdays or else spread over the period."""

    service: ServiceFacts
    holidays: Sequence[date]
    """Ascending."""

    def sessions(self, period: PeriodFacts, days: Span) -> int:
        """Those of `days`, which lie between the period's start and end."""
        if self.service.class_weekdays:
            return self._class_days(self.service.class_weekdays, days)
        length = (period.end - period.start).days + 1
        planned = planned_sessions(length, self.service)
        before = (days.first - period.start).days
        upto = (days.last - period.start).days + 1
        return divide_half_up(planned * upto, length) - divide_half_up(planned * before, length)

    def sessions_between(self, period: PeriodFacts, own: Sequence[Span], first: date, last: date) -> int:
        """Those of the period's own days that are from `first` to `last`."""
        parts = (span.within(first, last) for span in own)
        return sum(self.sessions(period, part) for part in parts if part)

    def _class_days(self, weekdays: frozenset[int], days: Span) -> int:
        first, last = days.first.toordinal(), days.last.toordinal()
        # Day 1 of the calendar is a Monday: up to day n there are (n + 6 - weekday) // 7 days of a weekday.
        classes = sum((last + 6 - weekday) // 7 - (first + 5 - weekday) // 7 for weekday in weekdays)
        free = self.holidays[bisect_left(self.holidays, days.first) : bisect_right(self.holidays, days.last)]
        return classes - sum(1 for holiday in free if holiday.weekday() in weekdays)


@dataclass(frozen=True, slots=True)
class MonthSessions:
    """The sessions of one contract as seen from one month."""

    by_period: tuple[tuple[PeriodFacts, int], ...]
    """Those in the month, per period, in order of start; 0 for a period that has none."""
    after: int
    """Those left after the month: of days in force, and put off."""

    @property
    def in_month(self) -> int:
        """Of all periods together."""
        return sum(sessions for _, sessions in self.by_period)

    @property
    def remaining(self) -> int:
        """What is still to be taught as seen from the month's first day, whatever was posted before."""
        return self.in_month + self.after


def count_sessions(
    periods: Sequence[PeriodAsOf], last_period: PeriodAsOf | None, month: Span, timetable: Timetable
) -> MonthSessions:
    """The sessions in `month`, and those still to come after it."""
    by_period: list[tuple[PeriodFacts, int]] = []
    after = 0
    for period, own in owned_days(periods):
        by_period.append((period, timetable.sessions_between(period, own, *month)))
        after += timetable.sessions_between(period, own, month.last + DAY, date.max)
    if last_period is not None and last_period.status is PeriodStatus.POSTPONED and last_period.put_off:
        after += timetable.sessions(last_period.facts, last_period.put_off)
    return MonthSessions(tuple(by_period), after)
