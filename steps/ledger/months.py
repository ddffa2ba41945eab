"""Months and windows of months. A window's end is exclusive (docs/interfaces.md, Months)."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta


def first_of_month(day: date) -> date:
    """The month a day lies in, as its first day."""
    return day.replace(day=1)


def next_month(month: date, count: int = 1) -> date:
    """The first day of the month `count` months after `month`'s; negative counts go back."""
    index = month.year * 12 + (month.month - 1) + count
    return date(index // 12, index % 12 + 1, 1)


def last_of_month(month: date) -> date:
    """The month's last day."""
    return next_month(month) - timedelta(days=1)


@dataclass(frozen=True, order=True)
class MonthWindow:
    """Whole months, `[start, end)`: one month for a task, several for a run's range."""

    start: date
    end: date

    def __post_init__(self) -> None:
        if self.start.day != 1 or self.end.day != 1 or self.end <= self.start:
            raise ValueError(f"{self.start} to {self.end} is not a range of whole months")

    @classmethod
    def of(cls, month: date) -> "MonthWindow":
        """The window of one month."""
        return cls(first_of_month(month), next_month(month))

    def __contains__(self, day: date) -> bool:
        return self.start <= day < self.end

    def __str__(self) -> str:
        """`2024-03`, or `2024-03..2024-06` (both included) for several months, as people say it."""
        last = next_month(self.end, -1)
        first_text = f"{self.start:%Y-%m}"
        return first_text if last == self.start else f"{first_text}..{last:%Y-%m}"

    def months(self) -> Iterator["MonthWindow"]:
        """Its single months, ascending."""
        month = self.start
        while month < self.end:
            yield MonthWindow.of(month)
            month = next_month(month)
