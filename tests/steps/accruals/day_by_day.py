"""The sessions counted one day at a time, as docs/accrual-rules.md says: slow, without the engine's code."""

from collections.abc import Callable, Sequence
from datetime import date, timedelta
from fractions import Fraction
from math import floor

from steps.engine.sessions import PeriodInputs, ServiceInputs
from steps.ledger.service import PeriodStatus

ONE = timedelta(days=1)
HALF = Fraction(1, 2)


def rounded(value: Fraction) -> int:
    """Half up."""
    return floor(value + HALF)


def days_of(first: date, last: date) -> list[date]:
    """Every day from `first` to `last`; none if `last` is earlier."""
    return [first + ONE * n for n in range((last - first).days + 1)]


def status_on(period: PeriodInputs, last: date) -> PeriodStatus:
    """`ACTIVE` until the date of another status; a missing date counts as the end."""
    since = period.end if period.status_change_date is None else period.status_change_date
    return period.status if since <= last else PeriodStatus.ACTIVE


def effective_end(period: PeriodInputs, last: date) -> date:
    """The end, or the change that came before it."""
    if status_on(period, last) == PeriodStatus.ACTIVE or period.status_change_date is None:
        return period.end
    return period.status_change_date if period.status_change_date < period.end else period.end


def last_of_all(periods: Sequence[PeriodInputs], last: date) -> PeriodInputs:
    """By asking each whether any other comes after it."""

    def rank(one: PeriodInputs) -> tuple[date, date, date, str]:
        return (effective_end(one, last), one.start, one.end, one.external_id)

    return next(one for one in periods if all(rank(one) >= rank(other) for other in periods))


def sessions_of_day(service: ServiceInputs, holidays: frozenset[date]) -> Callable[[PeriodInputs, date], int]:
    """The function that says how many sessions a day of a period has."""

    def by_weekday(_: PeriodInputs, day: date) -> int:
        return int(day.weekday() in (service.class_weekdays or ()) and day not in holidays)

    def spread(period: PeriodInputs, day: date) -> int:
        length = len(days_of(period.start, period.end))
        whole = rounded(Fraction(length, 7) * service.sessions_per_week)
        whole = max(1, min(whole, service.total_sessions))
        number = len(days_of(period.start, day))
        return rounded(Fraction(whole * number, length)) - rounded(Fraction(whole * (number - 1), length))

    return by_weekday if service.class_weekdays else spread


def count_day_by_day(
    periods: Sequence[PeriodInputs], first: date, last: date, of_day: Callable[[PeriodInputs, date], int]
) -> tuple[dict[int, int], int]:
    """Sessions in the month by period id, and those left after it."""
    in_month = {period.id: 0 for period in periods}
    after = 0
    for day in sorted({day for period in periods for day in days_of(period.start, period.end)}):
        holders = [one for one in periods if one.start <= day <= effective_end(one, last)]
        if not holders or day < first:
            continue
        owner = sorted(holders, key=lambda one: (one.start, one.end, one.external_id))[-1]
        if day <= last:
            in_month[owner.id] += of_day(owner, day)
        else:
            after += of_day(owner, day)
    final = last_of_all(periods, last) if periods else None
    if final and status_on(final, last) == PeriodStatus.POSTPONED:
        put_off = [day for day in days_of(final.start, final.end) if day > effective_end(final, last)]
        after += sum(of_day(final, day) for day in put_off)
    return in_month, after
