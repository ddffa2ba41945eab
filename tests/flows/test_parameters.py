"""What may be asked for, and what is refused with which line (docs/interfaces.md, Command line)."""

from datetime import UTC, date, datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.parameters import (
    AskedRange,
    Period,
    parse_moment,
    parse_month_date,
    parse_step,
    parse_year,
    resolve_range,
)
from steps.errors import UsageError
from steps.ledger.months import MonthWindow, next_month
from steps.settings import SyncSettings

NOW = datetime(2026, 5, 10, 12, tzinfo=UTC)


def _resolve(asked: AskedRange, scheduled: datetime = NOW) -> MonthWindow:
    return resolve_range(asked, scheduled, SyncSettings())


def test_nothing_asked_means_the_default_year() -> None:
    assert _resolve(AskedRange()) == MonthWindow(date(2024, 1, 1), date(2025, 1, 1))


def test_the_default_year_is_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNC_DEFAULT_YEAR", "2023")

    assert str(_resolve(AskedRange())) == "2023-01..2023-12"


def test_the_end_is_exclusive() -> None:
    span = _resolve(AskedRange(start_date=date(2024, 3, 1), end_date=date(2024, 7, 1)))

    assert [str(window) for window in span.months()] == ["2024-03", "2024-04", "2024-05", "2024-06"]


def test_dates_win_over_period_and_year_and_period_over_year() -> None:
    dates = {"start_date": date(2024, 3, 1), "end_date": date(2024, 4, 1)}

    assert str(_resolve(AskedRange(1066, period=Period.current_month, **dates))) == "2024-03"
    assert str(_resolve(AskedRange(2020, period=Period.current_month))) == "2026-05"


@pytest.mark.parametrize(
    ("period", "scheduled", "months"),
    [
        (Period.previous_month, datetime(2024, 3, 2, 5, tzinfo=UTC), "2024-02"),
        (Period.previous_month, datetime(2024, 1, 2, 5, tzinfo=UTC), "2023-12"),
        (Period.previous_month, datetime(2024, 2, 29, 23, 30, tzinfo=UTC), "2024-02"),  # already March in Madrid
        (Period.current_month, datetime(2023, 12, 31, 23, 30, tzinfo=UTC), "2024-01"),  # already January in Madrid
        (Period.previous_quarter, datetime(2024, 5, 15, tzinfo=UTC), "2024-01..2024-03"),
        (Period.previous_quarter, datetime(2024, 1, 15, tzinfo=UTC), "2023-10..2023-12"),
        (Period.year_to_date, datetime(2024, 1, 15, tzinfo=UTC), "2024-01"),
        (Period.year_to_date, datetime(2024, 11, 15, tzinfo=UTC), "2024-01..2024-11"),
    ],
)
def test_a_period_is_meant_from_the_scheduled_start_in_the_academys_zone(
    period: Period, scheduled: datetime, months: str
) -> None:
    assert str(_resolve(AskedRange(period=period), scheduled)) == months


@pytest.mark.parametrize(
    ("asked", "line"),
    [
        (AskedRange(start_date=date(2024, 3, 1)), "^start date without end date: give both"),
        (AskedRange(end_date=date(2024, 3, 1)), "^end date without start date: give both"),
        (
            AskedRange(start_date=date(2024, 3, 15), end_date=date(2024, 5, 1)),
            "start date 2024-03-15 is not the first day of a month: 2024-03-01 is",
        ),
        (AskedRange(start_date=date(2024, 3, 1), end_date=date(2024, 3, 1)), "2024-04-01 or later is expected"),
        (AskedRange(start_date=date(2024, 3, 1), end_date=date(2023, 3, 1)), "is not after start date 2024-03-01"),
        (AskedRange(start_date=date(1999, 12, 1), end_date=date(2000, 1, 1)), "from 2000-01-01 to 2101-01-01"),
        (AskedRange(year=1999), "year 1999 is not allowed: a year from 2000 to 2100"),
        (AskedRange(year=2101), "year 2101 is not allowed"),
    ],
)
def test_a_wrong_range_is_refused_with_a_line_that_says_what_is_allowed(asked: AskedRange, line: str) -> None:
    with pytest.raises(UsageError, match=line) as refusal:
        _resolve(asked)

    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    "text", ["2024-3-1", "2024-02-30", "01/03/2024", "", "2024-03", "2024-03-01T00:00", "٢٠٢٤-٠٣-٠١"]
)
def test_what_is_no_date_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="YYYY-MM-01 is expected"):
        parse_month_date("start date", text)


@pytest.mark.parametrize("text", ["24x", "", "-2024", "2024.0", "99999999999999999999"])
def test_what_is_no_year_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="a year from 2000 to 2100 is expected"):
        parse_year(text)


def test_an_unknown_step_is_refused_with_the_ones_there_are() -> None:
    with pytest.raises(UsageError, match=r"step 'invoice' is not known: one of services, invoices, .*accruals"):
        parse_step("invoice")


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2024-07-01", datetime(2024, 6, 30, 22, tzinfo=UTC)),
        ("2024-07-01T09:30", datetime(2024, 7, 1, 7, 30, tzinfo=UTC)),
        ("2024-07-01T09:30:00Z", datetime(2024, 7, 1, 9, 30, tzinfo=UTC)),
    ],
)
def test_a_moment_without_an_offset_is_read_in_the_zone(text: str, moment: datetime) -> None:
    assert parse_moment("since", text, SyncSettings().zone) == moment


@pytest.mark.parametrize("text", ["yesterday", "2024-13-01", "0001-01-01T00:00:00+23:00", ""])
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"since .* is no date or time"):
        parse_moment("since", text, SyncSettings().zone)


@given(st.dates(date(2000, 1, 1), date(2099, 12, 31)), st.integers(1, 60))
def test_the_months_of_a_range_follow_each_other_without_gap_or_overlap(day: date, count: int) -> None:
    start = day.replace(day=1)
    months = list(MonthWindow(start, next_month(start, count)).months())

    assert len(months) == count
    assert all(earlier.end == later.start for earlier, later in pairwise(months))
    assert (months[0].start, months[-1].end) == (start, next_month(start, count))
