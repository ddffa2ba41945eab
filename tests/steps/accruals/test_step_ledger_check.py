"""Promise 1 is checked against the database before a month is committed; a breach rolls the whole month back."""

import pytest

from steps.engine.load import due_chunks
from steps.engine.post import LedgerCheck
from steps.errors import AccrualError
from steps.ledger.contract import Invoice
from tests.steps.accruals.builders import day, document
from tests.steps.accruals.database_ledger import Stored, accrue, accrue_months, execute, snapshot, states, store
from tracking.database import read_session

OF_CONTRACT_2 = "(SELECT id FROM contract_accrual WHERE contract_id = 2)"
TAMPERING = {
    "a posting was changed": (
        f"UPDATE accrued_period SET accrued_amount = accrued_amount + 1 WHERE contract_accrual_id = {OF_CONTRACT_2}",
        "contract 2: its postings add up to 181.00, its state says 180.00",
    ),
    "a posting was deleted": (
        f"DELETE FROM accrued_period WHERE contract_accrual_id = {OF_CONTRACT_2}",
        "contract 2: its postings add up to 100.00, its state says 180.00",
    ),
    "a posting was slipped into the month": (
        "INSERT INTO accrued_period"
        " (contract_accrual_id, accrual_date, accrued_amount, accrual_portion, sessions_accrued, rule)"
        f" VALUES ({OF_CONTRACT_2}, '2024-02-01', 5, 0, 0, 'by hand')",
        "contract 2: its postings add up to 85.00, its state says 80.00",
    ),
    "the state of an unchanged contract was changed": (
        "UPDATE contract_accrual SET remaining_amount_to_accrue = 1, last_month = '2024-03-01' WHERE contract_id = 2",
        "contract 2: accrued and remaining are 81.00, its total is 600.00",
    ),
}


@pytest.mark.parametrize(("tampering", "breach"), TAMPERING.values(), ids=TAMPERING.keys())
def test_a_breach_fails_the_month_whole_and_names_the_contract(tampering: str, breach: str, database: str) -> None:
    store(Stored(1), Stored(2), Stored(3))
    accrue("2024-01")
    execute(tampering)
    before = snapshot()

    with pytest.raises(AccrualError, match=f"^2024-02 is left as it was, it would not add up: {breach}$"):
        accrue("2024-02")

    assert snapshot() == before


def test_of_many_breaches_the_first_are_named_and_the_others_counted(database: str) -> None:
    store(*(Stored(number) for number in range(1, 10)))
    accrue("2024-01")
    execute("UPDATE accrued_period SET accrued_amount = 1")

    with pytest.raises(AccrualError, match=r"contract 1: .*contract 5: .*; and 4 more$") as caught:
        accrue("2024-02")

    assert "contract 6" not in str(caught.value)


def test_a_contract_that_was_left_out_is_missed_in_the_total(database: str) -> None:
    store(Stored(1), Stored(2), Stored(3))
    accrue("2024-01")

    with read_session() as session:
        check = LedgerCheck(session, day("2024-01-31"), Invoice.net_amount)
        first = next(due_chunks(session, day("2024-01-31"), size=2))
        check.check(first, decided={1, 2}, failed=set())
        with pytest.raises(
            AccrualError, match=r"all contracts in EUR: they account for 1200.00, .* add up to 1800.00$"
        ):
            check.finish()


def test_a_failed_contract_is_no_breach(database: str) -> None:
    store(Stored(1), Stored(2))
    accrue("2024-01")
    execute("UPDATE service_period SET end_date = '2023-01-01' WHERE contract_id = 2")
    execute(f"UPDATE accrued_period SET accrued_amount = 1 WHERE contract_accrual_id = {OF_CONTRACT_2}")

    assert accrue("2024-02")["summary"]["successful_accruals"] == 1


def test_documents_that_changed_behind_a_decided_month_are_no_breach_of_it(database: str) -> None:
    store(Stored(1))
    accrue_months("2024-01", "2024-02")
    execute("UPDATE invoice SET net_amount = 900")

    assert accrue("2024-02")["summary"]["skipped_accruals"] == 1
    assert accrue("2024-03")["summary"]["successful_accruals"] == 1


def test_amounts_in_two_currencies_and_of_any_size_add_up_to_the_cent(database: str) -> None:
    amounts = ["499999999999.99", "0.01", "1234567890.12", "0.07", "33333333333.33"]
    store(*(Stored(at, documents=(document("2024-01-10", each),)) for at, each in enumerate(amounts, 1)))
    execute("UPDATE service_contract SET contract_currency = 'USD' WHERE id = 5")
    execute("UPDATE invoice SET currency = 'USD' WHERE service_contract_id = 5")

    accrue_months(*(f"2024-{month:02d}" for month in range(1, 7)))

    assert {number: state[1:] for number, state in states().items()} == {
        number: (amount, "0.00", "COMPLETED") for number, amount in enumerate(amounts, 1)
    }
