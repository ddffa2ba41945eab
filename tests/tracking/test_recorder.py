"""An execution only moves forward, whatever is said about it, and however often."""

from datetime import date

import pytest
from sqlmodel import col

from tracking.database import tracking_session, write_session
from tracking.history import executions_of_run, find_execution
from tracking.models import ExecutionStatus, SyncExecution
from tracking.recorder import (
    Overlap,
    PlannedExecution,
    RunningTask,
    complete_execution,
    end_open,
    end_open_executions,
    fail_execution,
    hold_window,
    plan_ended_again,
    plan_executions,
    record_result,
    start_execution,
)
from tracking.redaction import register_secret

MARCH = PlannedExecution("invoices", date(2024, 3, 1), date(2024, 4, 1))


def _task(run_count: int = 1) -> RunningTask:
    return RunningTask("task", "run", run_count, MARCH)


def _only() -> SyncExecution:
    (row,) = executions_of_run("run")
    return row


def test_the_plan_is_written_before_anything_starts(database: str) -> None:
    plan_executions("run", [PlannedExecution("services"), MARCH])

    rows = executions_of_run("run")
    assert [(row.step_name, row.window_start, row.status) for row in rows] == [
        ("services", None, "pending"),
        ("invoices", date(2024, 3, 1), "pending"),
    ]
    assert all(row.started_at is None and row.attempt == 1 for row in rows)


def test_a_planned_execution_runs_and_completes_with_its_result(database: str) -> None:
    (execution_id,) = plan_executions("run", [MARCH])

    start_execution(execution_id, _task())
    assert complete_execution("task", {"invoices_processed": 3})

    row = _only()
    assert (row.status, row.result, row.details["attempts"]) == ("completed", {"invoices_processed": 3}, 1)
    assert row.started_at is not None
    assert row.completed_at is not None
    assert row.started_at <= row.completed_at


def test_a_retry_keeps_the_first_start_and_takes_the_attempts_from_the_task(database: str) -> None:
    (execution_id,) = plan_executions("run", [MARCH])
    start_execution(execution_id, _task())
    first = _only().started_at

    start_execution(execution_id, _task(run_count=2))

    assert (_only().started_at, _only().details["attempts"]) == (first, 2)


def test_a_start_that_is_told_again_after_the_commit_keeps_the_result(database: str) -> None:
    (execution_id,) = plan_executions("run", [MARCH])
    start_execution(execution_id, _task())
    hold_window(execution_id, Overlap.refuse, print)
    with write_session() as session:
        record_result(session, execution_id, {"b": 1, "a": [None, "é"]})

    start_execution(execution_id, _task())
    fail_execution("task", "interrupted")

    assert (_only().status, _only().details) == ("completed", {"attempts": 1, "result": {"b": 1, "a": [None, "é"]}})
    assert list(_only().result or {}) == ["b", "a"]


def test_a_task_that_nobody_planned_gets_a_row_of_its_own_once(database: str) -> None:
    start_execution(None, _task())
    start_execution(None, _task(run_count=2))

    assert (_only().step_name, _only().window_start) == ("invoices", date(2024, 3, 1))


@pytest.mark.parametrize("late", ["start", "complete", "fail", "end"])
def test_what_comes_late_never_reopens_or_overwrites_an_ended_row(database: str, late: str) -> None:
    (execution_id,) = plan_executions("run", [MARCH])
    start_execution(execution_id, _task())
    fail_execution("task", "the vendor is down")
    before = _only().model_dump()

    match late:
        case "start":
            start_execution(execution_id, _task(run_count=2))
        case "complete":
            assert not complete_execution("task", {})
        case "fail":
            assert not fail_execution("task", "another reason")
        case _:
            assert end_open_executions("run", "the run crashed") == 0

    assert _only().model_dump() == before


def test_what_a_run_left_open_ends_with_the_reason(database: str) -> None:
    ids = plan_executions("run", [PlannedExecution("services"), MARCH])
    start_execution(ids[1], _task())

    assert end_open_executions("run", "the run was cancelled") == 2

    assert {(row.status, row.error_message) for row in executions_of_run("run")} == {
        (ExecutionStatus.FAILED, "the run was cancelled")
    }


def test_what_was_committed_is_completed_though_nobody_was_left_to_say_so(database: str) -> None:
    ids = plan_executions("run", [PlannedExecution("services"), MARCH])
    hold_window(ids[1], Overlap.refuse, print)
    with write_session() as session:
        record_result(session, ids[1], {"invoices_processed": 3})

    assert end_open_executions("run", "the run crashed") == 1

    services, invoices = executions_of_run("run")
    assert (services.status, services.error_message) == ("failed", "the run crashed")
    assert (invoices.status, invoices.error_message, invoices.result) == ("completed", None, {"invoices_processed": 3})


def test_a_secret_in_a_reason_or_a_result_and_a_persons_email_in_a_reason_are_masked(database: str) -> None:
    register_secret("s3cr3t-token")
    ids = plan_executions("run", [PlannedExecution("services"), MARCH])
    start_execution(ids[0], RunningTask("a", "run", 1, PlannedExecution("services")))
    start_execution(ids[1], _task())

    fail_execution("a", "refused: s3cr3t-token of ana@example.org at sqlite://user:pass@db.example.org/x")
    complete_execution("task", {"note": "s3cr3t-token", "nested": [{"x": "s3cr3t-token"}]})

    rows = executions_of_run("run")
    assert all("s3cr3t" not in str(row.model_dump()) for row in rows)
    assert rows[0].error_message == "refused: *** of (an email) at sqlite://user:***@db.example.org/x"


def test_a_failure_keeps_the_class_of_its_error_beside_what_was_known(database: str) -> None:
    plan_executions("run", [MARCH])
    start_execution(None, _task(run_count=2))
    (started,) = [row for row in executions_of_run("run") if row.task_run_id]

    assert fail_execution("task", "the vendor is down", "VendorUnavailableError")

    (row,) = [row for row in executions_of_run("run") if row.id == started.id]
    assert row.details == {"attempts": 2, "error_type": "VendorUnavailableError"}


def test_a_run_that_is_started_again_supersedes_what_its_earlier_attempt_left_open(database: str) -> None:
    ids = plan_executions("run", [PlannedExecution("services"), MARCH])
    start_execution(ids[0], RunningTask("a", "run", 1, PlannedExecution("services")))
    complete_execution("a", {"services_processed": 1})

    plan_executions("run", [PlannedExecution("services"), MARCH])

    assert [(row.attempt, row.status) for row in executions_of_run("run")] == [(2, "pending")] * 2
    superseded = find_execution(ids[1])
    assert superseded is not None
    assert superseded.status == "failed"
    assert "started again" in (superseded.error_message or "")
    first = find_execution(ids[0])
    assert first is not None
    assert first.status == "completed"


def test_only_what_was_ended_from_outside_is_planned_again(database: str) -> None:
    ids = plan_executions("run", [PlannedExecution("services"), MARCH])
    with tracking_session() as session:
        end_open(session, col(SyncExecution.id) == ids[0], "believed dead")

    again = plan_ended_again(ids)

    assert again[1] == ids[1]
    assert [(row.id, row.step_name, row.status) for row in executions_of_run("run")] == [
        (ids[1], "invoices", "pending"),
        (again[0], "services", "pending"),
    ]
    ended = find_execution(ids[0])
    assert ended is not None
    assert ended.status == "failed"
