"""The amount of a month and its split: exact, rounded once, and never a cent lost."""

from decimal import Decimal
from fractions import Fraction
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steps.engine.decision_table import amount_for, portion_of, split_amount
from steps.ledger.money import to_cents
from tests.steps.accruals.builders import accrual, contract, decided, document, period, posted
from tests.steps.accruals.strategies import patient

MONEY = st.integers(0, 10**8).map(lambda cents: Decimal(cents).scaleb(-2))
SESSIONS = st.lists(st.integers(1, 40), min_size=1, max_size=6)


def test_half_a_cent_goes_up() -> None:
    assert amount_for(Decimal("0.01"), 1, 2) == Decimal("0.01")
    assert amount_for(Decimal("0.03"), 1, 2) == Decimal("0.02"), "half even would say so too"
    assert amount_for(Decimal("0.05"), 1, 2) == Decimal("0.03"), "half even would say 0.02"
    assert amount_for(Decimal("100.00"), 1, 3) == Decimal("33.33")


@patient
@given(MONEY, SESSIONS, st.integers(0, 100))
def test_the_first_n_amounts_are_the_amount_for_the_sessions_of_those_n(
    remaining: Decimal, sessions: list[int], after: int
) -> None:
    left = sum(sessions) + after

    amounts = split_amount(remaining, sessions, left)

    assert len(amounts) == len(sessions)
    for total, count in zip(accumulate(amounts), accumulate(sessions), strict=True):
        assert total == to_cents(Fraction(remaining) * Fraction(count, left))
    assert all(amount >= 0 for amount in amounts)
    assert after or sum(amounts) == remaining


@pytest.mark.parametrize(
    ("sessions", "left", "expected"),
    [(6, 32, "0.187500"), (1, 3, "0.333333"), (2, 3, "0.666667"), (5, 5, "1.000000"), (1, 2_000_000, "0.000001")],
)
def test_a_portion_has_six_decimals_half_up(sessions: int, left: int, expected: str) -> None:
    assert str(portion_of(sessions, left)) == expected


def test_a_month_of_several_periods_is_rounded_on_the_running_sum() -> None:
    """A third of 100.00 each, in order of start: 33.33, 66.67, 100.00, and not 33.33 three times."""
    thirds = (
        period("2024-02-19", "2024-02-25", number=3),
        period("2024-02-05", "2024-02-11", number=1),
        period("2024-02-12", "2024-02-18", number=2),
    )

    outcome = decided(contract(document("2024-01-10", "100.00"), periods=thirds), "2024-02")

    assert posted(outcome) == [(1, "33.33"), (2, "33.34"), (3, "33.33")]
    assert [str(one.portion) for one in outcome.postings] == ["0.333333"] * 3
    assert [one.sessions for one in outcome.postings] == [3, 3, 3]


def test_a_period_without_a_session_in_the_month_gets_no_row() -> None:
    hidden = period("2024-02-05", "2024-02-11", number=1)
    over_it = period("2024-02-05", "2024-03-11", number=2)

    assert posted(decided(contract(periods=(hidden, over_it)), "2024-02")) == [(2, "200.00")]


def test_a_month_without_a_session_posts_nothing_while_some_are_left() -> None:
    course = period("2024-01-31", "2024-12-31")

    outcome = decided(contract(periods=(course,)), "2024-01")

    assert (outcome.rule, outcome.postings) == ("row-11", ())
    assert outcome.state is not None
    assert (outcome.state.remaining, outcome.state.last_month) == (Decimal("300.00"), None)


def test_a_last_amount_without_a_session_goes_on_the_last_period_in_force() -> None:
    """Both are in force on 1 January, whose only owner, the one that started last, had its class on 31 December."""
    started_last = period("2023-12-30", "2024-01-01", number=1)
    long = period("2023-12-01", "2024-01-01", number=2)
    inputs = contract(document("2023-12-01", "300.00"), periods=(started_last, long), accrual=accrual("100.00"))

    outcome = decided(inputs, "2024-01")

    assert (outcome.rule, posted(outcome)) == ("row-11", [(1, "200.00")])
    assert (str(outcome.postings[0].portion), outcome.postings[0].sessions) == ("1.000000", 0)
    assert outcome.contract_status == "CLOSED"


def test_what_earns_less_than_a_cent_still_has_its_row() -> None:
    inputs = contract(document("2024-01-10", "0.01"), periods=(period("2024-01-08", "2024-06-30"),))

    assert posted(decided(inputs, "2024-01")) == [(1, "0.00")]
    assert posted(decided(inputs, "2024-06")) == [(1, "0.01")]
