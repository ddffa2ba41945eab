"""Nothing is posted on a broken import: each row of the table of accruals.md, Gate, on both databases."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from steps.accruals.gate import LONGEST_REASON, Override
from steps.catalog import ACCRUALS, CRM_CLIENTS, INVOICES, NOTION_EXTERNAL_ID, SERVICE_PERIODS, SERVICES
from steps.errors import BrokenImportError, SyncError, UsageError
from steps.process_accruals import accrue_month
from steps.progress import News, listening
from steps.settings import SyncSettings
from tests.steps.accruals.builders import document
from tests.steps.accruals.database_ledger import LATER, Stored, accrue, amounts, snapshot, store
from tests.steps.accruals.recorded_imports import (
    IMPORT_STEPS,
    MARCH,
    NOON,
    end_as,
    executed,
    failed,
    planned,
)
from tracking.database import get_engine
from tracking.execution import ExecutionStatus
from tracking.history import find_execution
from tracking.recorder import end_open_executions

ROOT = Path(__file__).parents[3]
BY_ANA = Override("the CRM is gone for good", "Ana")
REPAIR = "--start-date 2024-03-01 --end-date 2024-04-01"
IN_MARCH = datetime(2024, 3, 31, 21, 59, tzinfo=UTC)
"""A minute before midnight in Madrid."""


def _accrue_march(override: Override | None = None, execution_id: int | None = None) -> dict[str, Any]:
    return accrue_month(MARCH, LATER, SyncSettings.load(), execution_id, override=override)


def _notified(result: dict[str, Any]) -> dict[str, str]:
    assert all(note["contract_id"] is None for note in result["notifications"])
    return {note["type"]: note["message"] for note in result["notifications"]}


@pytest.fixture
def ledger(database: str) -> None:
    """A contract, and a sound import of the year."""
    store(Stored())


def test_with_a_sound_import_the_gate_changes_nothing_and_says_nothing(ledger: None) -> None:
    result = _accrue_march()

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
        _accrue_march()

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
        _accrue_march()

    line = str(refusal.value)
    assert line.index("crm-clients 2024-03 failed") < line.index("notion-external-id failed")
    assert ": the CRM is down; " in line
    assert f"--from-step crm-clients {REPAIR}" in line
    assert "\n" not in line


def test_a_failure_that_a_later_import_made_good_is_no_matter(ledger: None) -> None:
    failed(SERVICE_PERIODS.id)
    executed(SERVICE_PERIODS.id)

    assert _accrue_march()["notifications"] == []


def test_the_failed_import_of_another_month_is_no_matter(ledger: None) -> None:
    april = type(MARCH).of(MARCH.end)
    failed(INVOICES.id, window=april)

    assert _accrue_march()["notifications"] == []
    with pytest.raises(BrokenImportError, match="invoices 2024-04 failed"):
        accrue("2024-04")


@pytest.mark.parametrize("step", IMPORT_STEPS, ids=lambda step: step.id)
def test_a_month_that_was_read_before_it_was_over_is_refused(step: Any, ledger: None) -> None:
    execution_id = executed(step.id, at=IN_MARCH)

    with pytest.raises(BrokenImportError) as refusal:
        _accrue_march()

    assert f"was read on 2024-03-31 (execution {execution_id}), before 2024-03 was over" in str(refusal.value)
    assert f"--from-step {step.id} {REPAIR}" in str(refusal.value)


def test_a_month_that_was_read_right_after_midnight_in_madrid_is_accrued(ledger: None) -> None:
    for step in IMPORT_STEPS:
        executed(step.id, at=IN_MARCH + timedelta(minutes=1))

    assert _accrue_march()["notifications"] == []


def test_an_import_that_something_it_builds_on_has_outdated_is_accrued_and_told(ledger: None) -> None:
    source = executed(INVOICES.id, at=NOON + timedelta(hours=1), result={"invoices_updated": 1})

    result = _accrue_march()

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

    told = _notified(_accrue_march())["import_outdated"]

    assert "has changed something since service-periods 2024-03; " in told


def test_a_month_that_was_never_imported_is_accrued_and_told(database: str) -> None:
    store(Stored())
    forget = (
        "DELETE FROM sync_execution WHERE step_name IN ('services', 'invoices') AND coalesce(window_start, :m) = :m"
    )
    with get_engine().begin() as connection:
        connection.exec_driver_sql(forget.replace(":m", "'2024-03-01'"))

    result = _accrue_march()

    assert result["amount_accrued"] != "0.00"
    assert _notified(result) == {"import_not_recorded": "no import is recorded for 2024-03: services, invoices 2024-03"}


def test_notifications_of_the_month_come_before_those_of_contracts(database: str) -> None:
    store(Stored(7, periods=(), documents=(document("2024-03-20", "10.00"),)))
    executed(INVOICES.id, at=NOON + timedelta(hours=1), result={"invoices_updated": 1})

    notes = _accrue_march()["notifications"]

    assert [(note["type"], note["contract_id"]) for note in notes] == [
        ("import_outdated", None),
        ("missing_crm_data", 7),
    ]


@contextmanager
def _when_told(act: Callable[[str], None]) -> Iterator[list[str]]:
    """What the accruals say they wait for; each time `act` hears it, in the midst of the wait."""
    waits: list[str] = []

    def hear(_news: News, message: str) -> None:
        if "waiting until its import has ended" in message:
            waits.append(message)
            act(message)

    with listening(hear):
        yield waits


@pytest.mark.parametrize("step", IMPORT_STEPS, ids=lambda step: step.id)
def test_accruals_wait_for_an_import_that_is_at_work_and_say_once_for_which(step: Any, ledger: None) -> None:
    at_work = planned(step.id)

    with _when_told(lambda _: end_as(at_work)) as waits:
        result = _accrue_march()

    month = " 2024-03" if step.by_month else ""
    assert waits == [
        f"accruals 2024-03: waiting until its import has ended: {step.id}{month} (execution {at_work}, run the import)"
    ]
    assert result["amount_accrued"] != "0.00"


def test_accruals_that_waited_look_again_and_are_refused_when_the_import_failed(ledger: None) -> None:
    at_work = planned(INVOICES.id)

    def fail_it(_: str) -> None:
        end_as(at_work, status=ExecutionStatus.FAILED, error_message="Holded is down")

    with _when_told(fail_it), pytest.raises(BrokenImportError, match="Holded is down"):
        _accrue_march()


def test_what_a_dead_run_left_open_is_not_waited_for(ledger: None) -> None:
    code = "from tests.steps.accruals.recorded_imports import planned; print(planned('invoices'))"
    left = int(
        subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    )

    with (
        _when_told(lambda _: pytest.fail("it waits")),
        pytest.raises(BrokenImportError, match="invoices 2024-03 failed"),
    ):
        _accrue_march()
    row = find_execution(left)
    assert row is not None
    assert row.status == ExecutionStatus.FAILED


def test_accruals_whose_own_run_is_ended_while_they_wait_post_nothing(ledger: None) -> None:
    at_work, own = planned(INVOICES.id), planned(ACCRUALS.id)

    def end_own(_: str) -> None:
        end_as(own, status=ExecutionStatus.FAILED)

    with _when_told(end_own), pytest.raises(SyncError, match="was ended from outside while it waited"):
        _accrue_march(execution_id=own)
    end_as(at_work)
    assert amounts() == {}


def test_an_import_that_begins_when_another_has_ended_is_waited_for_too(ledger: None) -> None:
    at_work = [planned(INVOICES.id)]

    def end_it_and_begin_another(_: str) -> None:
        end_as(at_work[-1])
        if len(at_work) == 1:
            at_work.append(planned(SERVICE_PERIODS.id))

    with _when_told(end_it_and_begin_another) as waits:
        _accrue_march()

    assert [f"execution {execution_id}" in line for execution_id, line in zip(at_work, waits, strict=True)] == [
        True
    ] * 2


@contextmanager
def _at_first_posting(act: Callable[[], None]) -> Iterator[None]:
    """Act once, when the first posting of a month is about to be written."""
    done: list[bool] = []

    def listener(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith("INSERT INTO accrued_period") and not done:
            done.append(True)
            act()

    event.listen(get_engine(), "before_cursor_execute", listener)
    yield
    event.remove(get_engine(), "before_cursor_execute", listener)


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_an_import_that_begins_while_the_month_is_posted_rolls_it_back_and_is_waited_for(ledger: None) -> None:
    """SQLite lets nobody write meanwhile, so that no import can begin there."""
    begun: list[int] = []
    seen: list[dict[str, str]] = []

    def look_and_end(_: str) -> None:
        seen.append(amounts())
        end_as(begun[0])

    with _when_told(look_and_end), _at_first_posting(lambda: begun.append(planned(INVOICES.id))):
        result = _accrue_march()

    assert seen == [{}]
    assert result["amount_accrued"] == amounts()["2024-03"] != "0.00"


def test_who_overrides_with_a_reason_accrues_and_stands_in_the_result(ledger: None) -> None:
    broken = failed(CRM_CLIENTS.id, "the CRM is down")
    early = executed(SERVICES.id, at=IN_MARCH)
    own = planned(ACCRUALS.id)

    result = _accrue_march(BY_ANA, own)

    row = find_execution(own)
    assert result["amount_accrued"] == amounts()["2024-03"] != "0.00"
    assert result["override"] == {
        "reason": "the CRM is gone for good",
        "by": "Ana",
        "overridden": [
            f"services was read on 2024-03-31 (execution {early}), before 2024-03 was over",
            f"crm-clients 2024-03 failed (execution {broken}): the CRM is down",
        ],
    }
    assert row is not None
    assert row.result == result


def test_an_override_that_was_not_needed_says_that_nothing_was_overridden(ledger: None) -> None:
    assert _accrue_march(BY_ANA)["override"] == {"reason": BY_ANA.reason, "by": "Ana", "overridden": []}


def test_an_override_does_not_post_in_the_midst_of_an_import(ledger: None) -> None:
    at_work = planned(INVOICES.id)

    with _when_told(lambda _: end_as(at_work)) as waits:
        _accrue_march(BY_ANA)

    assert len(waits) == 1


@pytest.mark.parametrize("reason", ["", " \n "])
def test_an_empty_reason_is_refused_in_one_line(reason: str) -> None:
    with pytest.raises(UsageError, match=r"^override: the reason is empty, .*say why, in words$"):
        Override.of(reason, "Ana")


def test_a_reason_beyond_all_measure_is_refused() -> None:
    with pytest.raises(UsageError, match=r"the reason has 501 characters, at most 500 are kept"):
        Override.of("x" * (LONGEST_REASON + 1), "Ana")


def test_a_reason_is_kept_as_one_line_and_nobody_is_unknown() -> None:
    assert Override.of(" two\nlines ", " ") == Override("two lines", "unknown")


def test_a_run_that_was_interrupted_before_its_import_step_began_is_a_failed_import(ledger: None) -> None:
    planned(SERVICE_PERIODS.id)
    end_open_executions("the import", "never finished: the run was cancelled from Prefect")

    with pytest.raises(BrokenImportError, match=r"service-periods 2024-03 failed .* cancelled from Prefect"):
        _accrue_march()
