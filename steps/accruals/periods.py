"""Periods as they stood on a month's last day, and whose each day is (accruals.md, Words and Counting sessions)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import NamedTuple

from steps.accruals.facts import PeriodFacts
from steps.domain.period import PeriodStatus

DAY = timedelta(days=1)


class Span(NamedTuple):
    """Days from `first` to `last`, both counted; never empty."""

    first: date
    last: date

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


@dataclass(frozen=True, slots=True)
class PeriodAsOf:
    """A period with the status it had on the day that is looked back to."""

    facts: PeriodFacts
    status: PeriodStatus
    effective_end: date
    """May lie before the start: postponed before it began, and then never in force."""

    @property
    def in_force(self) -> Span | None:
        """From its start to its effective end."""
        if self.facts.start > self.effective_end:
            return None
        return Span(self.facts.start, self.effective_end)

    @property
    def put_off(self) -> Span | None:
        """Its days after the effective end; for a `POSTPONED` one they are still to be taught, some day."""
        if self.effective_end >= self.facts.end:
            return None
        return Span(max(self.facts.start, self.effective_end + DAY), self.facts.end)


def change_date(period: PeriodFacts) -> date:
    """Since when the period has its status; a missing date counts as the `end_date`."""
    return period.status_change_date or period.end


def as_of(period: PeriodFacts, day: date) -> PeriodAsOf:
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


def owned_days(periods: Sequence[PeriodAsOf]) -> list[tuple[PeriodFacts, list[Span]]]:
    """Each period in order of start, with the days in force that are its own.

    A day in force in several periods belongs to the one that started last (then the later `end_date`, then the
    greater `external_id`), so that no day is counted twice.
    """
    owned: list[tuple[PeriodFacts, list[Span]]] = []
    taken: list[Span] = []
    for period in sorted(periods, key=_start_key, reverse=True):
        own = [] if period.in_force is None else [period.in_force]
        for span in taken:
            own = [rest for part in own for rest in part.without(span)]
        taken += own
        owned.append((period.facts, own))
    return owned[::-1]


def _start_key(period: PeriodAsOf) -> tuple[date, date, str]:
    return period.facts.start, period.facts.end, period.facts.external_id
