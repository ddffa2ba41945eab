"""What was accrued whole for want of an enrollment is never silent once there is one (docs/accrual-rules.md, Gate)."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from flows.cli.app import run_command
from steps.engine.contract_month import WholeAccrual
from tests.steps.accruals.builders import accrual, contract, day, decided, period
from tests.steps.accruals.database_ledger import HALF_YEAR, Stored, accrue, accrue_months, amounts, execute, store

KIND = "accrued_before_enrollment"
PAGES = {
    "row-14": Stored(),
    "row-15": Stored(page=("DROPPED", "2024-01-20")),
    "row-16": Stored(page=("GRADUATED", "2024-01-20")),
    "row-20": Stored(status="CANCELED"),
    "row-21": Stored(status="CANCELED", page=("GRADUATED", "2024-01-20")),
}


def _enroll(contract_id: int = 1, start: str = "2024-01-08", slug: str = "cohort-1") -> None:
    execute(
        "INSERT INTO service_period (contract_id, external_id, name, start_date, end_date, status)"
        " VALUES (:contract_id, :slug, '', :start, '2024-06-30', 'ACTIVE')",
        contract_id=contract_id,
        slug=slug,
        start=start,
    )


def _told(result: dict[str, Any]) -> list[tuple[int, str]]:
    return [(note["contract_id"], note["message"]) for note in result["notifications"] if note["type"] == KIND]


@pytest.mark.parametrize("story", PAGES.values(), ids=PAGES.keys())
def test_a_contract_accrued_whole_that_has_an_enrollment_after_all_is_told_each_month(
    story: Stored, database: str
) -> None:
    store(replace(story, periods=()))
    quiet = accrue("2024-02")
    before = amounts()
    _enroll()

    results = [accrue(month) for month in ("2024-03", "2024-04", "2024-12")]

    line = (
        "600.00 EUR were accrued whole in 2024-02 without an enrollment, "
        "but now there is cohort-1 from 2024-01-08 to 2024-06-30"
    )
    assert before == {"2024-02": "600.00"} == amounts()
    assert _told(quiet) == []
    assert [_told(result) for result in results] == [[(1, line)]] * 3


def test_it_is_told_when_the_month_of_the_posting_is_run_again_and_not_in_the_months_before_it(database: str) -> None:
    store(Stored(periods=()))
    accrue("2024-03")
    _enroll()

    assert len(_told(accrue("2024-03"))) == 1
    assert _told(accrue("2024-02")) == []


def test_a_contract_that_was_accrued_whole_with_its_enrollment_is_not_told(database: str) -> None:
    store(Stored(periods=(period("2024-01-08", "2024-06-30", "DROPPED", "2024-03-10"),)))
    accrue_months("2024-03")
    _enroll(start="2024-04-01", slug="cohort-2")

    assert _told(accrue("2024-04")) == []


def test_a_credit_note_for_what_was_accrued_whole_does_not_silence_it(database: str) -> None:
    store(Stored(periods=()))
    accrue("2024-02")
    execute("UPDATE invoice SET voided_at = '2024-03-01 00:00:00+00:00'")
    _enroll()

    assert [contract_id for contract_id, _ in _told(accrue("2024-03"))] == [1]


def test_explain_tells_it_too(database: str, capsys: pytest.CaptureFixture[str]) -> None:
    store(Stored(periods=()))
    accrue("2024-02")
    _enroll()

    assert run_command(["explain", "1", "2024-03"]) == 0
    assert f"Told: {KIND}: 600.00 EUR were accrued whole in 2024-02" in " ".join(capsys.readouterr().out.split())


def test_it_is_told_besides_whatever_the_decision_tells() -> None:
    whole = WholeAccrual(Decimal("300.00"), day("2024-02"))
    inputs = contract(periods=(HALF_YEAR,), accrual=replace(accrual("300.00", "COMPLETED", "2024-02"), whole=whole))
    locked = contract(periods=(HALF_YEAR,), accrual=replace(accrual("100.00", last_month="2024-04"), whole=whole))

    assert [note.type for note in decided(inputs, "2024-03").notifications] == [KIND]
    assert [note.type for note in decided(locked, "2024-03").notifications] == ["past_month_locked", KIND]
