"""Rows 1 to 6 of the decision table: what holds whatever the contract's status."""

from decimal import Decimal

import pytest

from steps.engine.contract_month import Counted, DocumentInputs
from steps.ledger.contract import ContractStatus
from tests.steps.accruals.builders import accrual, contract, decided, document, notified, period, posted

DROPPED = period("2024-01-08", "2024-06-30", "DROPPED", "2024-02-20")
RUNNING = period("2024-01-08", "2024-06-30")
EVERY_STATUS = pytest.mark.parametrize("status", list(ContractStatus))


@EVERY_STATUS
def test_row_01_a_contract_that_begins_after_the_month_is_not_considered(status: ContractStatus) -> None:
    inputs = contract(document("2024-03-01", "300.00"), status=status, periods=(RUNNING,))

    outcome = decided(inputs, "2024-02")

    assert (outcome.rule, outcome.counted, outcome.state) == ("row-1", Counted.NOT_PROCESSED, None)
    assert decided(inputs, "2024-03").row != 1


def test_row_01_a_contract_of_the_months_last_day_is_considered() -> None:
    assert decided(contract(document("2024-02-29", "300.00"), periods=(RUNNING,)), "2024-02").rule == "row-11"


@EVERY_STATUS
def test_row_02_a_month_with_a_posting_is_left_unchanged(status: ContractStatus) -> None:
    inputs = contract(status=status, periods=(DROPPED,), accrual=accrual(last_month="2024-02", posted=True))

    outcome = decided(inputs, "2024-02", closed=True)

    assert (outcome.rule, outcome.counted, outcome.state) == ("row-2", Counted.SKIPPED, None)
    assert (outcome.postings, outcome.notifications, outcome.contract_status) == ((), (), status)


@EVERY_STATUS
def test_row_03_a_closed_month_is_skipped_and_the_money_notified(status: ContractStatus) -> None:
    outcome = decided(contract(status=status, periods=(DROPPED,)), "2024-02", closed=True)

    assert (outcome.rule, outcome.counted, outcome.state) == ("row-3", Counted.SKIPPED, None)
    assert (outcome.postings, outcome.contract_status) == ((), status)
    assert notified(outcome) == ["past_month_locked"]
    assert "300.00 EUR" in outcome.notifications[0].message
    assert "2024-02 is closed" in outcome.notifications[0].message


def test_row_03_a_month_before_the_last_one_decided_is_skipped() -> None:
    inputs = contract(periods=(RUNNING,), accrual=accrual(last_month="2024-03"))

    outcome = decided(inputs, "2024-02")

    assert (outcome.rule, notified(outcome)) == ("row-3", ["past_month_locked"])
    assert decided(inputs, "2024-03").rule == "row-11"


def test_row_03_says_nothing_when_no_money_is_concerned() -> None:
    before_the_course = contract(periods=(RUNNING,), accrual=accrual("300.00", "COMPLETED", "2024-03"))
    without_class = contract(periods=(period("2024-03-04", "2024-06-30"),), accrual=accrual(last_month="2024-03"))
    even = contract(periods=(RUNNING,), accrual=accrual("300.00", last_month="2024-03"))

    for inputs in (before_the_course, without_class, even):
        outcome = decided(inputs, "2024-02")
        assert (outcome.rule, outcome.notifications) == ("row-3", ())


def test_row_03_tries_the_rows_below_with_a_completed_state_reopened() -> None:
    """April had no class; June completed the contract. Seen from April 380.00 remain, but no row would post them."""
    put_off = period("2024-01-08", "2024-06-30", "POSTPONED", "2024-03-10")
    done = accrual("220.00", "COMPLETED", "2024-06")
    inputs = contract(document("2024-01-02", "600.00"), periods=(put_off,), accrual=done, status="CANCELED")

    assert (decided(inputs, "2024-04").rule, decided(inputs, "2024-04").notifications) == ("row-3", ())


def test_row_03_a_credit_that_would_be_posted_is_notified_too() -> None:
    inputs = contract(document("2024-01-10", "100.00"), accrual=accrual("300.00", "COMPLETED", "2024-03"))

    assert notified(decided(inputs, "2024-02")) == ["past_month_locked"]


