"""Periods as of a day: status, effective end, which is the last, and whose days are whose."""

from datetime import date, timedelta

import pytest
from hypothesis import given

from steps.engine.sessions import PeriodInputs, as_of, last_of, owned_days
from steps.ledger.service import PeriodStatus
from tests.steps.accruals import strategies
from tests.steps.accruals.builders import day, period
from tests.steps.accruals.day_by_day import days_of, effective_end, last_of_all, status_on

MARCH = day("2024-03-31")


@pytest.mark.parametrize(
    ("since", "status", "end"),
    [
        ("2024-03-31", "DROPPED", "2024-03-31"),
        ("2024-04-01", "ACTIVE", "2024-06-30"),
        ("2024-03-10", "DROPPED", "2024-03-10"),
        ("2023-12-01", "DROPPED", "2023-12-01"),
        (None, "ACTIVE", "2024-06-30"),
    ],
)
def test_a_status_counts_from_its_date_on(since: str | None, status: str, end: str) -> None:
    then = as_of(period("2024-01-08", "2024-06-30", "DROPPED", since), MARCH)

    assert (then.status, str(then.effective_end)) == (status, end)


@pytest.mark.parametrize("status", ["POSTPONED", "DROPPED", "ENDED"])
def test_a_status_without_a_date_counts_from_the_end_on(status: str) -> None:
    last_day = as_of(period("2024-01-08", "2024-03-31", status), MARCH)
    next_day = as_of(period("2024-01-08", "2024-04-01", status), MARCH)

    assert (last_day.status, next_day.status) == (status, "ACTIVE")


def test_a_change_after_the_end_does_not_make_the_period_longer() -> None:
    assert as_of(period("2024-01-08", "2024-02-20", "ENDED", "2024-03-15"), MARCH).effective_end == day("2024-02-20")


def test_the_date_of_an_active_period_ends_nothing() -> None:
    resumed = as_of(period("2024-01-08", "2024-06-30", "ACTIVE", "2024-02-10"), MARCH)

    assert (resumed.status, resumed.effective_end) == (PeriodStatus.ACTIVE, day("2024-06-30"))


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param(
            period("2024-03-01", "2024-03-20", number=9), period("2024-01-01", "2024-04-20"), id="effective end"
        ),
        pytest.param(
            period("2024-01-01", "2024-06-30", "DROPPED", "2024-03-10", number=9),
            period("2024-01-01", "2024-03-20"),
            id="not the end date",
        ),
        pytest.param(period("2024-01-01", "2024-03-20", number=9), period("2024-01-02", "2024-03-20"), id="start"),
        pytest.param(
            period("2024-01-01", "2024-03-20", number=9),
            period("2024-01-01", "2024-06-30", "DROPPED", "2024-03-20"),
            id="end date",
        ),
        pytest.param(
            period("2024-01-01", "2024-03-20", number=1), period("2024-01-01", "2024-03-20", number=2), id="id"
        ),
    ],
)
def test_the_last_period_by(first: PeriodInputs, second: PeriodInputs) -> None:
    both = [as_of(first, MARCH), as_of(second, MARCH)]

    assert last_of(both) is both[1]
    assert last_of(reversed(both)) is both[1]


def test_no_period_no_last_one() -> None:
    assert last_of([]) is None


@strategies.patient
@given(strategies.periods(), strategies.DAYS)
def test_as_of_any_day_a_plain_reading_agrees(periods: tuple[PeriodInputs, ...], then: date) -> None:
    known = [as_of(one, then) for one in periods]

    assert [one.status for one in known] == [status_on(one, then) for one in periods]
    assert [one.effective_end for one in known] == [effective_end(one, then) for one in periods]
    last = last_of(known)
    assert (last.inputs if last else None) == (last_of_all(periods, then) if periods else None)


@strategies.patient
@given(strategies.periods(most=6), strategies.DAYS)
def test_every_day_in_force_has_one_owner(periods: tuple[PeriodInputs, ...], then: date) -> None:
    owned = owned_days([as_of(one, then) for one in periods])

    own = [(span.first + timedelta(n), one.id) for one, spans in owned for span in spans for n in range(_length(span))]
    in_force = {day for one in periods for day in days_of(one.start, effective_end(one, then))}
    assert len(own) == len(in_force)
    assert {day for day, _ in own} == in_force
    starts = [(one.start, one.end, one.external_id) for one, _ in owned]
    assert starts == sorted(starts)


def _length(span: tuple[date, date]) -> int:
    return (span[1] - span[0]).days + 1
