"""Every figure of the worked examples of docs/accrual-rules.md, and no other source for them."""

import re
from decimal import Decimal
from pathlib import Path

import pytest

from steps.engine.contract_month import AccrualRules, DocumentInputs
from steps.engine.sessions import ServiceInputs
from tests.steps.accruals.builders import contract, document, period
from tests.steps.accruals.ledger import Ledger

MONDAY_AND_WEDNESDAY = ServiceInputs(class_weekdays=frozenset({0, 2}))


@pytest.mark.parametrize(
    ("documents", "expected"),
    [
        pytest.param(
            [document("2025-03-04", "500.00")],
            {"2025-05": "93.75", "2025-06": "140.63", "2025-07": "140.62", "2025-08": "125.00"},
            id="invoiced at once",
        ),
        pytest.param(
            [document("2025-03-04", "250.00"), document("2025-05-26", "250.00")],
            {"2025-05": "93.75", "2025-06": "140.63", "2025-07": "140.62", "2025-08": "125.00"},
            id="in halves on 4 March and 26 May",
        ),
        pytest.param(
            [document("2025-03-04", "250.00"), document("2025-07-10", "250.00")],
            {"2025-05": "46.88", "2025-06": "70.31", "2025-07": "202.66", "2025-08": "180.15"},
            id="the second half on 10 July",
        ),
        pytest.param(
            [document("2025-07-10", "500.00")],
            {"2025-07": "264.71", "2025-08": "235.29"},
            id="whole on 10 July",
        ),
    ],
)
def test_500_euros_from_12_may_to_27_august(documents: list[DocumentInputs], expected: dict[str, str]) -> None:
    ledger = Ledger(contract(*documents, periods=(period("2025-05-12", "2025-08-27"),), service=MONDAY_AND_WEDNESDAY))

    ledger.run("2025-01", "2025-12")

    assert ledger.amounts() == expected
    assert ledger.contract_status == "CLOSED"


@pytest.mark.parametrize("total_sessions", [1, 60, 500])
def test_the_500_euros_are_32_sessions_whatever_the_total_of_sessions_says(total_sessions: int) -> None:
    service = ServiceInputs(total_sessions=total_sessions, class_weekdays=frozenset({0, 2}))
    ledger = Ledger(
        contract(document("2025-03-04", "500.00"), periods=(period("2025-05-12", "2025-08-27"),), service=service)
    )

    ledger.run("2025-01", "2025-04")
    assert ledger.state.sessions_remaining == 32
    ledger.run("2025-05", "2025-08")

    assert [posting.sessions for _, posting in ledger.postings] == [6, 9, 9, 8]
    assert (ledger.state.sessions_accrued, ledger.state.sessions_remaining) == (32, 0)


def test_600_euros_postponed_on_10_march() -> None:
    put_off = period("2024-01-08", "2024-06-30", "POSTPONED", "2024-03-10")
    ledger = Ledger(contract(document("2024-01-02", "600.00"), periods=(put_off,)))

    ledger.run("2024-01", "2024-02")
    assert ledger.state.status == "ACTIVE"
    ledger.run("2024-03", "2024-05")

    assert ledger.amounts() == {"2024-01": "80.00", "2024-02": "100.00", "2024-03": "40.00"}
    assert (ledger.state.status, ledger.state.remaining) == ("PAUSED", Decimal("380.00"))
    assert [outcome.rule for outcome in ledger.outcomes[-2:]] == ["row-12", "row-12"]

    ledger.run("2024-06", "2024-06")

    assert ledger.amounts() == {"2024-01": "80.00", "2024-02": "100.00", "2024-03": "40.00", "2024-06": "380.00"}
    assert ledger.outcomes[-1].rule == "row-10"
    assert (ledger.state.status, ledger.contract_status) == ("COMPLETED", "CANCELED")


@pytest.mark.parametrize("method", ["prospective", "catch-up"])
def test_six_instalments_of_1000_as_the_rules_have_them(method: str) -> None:
    """The figures of docs/accrual-rules.md, The amount, in the row of the method."""
    rules = (Path(__file__).parents[3] / "docs" / "accrual-rules.md").read_text()
    (row,) = re.findall(rf"^\| `{method}` \| (.*) \|$", rules, re.MULTILINE)
    instalments = [document(f"2025-{month:02}-01", "1000.00") for month in range(1, 7)]
    course = period("2025-01-01", "2025-06-30")
    ledger = Ledger(contract(*instalments, periods=(course,)), AccrualRules(catch_up=method == "catch-up"))

    ledger.run("2025-01", "2025-07")

    assert [f"{Decimal(amount):,.2f}" for amount in ledger.amounts().values()] == row.split(" | ")
    assert [posting.sessions for _, posting in ledger.postings] == [10] * 6
    assert ledger.state.accrued == 6000
