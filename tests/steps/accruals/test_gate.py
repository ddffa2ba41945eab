"""Nothing is posted on a broken import: each row of the table of docs/accrual-rules.md, Gate, on both databases."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from steps.catalog import CRM_CLIENTS, INVOICES, NOTION_EXTERNAL_ID, SERVICE_PERIODS
from steps.errors import BrokenImportError
from tests.steps.accruals.builders import document
from tests.steps.accruals.database_ledger import Stored, accrue, amounts, snapshot, store
from tests.steps.accruals.recorded_imports import (
    IMPORT_STEPS,
    MARCH,
    NOON,
    executed,
    failed,
    planned,
    when_told,
)
from tracking.database import get_engine
from tracking.history import find_execution
from tracking.models import ExecutionStatus
from tracking.recorder import end_open_executions

REPAIR = "--start-date 2024-03-01 --end-date 2024-04-01"
IN_MARCH = datetime(2024, 3, 31, 21, 59, tzinfo=UTC)
"""A minute before midnight in Madrid."""


def _notified(result: dict[str, Any]) -> dict[str, str]:
    assert all(note["contract_id"] is None for note in result["notifications"])
    return {note["type"]: note["message"] for note in result["notifications"]}


def test_with_a_sound_import_the_gate_changes_nothing_and_says_nothing(ledger: None) -> None:
    result = accrue("2024-03")

    assert (result["notifications"], result["override"]) == ([], None)
    assert result["amount_accrued"] == amounts()["2024-03"] != "0.00"


@pytest.mark.parametrize("step", IMPORT_STEPS, ids=lambda step: step.id)
def test_a_month_whose_import_failed_is_refused_with_one_line_that_says_how_to_repair_it(
    step: Any, ledger: None
) -> None:
    execution_id = failed(step.id, "fourgeeks: GET /admissions:\n  503 after 4 attempts")
    before = snapshot()
    month = " 2024-03" if step.by_month else ""

    with pytest.raises(BrokenImportError) as refusal:
        accrue("2024-03")

    assert str(refusal.value) == (
        f"2024-03 is not accrued, because its import is broken: {step.id}{month} failed (execution {execution_id}): "
        f"fourgeeks: GET /admissions: 503 after 4 attempts. Import again with: sync-actions --from-step {step.id} "
        f'{REPAIR}, or accrue all the same with: --override "REASON"'
    )
    assert snapshot() == before


def test_every_failed_step_is_named_and_the_command_begins_with_the_first(ledger: None) -> None:
    failed(NOTION_EXTERNAL_ID.id, "Notion is down")
    failed(CRM_CLIENTS.id, "the CRM is down")

    with pytest.raises(BrokenImportError) as refusal:
        accrue("2024-03")

    line = str(refusal.value)
    assert line.index("crm-clients 2024-03 failed") < line.index("notion-external-id failed")
    assert ": the CRM is down; " in line
    assert f"--from-step crm-clients {REPAIR}" in line
    assert "\n" not in line


def test_a_failure_that_a_later_import_made_good_is_no_matter(ledger: None) -> None:
    failed(SERVICE_PERIODS.id)
    executed(SERVICE_PERIODS.id)

    assert accrue("2024-03")["notifications"] == []


def test_the_failed_import_of_another_month_is_no_matter(ledger: None) -> None:
    april = type(MARCH).of(MARCH.end)
    failed(INVOICES.id, window=april)

    assert accrue("2024-03")["notifications"] == []
    with pytest.raises(BrokenImportError, match="invoices 2024-04 failed"):
        accrue("2024-04")


@pytest.mark.parametrize("step", IMPORT_STEPS, ids=lambda step: step.id)
def test_a_month_that_was_read_before_it_was_over_is_refused(step: Any, ledger: None) -> None:
    execution_id = executed(step.id, at=IN_MARCH)

    with pytest.raises(BrokenImportError) as refusal:
        accrue("2024-03")

    assert f"was read on 2024-03-31 (execution {execution_id}), before 2024-03 was over" in str(refusal.value)
    assert f"--from-step {step.id} {REPAIR}" in str(refusal.value)


def test_a_month_that_was_read_right_after_midnight_in_madrid_is_accrued(ledger: None) -> None:
    for step in IMPORT_STEPS:
        executed(step.id, at=IN_MARCH + timedelta(minutes=1))

    assert accrue("2024-03")["notifications"] == []


def test_an_import_that_something_it_builds_on_has_outdated_is_accrued_and_told(ledger: None) -> None:
    source = executed(INVOICES.id, at=NOON + timedelta(hours=1), result={"invoices_updated": 1})

    result = accrue("2024-03")

    told = f"invoices 2024-03 (execution {source}) has changed something since"
    assert result["amount_accrued"] != "0.00"
    assert _notified(result) == {
        "import_outdated": "the import of 2024-03 is out of date: "
        f"{told} crm-clients 2024-03; {told} service-periods 2024-03; {told} notion-external-id"
    }


def test_records_that_were_tried_again_outdate_an_import_and_are_not_its_last_execution(ledger: None) -> None:
    executed(CRM_CLIENTS.id, at=NOON + timedelta(hours=1), records=2, result={"students_created": 1})
    executed(CRM_CLIENTS.id, records=1, status=ExecutionStatus.FAILED, error_message="still wrong")
    planned(CRM_CLIENTS.id, records=1)

    with when_told(lambda _: pytest.fail("it waits")):
        told = _notified(accrue("2024-03"))["import_outdated"]

    assert "has changed something since service-periods 2024-03; " in told


def test_a_month_that_was_never_imported_is_accrued_and_told(database: str) -> None:
    store(Stored())
    forget = (
        "DELETE FROM sync_execution WHERE step_name IN ('services', 'invoices') AND coalesce(window_start, :m) = :m"
    )
    with get_engine().begin() as connection:
        connection.exec_driver_sql(forget.replace(":m", "'2024-03-01'"))

    result = accrue("2024-03")

    assert result["amount_accrued"] != "0.00"
    assert _notified(result) == {"import_not_recorded": "no import is recorded for 2024-03: services, invoices 2024-03"}


def test_notifications_of_the_month_come_before_those_of_contracts(database: str) -> None:
    store(Stored(7, periods=(), documents=(document("2024-03-20", "10.00"),)))
    executed(INVOICES.id, at=NOON + timedelta(hours=1), result={"invoices_updated": 1})

    notes = accrue("2024-03")["notifications"]

    assert [(note["type"], note["contract_id"]) for note in notes] == [
        ("import_outdated", None),
        ("missing_crm_data", 7),
    ]


def test_a_run_that_was_interrupted_before_its_import_step_began_is_a_failed_import(ledger: None) -> None:
    interrupted = find_execution(planned(SERVICE_PERIODS.id))
    assert interrupted is not None
    end_open_executions(str(interrupted.flow_run_id), "never finished: the run was cancelled from Prefect")

    with pytest.raises(BrokenImportError, match=r"service-periods 2024-03 failed .* cancelled from Prefect"):
        accrue("2024-03")
