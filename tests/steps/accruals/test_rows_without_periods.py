"""Rows 13 to 17 and 20 to 22: contracts that no period is known of; Notion speaks."""

from datetime import date
from decimal import Decimal

import pytest

from steps.engine.contract_month import AccrualRules, Counted, NotionInputs
from steps.ledger.contract import ContractStatus
from tests.steps.accruals.builders import accrual, contract, decided, document, notified, posted

LIVE = pytest.mark.parametrize("status", [ContractStatus.ACTIVE, ContractStatus.CLOSED])
DROPPED_LIKE = pytest.mark.parametrize("told", ["DROPPED", "EARLY_DROPPED", "SUSPENDED"])
ENDED_LIKE = pytest.mark.parametrize("told", ["GRADUATED", "NOT_COMPLETING", "ENDED"])
MARCH = date(2024, 3, 31)
UNCLEAR = [
    pytest.param(NotionInputs("ACTIVE", date(2024, 3, 1)), id="active"),
    pytest.param(NotionInputs("POSTPONED", date(2024, 3, 1)), id="postponed"),
    pytest.param(NotionInputs(None, date(2024, 3, 1)), id="no status"),
    pytest.param(NotionInputs("DROPPED", None), id="dropped without a date"),
    pytest.param(NotionInputs("GRADUATED", None), id="graduated without a date"),
    pytest.param(NotionInputs("DROPPED", date(2024, 4, 1)), id="dropped later"),
    pytest.param(NotionInputs("GRADUATED", date(2024, 4, 1)), id="graduated later"),
]


@LIVE
def test_row_13_a_recent_client_whom_nobody_knows_is_waited_for(status: ContractStatus) -> None:
    outcome = decided(contract(document("2024-03-16", "300.00"), status=status), "2024-03")

    assert (outcome.rule, outcome.counted, outcome.contract_status) == ("row-13", Counted.SKIPPED, status)
    assert (outcome.postings, notified(outcome)) == ((), ["missing_crm_data"])
    assert outcome.state is not None
    assert (outcome.state.status, outcome.state.remaining) == ("ACTIVE", Decimal("300.00"))


@LIVE
def test_row_14_a_client_whom_nobody_knows_for_long_has_resigned(status: ContractStatus) -> None:
    outcome = decided(contract(document("2024-03-15", "300.00"), status=status), "2024-03")

    assert (outcome.rule, outcome.counted, outcome.contract_status) == ("row-14", Counted.SUCCESSFUL, "CANCELED")
    assert posted(outcome) == [(None, "300.00")]
    assert (str(outcome.postings[0].portion), outcome.postings[0].sessions) == ("1.000000", 0)


def test_row_14_how_long_is_a_setting() -> None:
    inputs = contract(document("2024-03-15", "300.00"))

    assert decided(inputs, "2024-03", AccrualRules(recent_days=16)).rule == "row-13"


def test_row_14_all_of_nothing_writes_no_row_but_completes_and_cancels() -> None:
    inputs = contract(document("2024-01-10", "300.00"), document("2024-01-20", "-300.00"))

    outcome = decided(inputs, "2024-03")

    assert (outcome.rule, outcome.postings, outcome.contract_status) == ("row-14", (), "CANCELED")
    assert outcome.state is not None
    assert (outcome.state.status, str(outcome.state.last_month)) == ("COMPLETED", "2024-03-01")


@LIVE
@DROPPED_LIKE
def test_row_15_dropped_in_notion_earns_all_and_cancels(told: str, status: ContractStatus) -> None:
    outcome = decided(contract(status=status, notion=NotionInputs(told, MARCH)), "2024-03")

    assert (outcome.rule, outcome.counted, outcome.contract_status) == ("row-15", Counted.SUCCESSFUL, "CANCELED")
    assert posted(outcome) == [(None, "300.00")]


@LIVE
@ENDED_LIKE
def test_row_16_ended_in_notion_earns_all_and_closes(told: str, status: ContractStatus) -> None:
    outcome = decided(contract(status=status, notion=NotionInputs(told, MARCH)), "2024-03")

    assert (outcome.rule, outcome.counted, outcome.contract_status) == ("row-16", Counted.SUCCESSFUL, "CLOSED")
    assert posted(outcome) == [(None, "300.00")]


@LIVE
@pytest.mark.parametrize("page", UNCLEAR)
def test_row_17_any_other_page_is_skipped_and_notified_once_it_is_not_recent(
    page: NotionInputs, status: ContractStatus
) -> None:
    recent = decided(contract(document("2024-03-16", "300.00"), status=status, notion=page), "2024-03")
    old = decided(contract(document("2024-03-15", "300.00"), status=status, notion=page), "2024-03")

    assert (recent.rule, recent.counted, notified(recent)) == ("row-17", Counted.SKIPPED, [])
    assert (old.rule, old.counted, notified(old)) == ("row-17", Counted.SKIPPED, ["not_congruent_status"])
    assert (old.postings, old.contract_status) == ((), status)


@pytest.mark.parametrize("page", [None, *(NotionInputs(s, MARCH) for s in ("DROPPED", "EARLY_DROPPED", "SUSPENDED"))])
@pytest.mark.parametrize("begun", ["2024-01-10", "2024-03-30"])
def test_row_20_canceled_and_unknown_or_dropped_earns_all_and_stays(page: NotionInputs | None, begun: str) -> None:
    inputs = contract(document(begun, "300.00"), status=ContractStatus.CANCELED, notion=page)

    outcome = decided(inputs, "2024-03")

    assert (outcome.rule, outcome.counted, outcome.contract_status) == ("row-20", Counted.SUCCESSFUL, "CANCELED")
    assert posted(outcome) == [(None, "300.00")]


@ENDED_LIKE
def test_row_21_canceled_but_ended_in_notion_earns_all_and_closes(told: str) -> None:
    inputs = contract(status=ContractStatus.CANCELED, notion=NotionInputs(told, MARCH), accrual=accrual("100.00"))

    outcome = decided(inputs, "2024-03")

    assert (outcome.rule, outcome.counted, outcome.contract_status) == ("row-21", Counted.SUCCESSFUL, "CLOSED")
    assert posted(outcome) == [(None, "200.00")]


@pytest.mark.parametrize("page", UNCLEAR)
def test_row_22_canceled_with_any_other_page_is_for_a_person(page: NotionInputs) -> None:
    outcome = decided(contract(status=ContractStatus.CANCELED, notion=page), "2024-03")

    assert (outcome.rule, outcome.counted, outcome.contract_status) == ("row-22", Counted.SKIPPED, "CANCELED")
    assert (outcome.postings, notified(outcome)) == ((), ["not_congruent_status"])