@pytest.mark.parametrize(
    ("status", "documents", "expected"),
    [
        ("ACTIVE", [document("2024-01-10", "300.00")], "CLOSED"),
        ("ACTIVE", [document("2024-01-10", "300.00"), document("2024-02-10", "-300.00")], "CANCELED"),
        ("CLOSED", [document("2024-01-10", "300.00"), document("2024-02-10", "-300.00")], "CLOSED"),
        ("CANCELED", [document("2024-01-10", "300.00")], "CANCELED"),
    ],
)
def test_row_04_completed_and_even_is_skipped(status: str, documents: list[DocumentInputs], expected: str) -> None:
    total = "300.00" if len(documents) == 1 else "0.00"
    done = accrual(total, "COMPLETED", "2024-02")
    inputs = contract(*documents, status=status, periods=(RUNNING,), accrual=done)

    outcome = decided(inputs, "2024-03")

    assert (outcome.rule, outcome.counted, outcome.contract_status) == ("row-4", Counted.SKIPPED, expected)
    assert outcome.state is not None
    assert (outcome.state.status, outcome.state.sessions_remaining) == ("COMPLETED", 0)
    assert outcome.state.last_month == inputs.accrual.last_month, "nothing was completed now"


@pytest.mark.parametrize(
    ("status", "credited", "expected"),
    [
        ("ACTIVE", "-100.00", "CLOSED"),
        ("CLOSED", "-100.00", "CLOSED"),
        ("CANCELED", "-100.00", "CANCELED"),
        ("ACTIVE", "-300.00", "CANCELED"),
        ("CLOSED", "-350.00", "CANCELED"),
    ],
)
@pytest.mark.parametrize("state", ["ACTIVE", "PAUSED", "COMPLETED"])
def test_row_05_what_was_credited_after_it_was_accrued_goes_off_in_this_month(
    status: str, credited: str, expected: str, state: str
) -> None:
    documents = (document("2024-01-10", "300.00"), document("2024-03-20", credited))
    inputs = contract(*documents, status=status, periods=(RUNNING,), accrual=accrual("300.00", state, "2024-02"))

    outcome = decided(inputs, "2024-03")

    assert (outcome.rule, outcome.counted, outcome.contract_status) == ("row-5", Counted.SUCCESSFUL, expected)
    assert posted(outcome) == [(1, credited)]
    assert (str(outcome.postings[0].portion), outcome.postings[0].sessions) == ("1.000000", 11)
    assert outcome.state is not None
    assert (outcome.state.status, outcome.state.remaining) == ("COMPLETED", Decimal(0))


def test_row_05_without_a_period_has_a_posting_without_period() -> None:
    inputs = contract(document("2024-01-10", "100.00"), accrual=accrual("300.00", "COMPLETED", "2024-02"))

    assert posted(decided(inputs, "2024-03")) == [(None, "-200.00")]


@EVERY_STATUS
def test_row_06_a_late_document_reopens_and_the_rows_below_decide(status: ContractStatus) -> None:
    documents = (document("2024-01-10", "300.00"), document("2024-03-20", "60.00"))
    done = accrual("300.00", "COMPLETED", "2024-02")
    inputs = contract(*documents, status=status, periods=(RUNNING,), accrual=done)

    outcome = decided(inputs, "2024-03")

    assert (outcome.rule, outcome.reopened, outcome.contract_status) == ("row-11", True, "ACTIVE")
    assert outcome.state is not None
    assert outcome.state.status == "ACTIVE"
    assert Decimal(0) < outcome.amount < Decimal(60)


@EVERY_STATUS
def test_row_06_reopening_is_remembered_even_if_nothing_can_be_posted(status: ContractStatus) -> None:
    documents = (document("2024-01-10", "300.00"), document("2024-08-20", "60.00"))
    done = accrual("300.00", "COMPLETED", "2024-06")
    inputs = contract(*documents, status=status, periods=(RUNNING,), accrual=done)

    outcome = decided(inputs, "2024-08")

    assert (outcome.rule, outcome.reopened, outcome.contract_status) == ("row-12", True, "ACTIVE")
    assert notified(outcome) == ["period_over_but_active"]
    assert outcome.state is not None
    assert (outcome.state.status, str(outcome.state.last_month)) == ("ACTIVE", "2024-08-01")
