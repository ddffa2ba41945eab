"""Promise 6 in the database: one contract's bad data is that contract's failure, on record until it is mended."""

import pytest

from tests.steps.accruals.builders import document, period
from tests.steps.accruals.database_ledger import (
    HALF_YEAR,
    Stored,
    accrue,
    accrue_months,
    add_document,
    amounts,
    errors,
    execute,
    snapshot,
    states,
    store,
)
from tracking.database import get_engine

SQLITE_GARBAGE = {
    "an amount that is no number": "UPDATE invoice SET net_amount = 'abc' WHERE service_contract_id = 2",
    "an infinite amount": "UPDATE invoice SET net_amount = 1e999 WHERE service_contract_id = 2",
    "a document without a date": "UPDATE invoice SET invoice_date = '' WHERE service_contract_id = 2",
    "a contract date that is none": "UPDATE service_contract SET contract_date = 'soon' WHERE id = 2",
    "a period start that is none": "UPDATE service_period SET start_date = '2024-02-31' WHERE contract_id = 2",
    "a page date that is none": "UPDATE client_external_id SET educational_status_date = 'x' WHERE client_id = 2",
    "a service that is missing": "UPDATE service_contract SET service_id = 99 WHERE id = 2",
}
POSTGRESQL_GARBAGE = {
    "a not-a-number": "UPDATE invoice SET net_amount = 'NaN' WHERE service_contract_id = 2",
    "a document on no day at all": "UPDATE invoice SET invoice_date = '-infinity' WHERE service_contract_id = 2",
    "a contract date beyond the calendar": "UPDATE service_contract SET contract_date = 'infinity' WHERE id = 2",
    "a period that never ends": "UPDATE service_period SET end_date = 'infinity' WHERE contract_id = 2",
}
EITHER = {
    "another currency": "UPDATE invoice SET currency = 'USD' WHERE service_contract_id = 2",
    "a period that ends before it starts": "UPDATE service_period SET end_date = '2023-01-01' WHERE contract_id = 2",
    "an unknown contract status": "UPDATE service_contract SET status = 'LOST' WHERE id = 2",
    "an unknown period status": "UPDATE service_period SET status = 'LOST' WHERE contract_id = 2",
}


def _assert_only_contract_2_fails() -> None:
    result = accrue("2024-03")
    assert [failure["contract_id"] for failure in result["failures"]] == [2]
    assert result["summary"]["successful_accruals"] == 2
    assert set(states()) == {1, 3}
    assert {key: status for key, (status, _) in errors().items()} == {"2": "pending"}
    assert errors()["2"][1] == result["failures"][0]["reason"]


def _store_three() -> None:
    store(*(Stored(number, page=("ACTIVE", "2024-01-01")) for number in (1, 2, 3)))


@pytest.mark.usefixtures("method")
@pytest.mark.parametrize("spoiling", EITHER.values(), ids=EITHER.keys())
def test_bad_data_is_the_failure_of_its_contract(spoiling: str, database: str) -> None:
    _store_three()
    execute(spoiling)

    _assert_only_contract_2_fails()


@pytest.mark.parametrize("spoiling", SQLITE_GARBAGE.values(), ids=SQLITE_GARBAGE.keys())
def test_garbage_that_sqlite_lets_in_is_contained(spoiling: str) -> None:
    _store_three()
    _without_foreign_keys(spoiling)

    _assert_only_contract_2_fails()


@pytest.mark.parametrize("amount", ["sNaN", "NaN", "Infinity", "abc"])
@pytest.mark.parametrize("column", ["total_to_accrue", "accrued_amount", "remaining_amount_to_accrue"])
def test_a_state_whose_amount_is_none_is_contained(column: str, amount: str) -> None:
    _store_three()
    accrue("2024-01")
    _without_foreign_keys(f"UPDATE contract_accrual SET {column} = '{amount}' WHERE contract_id = 2")

    result = accrue("2024-02")

    (failure,) = result["failures"]
    assert (failure["contract_id"], result["summary"]["successful_accruals"]) == (2, 2)
    assert failure["reason"].endswith(f"amount is not a number: '{amount}'") or "total to accrue" in failure["reason"]


@pytest.mark.parametrize("spoiling", POSTGRESQL_GARBAGE.values(), ids=POSTGRESQL_GARBAGE.keys())
@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_garbage_that_postgresql_lets_in_is_contained(spoiling: str, database: str) -> None:
    _store_three()
    execute(spoiling)

    _assert_only_contract_2_fails()


def test_a_service_that_cannot_be_used_fails_its_contracts(database: str) -> None:
    store(Stored(1), Stored(2), service={"sessions_per_week": -3})

    result = accrue("2024-03")

    assert {failure["reason"] for failure in result["failures"]} == {
        "the service's number of sessions a week is not a count: -3"
    }
    assert result["summary"]["failed_accruals"] == 2


@pytest.mark.usefixtures("method")
def test_a_failure_leaves_the_contract_as_it_is_and_is_resolved_when_it_passes(database: str) -> None:
    store(Stored(1), Stored(2))
    accrue_months("2024-01", "2024-02")
    before = amounts(2), states()[2]
    add_document(2, "2024-03-05", "50.00", currency="USD")

    accrue_months("2024-03", "2024-04")

    assert (amounts(2), states()[2]) == before
    assert errors() == {"2": ("pending", "the document of 2024-03-05 is in USD, the contract in EUR")}
    execute("UPDATE invoice SET currency = 'EUR'")
    accrue("2024-05")
    assert errors()["2"][0] == "resolved"
    assert states()[2][0] == "650.00"


def test_a_month_before_the_first_that_failed_does_not_resolve_the_error(database: str) -> None:
    store(Stored())
    add_document(1, "2024-03-05", "50.00", currency="USD")
    accrue_months("2024-02", "2024-03", "2024-04")
    before = snapshot()["integration_error"]

    accrue("2024-02")

    assert snapshot()["integration_error"] == before
    assert errors()["1"][0] == "pending"


def test_a_document_of_a_later_month_fails_no_replay(database: str) -> None:
    store(Stored())
    add_document(1, "2024-05-05", "50.00", currency="USD")

    assert accrue("2024-03")["failures"] == []
    assert accrue("2024-05")["failures"] != []


def test_an_ignored_error_stays_ignored(database: str) -> None:
    backwards = period("2024-03-09", "2024-03-01")
    store(Stored(1, periods=(backwards,)), Stored(2, documents=(document("2024-01-10", "1.00"),), periods=(HALF_YEAR,)))
    accrue("2024-03")
    execute("UPDATE integration_error SET status = 'ignored'")

    accrue("2024-04")

    assert errors()["1"][0] == "ignored"


def _without_foreign_keys(statement: str) -> None:
    """As a hand in a database browser would do it."""
    engine = get_engine()
    connection = engine.raw_connection()
    try:
        connection.cursor().execute("PRAGMA foreign_keys=OFF")
        connection.cursor().execute(statement)
        connection.cursor().execute("PRAGMA foreign_keys=ON")
    finally:
        connection.close()
