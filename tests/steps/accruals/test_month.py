"""All contracts of a month: promise 5, and the step's result."""

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steps.accruals import AccrualsResult, MonthResult
from steps.engine.contract_month import AccrualRules, ContractFailureError, ContractInputs, DocumentInputs
from steps.engine.decision_table import decide
from steps.engine.post import worked_out_from
from steps.engine.sessions import PeriodInputs
from tests.steps.accruals import strategies
from tests.steps.accruals.builders import RULES, accrual, contract, day, document, period

pytestmark = pytest.mark.slow

MARCH = day("2024-03")
BAD = contract(number=90, periods=(period("2024-03-04", "2024-03-03"),))


def result_of(*contracts: ContractInputs, rules: AccrualRules = RULES) -> dict[str, Any]:
    result = MonthResult(MARCH)
    for inputs in contracts:
        try:
            result.add(decide(inputs, MARCH, rules, closed=False), inputs.currency)
        except ContractFailureError as failure:
            result.failures.append(failure)
    return AccrualsResult.of(result).as_json()


@strategies.patient
@given(st.lists(strategies.contracts(), max_size=6), st.data(), st.integers(0, 6), strategies.rules)
def test_promise_5_the_result_is_the_same_in_whatever_order_contracts_come(
    drawn: list[ContractInputs], data: st.DataObject, at: int, rules: AccrualRules
) -> None:
    numbered = [replace(inputs, id=number) for number, inputs in enumerate(drawn)]
    numbered.insert(at, BAD)

    assert result_of(*data.draw(st.permutations(numbered)), rules=rules) == result_of(*numbered, rules=rules)


def test_the_result_says_what_happened_in_figures() -> None:
    running, dropped = period("2024-01-08", "2024-06-30"), period("2024-01-08", "2024-06-30", "DROPPED", "2024-03-10")
    contracts = [
        BAD,
        contract(document("2024-04-01", "10.00"), number=1),
        contract(number=2, periods=(running,), accrual=accrual("0.00", last_month="2024-03", posted=True)),
        contract(number=3, periods=(dropped,)),
        contract(number=4, periods=(dropped,), status="CLOSED", accrual=accrual("299.00")),
        contract(number=5, periods=(dropped,), status="CANCELED"),
        contract(number=6, periods=(period("2024-01-08", "2024-03-20", "ENDED"),), accrual=accrual("100.50")),
        contract(document("2024-03-20", "10.00"), number=7),
        contract(number=8, periods=(period("2024-01-08", "2024-03-20"),), status="CLOSED", accrual=accrual("200.25")),
    ]

    result = result_of(*contracts)

    assert json.loads(json.dumps(result)) == {
        "period_start_date": "2024-03-01",
        "summary": {
            "total_contracts_processed": 8,
            "successful_accruals": 5,
            "failed_accruals": 1,
            "skipped_accruals": 2,
        },
        "amount_accrued": "900.25",
        "accrued_by_currency": {"EUR": "900.25"},
        "contracts_closed": 1,
        "contracts_canceled": 2,
        "notifications": [
            {
                "type": "missing_crm_data",
                "contract_id": 7,
                "message": "no period and no Notion page; 10.00 EUR remain",
            }
        ],
        "failures": [
            {
                "contract_id": 90,
                "reason": "period cohort-1 ends on 2024-03-03, before it starts on 2024-03-04",
            }
        ],
        "override": None,
        "policy": {},
    }


def test_a_month_without_contracts_has_accrued_nothing() -> None:
    assert result_of()["amount_accrued"] == "0.00"


def test_what_is_accrued_is_told_by_currency_and_counts_as_a_change_even_if_it_adds_up_to_nothing() -> None:
    result = MonthResult(MARCH)
    for number, currency, amount in [(1, "EUR", "10.00"), (2, "USD", "7.00"), (3, "USD", "-7.00")]:
        ended = (period("2024-01-08", "2024-03-20", "ENDED"),)
        inputs = contract(document("2024-02-01", amount, currency), number=number, periods=ended)
        inputs = replace(inputs, currency=currency)
        result.add(decide(inputs, MARCH, RULES, closed=False), currency)

    told = AccrualsResult.of(result)

    assert told.as_json()["accrued_by_currency"] == {"EUR": "10.00", "USD": "0.00"}
    assert told.line.startswith("10.00 EUR and 0.00 USD accrued, 3 contracts processed")
    assert AccrualsResult.of(MonthResult(MARCH)).changed_something is False
    assert told.model_copy(update={"amount_accrued": Decimal(0)}).changed_something is True


def test_what_a_posting_was_worked_out_from_is_the_same_whichever_record_was_imported_first() -> None:
    early, late = document("2024-01-10", "300.00"), document("2024-02-01", "-20.00")
    first = period("2024-01-08", "2024-06-30", number=1)
    second = period("2024-01-08", "2024-05-30", number=2)

    def kept(documents: tuple[DocumentInputs, ...], periods: tuple[PeriodInputs, ...]) -> str:
        inputs = contract(*documents, periods=periods)
        sessions = decide(inputs, MARCH, RULES, closed=False).sessions
        assert sessions is not None
        return worked_out_from(inputs, sessions, RULES, "{}")

    one, other = kept((early, late), (first, second)), kept((late, early), (second, first))
    assert one == other
    assert json.loads(one)["documents"] == [["2024-01-10", "300.00"], ["2024-02-01", "-20.00"]]
    assert [each[0] for each in json.loads(one)["periods"]] == ["cohort-1", "cohort-2"]
