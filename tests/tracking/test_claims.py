"""Two runs never work on the same (step, window) at once; the second waits or is refused; a zombie commits nothing."""

from datetime import UTC, date, datetime, timedelta
from threading import Event, Thread

import pytest
from sqlalchemy import select, update
from sqlmodel import col

from steps.domain.client import Client
from tests.steps.statements import counting_statements
from tracking.claims import ClaimLostError, Overlap, WindowBusyError, claimed
from tracking.database import read_session, tracking_session, write_session
from tracking.execution import SyncExecution
from tracking.history import executions_of_run
from tracking.recorder import (
    PlannedExecution,
    RunningTask,
    complete_execution,
    end_open_executions,
    plan_executions,
    record_result,
    start_execution,
)
from tracking.repair import end_dead_executions

MARCH = PlannedExecution("invoices", date(2024, 3, 1), date(2024, 4, 1))
APRIL = PlannedExecution("invoices", date(2024, 4, 1), date(2024, 5, 1))
SERVICES = PlannedExecution("services")
GONE_OWNER = "another-host/1/1.00"


def _quietly(_: str) -> None:
    """Nobody listens."""


def _running(run: str, cell: PlannedExecution) -> int:
    (execution_id,) = plan_executions(run, [cell])
    start_execution(execution_id, RunningTask(f"task of {run} {cell}", run, 1, cell))
    return execution_id


def _set(execution_id: int, **values: object) -> None:
    with tracking_session() as session:
        session.execute(update(SyncExecution).where(col(SyncExecution.id) == execution_id).values(**values))


@pytest.mark.parametrize("cell", [MARCH, SERVICES])
def test_a_held_window_is_refused_with_the_name_of_the_run_that_has_it(database: str, cell: PlannedExecution) -> None:
    first, second = _running("first", cell), _running("second", cell)

    with claimed(first, Overlap.refuse, _quietly), pytest.raises(WindowBusyError, match=r"run first \(process \d+ on"):
        _claim_and_release(second)


def _claim_and_release(execution_id: int) -> None:
    with claimed(execution_id, Overlap.refuse, _quietly):
        pass


def test_other_windows_and_steps_are_free(database: str) -> None:
    with claimed(_running("a", MARCH), Overlap.refuse, _quietly):
        _claim_and_release(_running("b", APRIL))
        _claim_and_release(_running("c", SERVICES))
        _claim_and_release(_running("d", PlannedExecution("crm-clients", MARCH.window_start, MARCH.window_end)))


def test_the_second_waits_and_says_for_whom_until_the_first_has_ended(database: str) -> None:
    first, second = _running("first", MARCH), _running("second", MARCH)
    told: list[str] = []
    waiting, done = Event(), Event()

    def tell(message: str) -> None:
        told.append(message)
        waiting.set()

    def wait() -> None:
        with claimed(second, Overlap.wait, tell):
            done.set()

    with claimed(first, Overlap.wait, _quietly):
        thread = Thread(target=wait)
        thread.start()
        assert waiting.wait(30)
        assert not done.is_set()
        complete_execution(f"task of first {MARCH}", {})

    assert done.wait(30)
    thread.join()
    assert told[0].startswith("waiting for run first")


def test_a_dead_owners_window_is_free_at_once(database: str) -> None:
    first, second = _running("first", MARCH), _running("second", MARCH)
    with claimed(first, Overlap.wait, _quietly):
        _set(first, owner=GONE_OWNER, alive_at=datetime.now(UTC) - timedelta(minutes=1))

        _claim_and_release(second)

    (row,) = executions_of_run("first")
    assert row.status == "failed"
    assert "process 1 on another-host was killed or lost during invoices 2024-03" in (row.error_message or "")


def test_an_owner_on_another_machine_is_given_half_a_minute(database: str) -> None:
    first, second = _running("first", MARCH), _running("second", MARCH)
    with claimed(first, Overlap.wait, _quietly):
        _set(first, owner=GONE_OWNER, alive_at=datetime.now(UTC) - timedelta(seconds=15))

        with pytest.raises(WindowBusyError, match="another-host"):
            _claim_and_release(second)


def test_a_zombie_whose_execution_was_ended_commits_nothing(database: str) -> None:
    execution_id = _running("first", MARCH)

    with pytest.raises(ClaimLostError, match="nothing of it was committed"):
        _work_on_though_ended(execution_id)

    with read_session() as session:
        assert session.scalars(select(Client)).all() == []


def test_an_undisturbed_execution_takes_three_statements(database: str) -> None:
    """Start and claim, result and proof, end: each one more costs every execution a trip to the database."""
    (execution_id,) = plan_executions("first", [MARCH])

    with counting_statements() as statements:
        start_execution(execution_id, RunningTask("task", "first", 1, MARCH))
        with claimed(execution_id, Overlap.refuse, _quietly), write_session() as session:
            record_result(session, execution_id, {})
        complete_execution("task", {})

    assert [each.split()[:2] for each in statements if "sync_execution" in each] == [["UPDATE", "sync_execution"]] * 3


def test_an_execution_that_was_ended_before_it_began_does_not_begin(database: str) -> None:
    (execution_id,) = plan_executions("first", [MARCH])
    end_open_executions("first", "cancelled")
    start_execution(execution_id, RunningTask("task", "first", 1, MARCH))

    with pytest.raises(ClaimLostError, match="before it began"):
        _claim_and_release(execution_id)


def _work_on_though_ended(execution_id: int) -> None:
    with claimed(execution_id, Overlap.wait, _quietly):
        end_open_executions("first", "believed dead")
        _write_a_client()


def _write_a_client() -> None:
    with write_session() as session:
        session.add(Client(identifier="ana@example.org"))


def test_a_living_owners_work_commits_under_its_claim(database: str) -> None:
    with claimed(_running("first", MARCH), Overlap.wait, _quietly):
        _write_a_client()

    with read_session() as session:
        assert len(session.scalars(select(Client)).all()) == 1


def test_only_the_dead_are_ended(database: str) -> None:
    living, dead = _running("living", MARCH), _running("dead", APRIL)
    _set(dead, owner=GONE_OWNER, alive_at=datetime.now(UTC) - timedelta(hours=1))

    repairs = end_dead_executions()

    assert [repair.execution_id for repair in repairs] == [dead]
    assert executions_of_run("living")[0].id == living
    assert executions_of_run("living")[0].status == "running"


def test_a_window_that_was_committed_before_its_process_died_is_completed(database: str) -> None:
    dead = _running("dead", MARCH)
    details = {"attempts": 1, "result": {"invoices_processed": 3}}
    _set(dead, owner=GONE_OWNER, alive_at=datetime.now(UTC) - timedelta(hours=1), details=details)

    end_dead_executions()

    (row,) = executions_of_run("dead")
    assert (row.status, row.error_message, row.result) == ("completed", None, {"invoices_processed": 3})
