"""Every combination of what the rows ask meets exactly one row, the one that a plain reading of the spec names."""

from itertools import product

import pytest

from steps.engine.contract_month import Counted
from steps.engine.decision_table import TABLE
from steps.ledger.accrual import AccrualStatus
from steps.ledger.contract import ContractStatus
from tests.steps.accruals.builders import decided, notified
from tests.steps.accruals.cases import Case, Course, cases

pytestmark = pytest.mark.slow


def expected_row(case: Case) -> int:
    """Rows 1 to 3, as a person reads them."""
    if case.lock == "begins later":
        return 1
    if case.lock.startswith("posted"):
        return 2
    return 3 if case.lock in ("closed", "decided later") else open_row(case)


def open_row(case: Case) -> int:
    """Rows 4 to 22 as nested questions, which the engine has as a table."""
    if case.remaining == "-20.00":
        return 5
    completed, even = case.state == "COMPLETED", case.remaining == "0.00"
    if completed and even:
        return 4
    canceled = case.status == "CANCELED" and not completed
    if case.course.last == "NONE":
        return {
            "none": 20 if canceled else 13 if case.recent else 14,
            "dropped": 20 if canceled else 15,
            "ended": 21 if canceled else 16,
        }.get(case.page, 22 if canceled else 17)
    if canceled:
        return 19 if case.course.given_up else 18
    return 7 if even else course_row(case.course)


def course_row(course: Course) -> int:
    """Rows 8 to 12."""
    if course.last in ("DROPPED", "ENDED"):
        return 8 if course.last == "DROPPED" else 9
    if course.too_long:
        return 10
    return 11 if course.in_force else 12


def expected_notices(case: Case, row: int) -> list[str]:
    """The types of the notifications of a row."""
    if row == 3:
        would_be = open_row(case)
        money = would_be in (5, 8, 9, 10, 11, 14, 15, 16, 19, 20, 21) and case.remaining != "0.00"
        return ["past_month_locked"] if money else []
    if row == 12:
        return ["period_over_but_active"] if case.course.over else []
    if row == 17:
        return [] if case.recent else ["not_congruent_status"]
    return {13: ["missing_crm_data"], 18: ["not_congruent_status"], 22: ["not_congruent_status"]}.get(row, [])


def expected_contract(case: Case, row: int) -> str:
    """The contract's status after the row; row 11 always leaves sessions for later here."""
    before = "ACTIVE" if row > 6 and case.state == "COMPLETED" else case.status
    if row in (4, 7):
        sold = "CLOSED" if case.total == "300.00" else "CANCELED"
        return sold if before == "ACTIVE" else before
    if row == 5:
        return "CLOSED" if before != "CANCELED" and case.total == "300.00" else "CANCELED"
    fixed = {8: "CANCELED", 9: "CLOSED", 10: "CANCELED", 14: "CANCELED", 15: "CANCELED", 16: "CLOSED", 21: "CLOSED"}
    return fixed.get(row, before)


def expected_state(case: Case, row: int) -> str:
    """The accrual state after rows 4 to 22."""
    if row in (11, 12, 13, 17, 18, 22):
        return "PAUSED" if case.course.paused else "ACTIVE"
    return "COMPLETED"


@pytest.mark.parametrize("state", ["ACTIVE", "PAUSED", "COMPLETED"])
@pytest.mark.parametrize("status", ["ACTIVE", "CLOSED", "CANCELED"])
def test_every_combination_meets_exactly_the_row_that_the_spec_names(status: str, state: str) -> None:
    for case in cases(status, state):
        row = expected_row(case)

        outcome = decided(case.inputs(), "2024-03", closed="closed" in case.lock)

        assert outcome.row == row, case
        assert notified(outcome) == expected_notices(case, row), case
        if row < 4:
            assert (outcome.state, outcome.contract_status, outcome.postings) == (None, status, ()), case
            continue
        assert outcome.state is not None
        assert (outcome.contract_status, outcome.state.status) == (
            expected_contract(case, row),
            expected_state(case, row),
        ), case
        assert outcome.reopened is (state == "COMPLETED" and row > 6), case


def test_the_combinations_reach_every_row() -> None:
    """Row 6 never decides: it is passed on the way."""
    every = [case for status, state in product(ContractStatus, AccrualStatus) for case in cases(status, state)]

    assert {expected_row(case) for case in every} == set(range(1, 23)) - {6}


def test_the_table_has_the_22_rows_in_their_order() -> None:
    assert [rule.number for rule in TABLE] == list(range(1, 23))


def test_what_counts_as_skipped_and_as_successful() -> None:
    counted = {
        outcome.row: outcome.counted
        for status, state in product(ContractStatus, AccrualStatus)
        for case in cases(status, state)
        if case.total == "300.00"
        for outcome in [decided(case.inputs(), "2024-03", closed="closed" in case.lock)]
    }

    assert {row for row, how in counted.items() if how is Counted.SKIPPED} == {2, 3, 4, 12, 13, 17, 18, 22}
    assert {row for row, how in counted.items() if how is Counted.NOT_PROCESSED} == {1}
    assert {row for row, how in counted.items() if how is Counted.SUCCESSFUL} == {
        *(5, 7, 8, 9, 10, 11, 14, 15, 16, 19, 20, 21)
    }
