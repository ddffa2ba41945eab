"""Rows 7 to 12, 18 and 19: contracts with periods."""

from decimal import Decimal

import pytest

from steps.engine.contract_month import AccrualRules, Counted
from steps.engine.sessions import PeriodInputs
from steps.ledger.contract import ContractStatus
from tests.steps.accruals.builders import accrual, contract, decided, document, notified, period, posted

RUNNING = period("2024-01-08", "2024-06-30")
LIVE = pytest.mark.parametrize("status", [ContractStatus.ACTIVE, ContractStatus.CLOSED])


@pytest.mark.parametrize(
    ("status", "amount", "expected"),
    [("ACTIVE", "300.00", "CLOSED"), ("CLOSED", "0.00", "CLOSED"), ("ACTIVE", "0.00", "CANCELED")],
)
def test_row_07_with_nothing_left_it_is_completed_without_a_posting(status: str, amount: str, expected: str) -> None:
    inputs = contract(
        document("2024-01-10", amount),
        status=status,
        periods=(RUNNING,),
        accrual=accrual(amount, last_month="2024-01"),
    )

    outcome = decided(inputs, "2024-03")

    assert (outcome.rule, outcome.counted, outcome.contract_status) == ("row-7", Counted.SUCCESSFUL, expected)
    assert outcome.postings == ()
    assert outcome.state is not None
    assert (outcome.state.status, str(outcome.state.last_month)) == ("COMPLETED", "2024-03-01")
    assert outcome.state.sessions_remaining == 0


@LIVE
def test_row_08_a_drop_earns_all_at_once_and_cancels(status: ContractStatus) -> None:
    dropped = period("2024-01-08", "2024-06-30", "DROPPED", "2024-02-20")
    inputs = contract(status=status, periods=(dropped,), accrual=accrual("40.00", last_month="2024-01"))

    outcome = decided(inputs, "2024-02")

    assert (outcome.rule, outcome.counted, outcome.contract_status) == ("row-8", Counted.SUCCESSFUL, "CANCELED")
    assert posted(outcome) == [(1, "260.00")]
    assert (str(outcome.postings[0].portion), outcome.postings[0].sessions) == ("1.000000", 7)
    assert decided(inputs, "2024-01").rule == "row-11", "in January nobody had dropped yet"


@LIVE
def test_row_09_an_end_earns_all_at_once_and_closes(status: ContractStatus) -> None:
    ended = period("2024-01-08", "2024-03-15", "ENDED")
    outcome = decided(contract(status=status, periods=(ended,)), "2024-03")

    assert (outcome.rule, outcome.counted, outcome.contract_status) == ("row-9", Counted.SUCCESSFUL, "CLOSED")
    assert posted(outcome) == [(1, "300.00")]
    assert outcome.state is not None
    assert outcome.state.status == "COMPLETED"


@LIVE
@pytest.mark.parametrize("changed", ["2024-03-01", "2024-03-31"])
def test_row_10_a_postponement_is_given_up_in_the_third_month_after_it(changed: str, status: ContractStatus) -> None:
    put_off = period("2024-01-08", "2024-06-30", "POSTPONED", changed)
    inputs = contract(status=status, periods=(put_off,), accrual=accrual("100.00", "PAUSED", "2024-03"))

    outcome = decided(inputs, "2024-06")

    assert (outcome.rule, outcome.counted, outcome.contract_status) == ("row-10", Counted.SUCCESSFUL, "CANCELED")
    assert posted(outcome) == [(1, "200.00")]
    assert decided(inputs, "2024-05").rule == "row-12"


def test_row_10_counts_over_the_turn_of_the_year_and_by_the_setting() -> None:
    put_off = period("2023-09-04", "2024-06-30", "POSTPONED", "2023-11-20")
    inputs = contract(document("2023-09-01", "300.00"), periods=(put_off,))

    assert [decided(inputs, month).row for month in ("2023-12", "2024-01", "2024-02")] == [12, 12, 10]
    assert decided(inputs, "2024-02", AccrualRules(postponed_months=4)).row == 12


def test_row_10_comes_before_row_11_where_nothing_is_waited_for() -> None:
    put_off = period("2024-01-08", "2024-06-30", "POSTPONED", "2024-03-20")

    assert decided(contract(periods=(put_off,)), "2024-03", AccrualRules(postponed_months=0)).rule == "row-10"


def test_row_10_without_a_date_counts_from_the_end() -> None:
    put_off = period("2024-01-08", "2024-03-31", "POSTPONED")

    assert [decided(contract(periods=(put_off,)), month).row for month in ("2024-05", "2024-06")] == [12, 10]


