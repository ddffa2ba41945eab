"""Contracts that cannot be processed: reported with every reason, and none for what has not happened yet."""

from dataclasses import replace
from decimal import Decimal

import pytest

from steps.engine.contract_month import ContractFailureError, ContractInputs
from steps.engine.sessions import ServiceInputs
from steps.errors import RecordRejectedError
from tests.steps.accruals.builders import contract, decided, document, period

INVOICE = document("2024-01-10", "300.00")
BACKWARDS = period("2024-03-04", "2024-03-03")


def refused(inputs: ContractInputs, month: str) -> str:
    """The reason why."""
    with pytest.raises(ContractFailureError) as failure:
        decided(inputs, month)
    assert failure.value.contract_id == inputs.id
    assert isinstance(failure.value, RecordRejectedError)
    return failure.value.reason


def test_a_period_that_ends_before_it_starts() -> None:
    reason = refused(contract(periods=(period("2024-01-08", "2024-06-30"), BACKWARDS)), "2024-01")

    assert reason == "period cohort-1 ends on 2024-03-03, before it starts on 2024-03-04"


def test_a_period_of_one_day_is_fine() -> None:
    assert decided(contract(periods=(period("2024-01-08", "2024-01-08"),)), "2024-01").rule == "row-11"


def test_a_document_in_another_currency_from_its_month_on() -> None:
    inputs = contract(INVOICE, document("2024-02-01", "20.00", "USD"), periods=(period("2024-01-08", "2024-06-30"),))

    assert refused(inputs, "2024-02") == "the document of 2024-02-01 is in USD, the contract in EUR"
    assert decided(inputs, "2024-01").rule == "row-11", "in January that document did not exist yet"


@pytest.mark.parametrize("amount", ["NaN", "sNaN", "Infinity", "-Infinity", "1E+15", "10.005"])
def test_an_amount_that_is_no_money(amount: str) -> None:
    assert amount in refused(contract(INVOICE, document("2024-01-11", amount)), "2024-01")


def test_a_weekday_that_does_not_exist() -> None:
    inputs = contract(
        periods=(period("2024-01-08", "2024-06-30"),), service=ServiceInputs(class_weekdays=frozenset({7}))
    )

    assert "weekdays" in refused(inputs, "2024-01")


def test_all_reasons_are_said_at_once() -> None:
    assert refused(contract(document("2024-01-10", "1.00", "USD"), periods=(BACKWARDS,)), "2024-01").count(";") == 1


def test_a_contract_that_is_not_considered_is_no_failure() -> None:
    assert decided(contract(periods=(BACKWARDS,)), "2023-12").rule == "row-1"


def test_a_bad_contract_is_reported_in_a_month_that_is_posted_or_closed_too() -> None:
    inputs = contract(periods=(BACKWARDS,))
    posted = replace(inputs, accrual=replace(inputs.accrual, has_posting_in_month=True, accrued_before=Decimal(1)))

    assert "before it starts" in refused(posted, "2024-01")
    with pytest.raises(ContractFailureError):
        decided(inputs, "2024-01", closed=True)
