"""Counting sessions: in closed form what a count day by day gives."""

from collections.abc import Sequence
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steps.engine.contract_month import AccrualRules
from steps.engine.sessions import (
    MonthSessions,
    PeriodInputs,
    ServiceInputs,
    Span,
    Timetable,
    as_of,
    count_sessions,
    divide_half_up,
    last_of,
    planned_sessions,
)
from steps.ledger.months import last_of_month
from tests.steps.accruals import strategies
from tests.steps.accruals.builders import RULES, day, period
from tests.steps.accruals.day_by_day import count_day_by_day, sessions_of_day


def counted(
    periods: Sequence[PeriodInputs], month: date, service: ServiceInputs, rules: AccrualRules = RULES
) -> MonthSessions:
    """What the engine counts."""
    last = last_of_month(month)
    then = [as_of(one, last) for one in periods]
    return count_sessions(then, last_of(then), Span(month, last), Timetable(service, rules.sorted_holidays))


@pytest.mark.slow
@strategies.patient
@given(strategies.periods(), strategies.services, strategies.rules, strategies.MONTHS)
def test_the_closed_forms_count_what_a_count_day_by_day_gives(
    periods: tuple[PeriodInputs, ...], service: ServiceInputs, rules: AccrualRules, month: date
) -> None:
    of_day = sessions_of_day(service, rules.holidays)
    in_month, after = count_day_by_day(periods, month, last_of_month(month), of_day)

    sessions = counted(periods, month, service, rules)

    assert {one.id: number for one, number in sessions.by_period} == in_month
    assert sessions.after == after
    assert (sessions.in_month, sessions.remaining) == (sum(in_month.values()), sum(in_month.values()) + after)


@strategies.patient
@given(strategies.DAYS, st.integers(0, 400), strategies.services)
def test_the_months_of_a_period_add_up_to_its_sessions(start: date, length: int, service: ServiceInputs) -> None:
    one = PeriodInputs(1, "cohort-1", start, start + timedelta(days=length))
    months = [date(2023 + n // 12, n % 12 + 1, 1) for n in range(48)]

    total = sum(counted([one], month, service).in_month for month in months)

    assert total == counted([one], months[0], service).remaining
    if not service.class_weekdays:
        assert total == planned_sessions(length + 1, service)
        assert 1 <= total <= service.total_sessions


@pytest.mark.parametrize(("days", "expected"), [(1, 1), (3, 1), (4, 2), (7, 3), (140, 60), (175, 60)], ids=str)
def test_a_period_has_three_sessions_a_week_at_least_one_and_at_most_the_total(days: int, expected: int) -> None:
    assert planned_sessions(days, ServiceInputs(total_sessions=60, sessions_per_week=3)) == expected


def test_every_rounding_is_half_up() -> None:
    assert [divide_half_up(n, 2) for n in range(6)] == [0, 1, 1, 2, 2, 3]
    assert planned_sessions(7, ServiceInputs(sessions_per_week=1)) == 1
    two_days = period("2024-01-31", "2024-02-01")
    assert counted([two_days], day("2024-01"), ServiceInputs(total_sessions=1)).in_month == 1


def test_public_holidays_have_no_class_only_where_a_country_is_configured() -> None:
    course, mondays = period("2024-05-01", "2024-05-31"), ServiceInputs(class_weekdays=frozenset({0}))
    a_monday_and_a_tuesday = AccrualRules(holidays=frozenset({day("2024-05-06"), day("2024-05-07")}))

    assert counted([course], day("2024-05"), mondays).in_month == 4
    assert counted([course], day("2024-05"), mondays, a_monday_and_a_tuesday).in_month == 3


@pytest.mark.parametrize("holiday", ["2024-05-01", "2024-05-31"])
def test_a_holiday_on_the_first_or_the_last_day_counts(holiday: str) -> None:
    course, daily = period("2024-04-01", "2024-06-30"), ServiceInputs(class_weekdays=frozenset(range(5)))

    free = AccrualRules(holidays=frozenset({day(holiday)}))

    assert counted([course], day("2024-05"), daily).in_month == 23
    assert counted([course], day("2024-05"), daily, free).in_month == 22
    assert counted([course], day("2024-04"), daily, free).in_month == 22
    assert counted([course], day("2024-06"), daily, free).in_month == 20


def test_without_class_days_the_sessions_are_spread_as_if_they_were_not_known() -> None:
    course = period("2024-01-08", "2024-06-30")

    nobody_filled_it_in = counted([course], day("2024-01"), ServiceInputs(class_weekdays=frozenset()))

    assert nobody_filled_it_in == counted([course], day("2024-01"), ServiceInputs())


def test_a_day_in_two_periods_counts_once_for_the_one_that_started_last() -> None:
    long = period("2024-01-01", "2024-01-31", number=1)
    inside = period("2024-01-10", "2024-01-20", number=2)
    daily = ServiceInputs(total_sessions=100, sessions_per_week=7)

    sessions = counted([inside, long], day("2024-01"), daily)

    assert [(one.id, number) for one, number in sessions.by_period] == [(1, 20), (2, 11)]


@pytest.mark.parametrize(
    ("first", "second", "owner"),
    [
        pytest.param(("2024-01-01", "2024-01-20"), ("2024-01-01", "2024-01-31"), 2, id="the later end"),
        pytest.param(("2024-01-01", "2024-01-31"), ("2024-01-01", "2024-01-31"), 2, id="the greater external id"),
    ],
)
def test_among_periods_that_start_together(first: tuple[str, str], second: tuple[str, str], owner: int) -> None:
    daily = ServiceInputs(total_sessions=100, sessions_per_week=7)
    both = [period(*second, number=2), period(*first, number=1)]

    sessions = counted(both, day("2024-01"), daily)

    assert {one.id: number for one, number in sessions.by_period if number} == {owner: 31}


def test_the_days_that_a_postponement_puts_off_remain_to_be_taught() -> None:
    put_off = period("2024-01-08", "2024-06-30", "POSTPONED", "2024-03-10")

    assert [counted([put_off], day(month), ServiceInputs()).after for month in ("2024-02", "2024-03", "2024-12")] == [
        42,
        38,
        38,
    ]


def test_the_days_after_a_drop_or_an_end_are_not_taught_any_more() -> None:
    for status in ("DROPPED", "ENDED"):
        over = period("2024-01-08", "2024-06-30", status, "2024-03-10")
        assert counted([over], day("2024-03"), ServiceInputs()).after == 0


def test_a_postponement_before_the_start_puts_off_the_whole_period() -> None:
    put_off = period("2024-03-04", "2024-06-30", "POSTPONED", "2024-02-10")

    sessions = counted([put_off], day("2024-03"), ServiceInputs())

    assert (sessions.in_month, sessions.after) == (0, planned_sessions(119, ServiceInputs()))