@LIVE
def test_row_11_a_month_with_days_in_force_accrues_its_part(status: ContractStatus) -> None:
    inputs = contract(status=status, periods=(RUNNING,))

    outcome = decided(inputs, "2024-01")

    assert (outcome.rule, outcome.counted, outcome.contract_status) == ("row-11", Counted.SUCCESSFUL, status)
    assert posted(outcome) == [(1, "40.00")]
    assert outcome.state is not None
    assert (outcome.state.status, outcome.state.remaining) == ("ACTIVE", Decimal("260.00"))
    assert (outcome.state.sessions_accrued, outcome.state.sessions_remaining, outcome.state.sessions_total) == (
        8,
        52,
        60,
    )


@LIVE
def test_row_11_at_nothing_left_it_is_completed_and_closed(status: ContractStatus) -> None:
    outcome = decided(contract(status=status, periods=(RUNNING,)), "2024-06")

    assert (outcome.rule, outcome.contract_status, posted(outcome)) == ("row-11", "CLOSED", [(1, "300.00")])
    assert outcome.state is not None
    assert outcome.state.status == "COMPLETED"


@LIVE
@pytest.mark.parametrize(
    ("periods", "month", "notices"),
    [
        pytest.param([RUNNING], "2024-07", ["period_over_but_active"], id="over but active"),
        pytest.param([period("2024-03-01", "2024-06-30")], "2024-02", [], id="not begun"),
        pytest.param([period("2024-01-08", "2024-06-30", "POSTPONED", "2024-02-10")], "2024-03", [], id="put off"),
        pytest.param([RUNNING, period("2024-09-02", "2024-12-20", number=2)], "2024-07", [], id="between two"),
    ],
)
def test_row_12_a_month_without_days_in_force_is_skipped(
    periods: list[PeriodInputs], month: str, notices: list[str], status: ContractStatus
) -> None:
    outcome = decided(contract(status=status, periods=tuple(periods)), month)

    assert (outcome.rule, outcome.counted, outcome.contract_status) == ("row-12", Counted.SKIPPED, status)
    assert (outcome.postings, notified(outcome)) == ((), notices)
    assert outcome.state is not None
    assert (outcome.state.total, outcome.state.last_month) == (Decimal("300.00"), None)


@pytest.mark.parametrize("told", ["ACTIVE", "ENDED"])
def test_row_18_a_canceled_contract_with_a_period_that_goes_on_is_for_a_person(told: str) -> None:
    periods = (
        period("2024-01-08", "2024-06-30", "DROPPED", "2024-02-01"),
        period("2024-02-05", "2024-03-15", told, "2024-03-15", number=2),
    )

    outcome = decided(contract(status=ContractStatus.CANCELED, periods=periods), "2024-03")

    assert (outcome.rule, outcome.counted, outcome.contract_status) == ("row-18", Counted.SKIPPED, "CANCELED")
    assert (outcome.postings, notified(outcome)) == ((), ["not_congruent_status"])
    assert "cohort-2" in outcome.notifications[0].message


@pytest.mark.parametrize("told", ["DROPPED", "POSTPONED"])
def test_row_19_a_canceled_contract_whose_periods_are_all_given_up_earns_all(told: str) -> None:
    periods = (
        period("2024-01-08", "2024-06-30", "DROPPED", "2024-02-01"),
        period("2024-02-05", "2024-06-30", told, "2024-03-15", number=2),
    )
    inputs = contract(status=ContractStatus.CANCELED, periods=periods)

    outcome = decided(inputs, "2024-03")

    assert (outcome.rule, outcome.counted, outcome.contract_status) == ("row-19", Counted.SUCCESSFUL, "CANCELED")
    assert posted(outcome) == [(2, "300.00")]
    assert decided(inputs, "2024-02").rule == "row-18", "in February the second still went on"


def test_row_19_all_of_nothing_writes_no_row_but_completes() -> None:
    dropped = period("2024-01-08", "2024-06-30", "DROPPED", "2024-02-01")
    inputs = contract(status=ContractStatus.CANCELED, periods=(dropped,), accrual=accrual("300.00"))

    outcome = decided(inputs, "2024-03")

    assert (outcome.rule, outcome.postings) == ("row-19", ())
    assert outcome.state is not None
    assert (outcome.state.status, str(outcome.state.last_month)) == ("COMPLETED", "2024-03-01")
