"""Two runs never work on the same step and month at once; the second waits or is refused; a late commit is refused."""

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import date
from threading import Event, Thread

import pytest
from sqlalchemy import select, update
from sqlmodel import col

from steps.ledger.client import Client
from tests.steps.statements import counting_statements
from tracking.database import read_session, tracking_session, write_session
from tracking.history import executions_of_run
from tracking.locks import run_lock
from tracking.models import SyncExecution
from tracking.recorder import (
    ExecutionEndedError,
    Overlap,
    PlannedExecution,
    RunningTask,
    WindowBusyError,
    complete_execution,
    end_dead_executions,
    end_open_executions,
    hold_window,
    plan_executions,
    record_result,
    start_execution,
)

MARCH = PlannedExecution("invoices", date(2024, 3, 1), date(2024, 4, 1))
APRIL = PlannedExecution("invoices", date(2024, 4, 1), date(2024, 5, 1))
SERVICES = PlannedExecution("services")


@pytest.fixture
def alive() -> Iterator[ExitStack]:
    """The locks of the runs that live; a run dies when its lock is freed."""
    with ExitStack() as locks:
        yield locks


def _ignore(_: str) -> None:
    """Nobody reads what is waited for."""


def _running(run: str, planned: PlannedExecution, alive: ExitStack | None = None) -> int:
    """An execution that has begun; of a run that lives, if there is somewhere to keep its lock."""
    if alive is not None:
        alive.enter_context(run_lock(run))
    (execution_id,) = plan_executions(run, [planned])
    start_execution(execution_id, RunningTask(f"task of {run} {planned}", run, 1, planned))
    return execution_id


@pytest.mark.parametrize("planned", [MARCH, SERVICES])
def test_a_held_window_is_refused_with_the_name_of_the_run_that_has_it(
    database: str, planned: PlannedExecution, alive: ExitStack
) -> None:
    first, second = _running("first", planned, alive), _running("second", planned, alive)
    hold_window(first, Overlap.refuse, _ignore)

    with pytest.raises(WindowBusyError, match=rf"run first \(execution {first}\) is working on it"):
        hold_window(second, Overlap.refuse, _ignore)


def test_other_windows_and_steps_are_free(database: str, alive: ExitStack) -> None:
    others = [APRIL, SERVICES, PlannedExecution("crm-clients", MARCH.window_start, MARCH.window_end)]
    for number, planned in enumerate([MARCH, *others]):
        hold_window(_running(f"run {number}", planned, alive), Overlap.refuse, _ignore)

    with read_session() as session:
        assert len(session.scalars(select(SyncExecution).where(col(SyncExecution.holds_window))).all()) == 4


def test_the_second_waits_and_says_for_whom_until_the_first_has_ended(database: str, alive: ExitStack) -> None:
    first, second = _running("first", MARCH, alive), _running("second", MARCH, alive)
    logged: list[str] = []
    waiting, done = Event(), Event()

    def log(message: str) -> None:
        logged.append(message)
        waiting.set()

    def wait() -> None:
        hold_window(second, Overlap.wait, log)
        done.set()

    hold_window(first, Overlap.wait, _ignore)
    thread = Thread(target=wait)
    thread.start()
    assert waiting.wait(30)
    assert not done.is_set()
    complete_execution(f"task of first {MARCH}", {})

    assert done.wait(30)
    thread.join()
    assert logged[0] == f"waiting for run first (execution {first})"


def test_a_dead_runs_window_is_free_at_once(database: str, alive: ExitStack) -> None:
    with run_lock("first"):
        hold_window(_running("first", MARCH), Overlap.wait, _ignore)

    hold_window(_running("second", MARCH, alive), Overlap.refuse, _ignore)

    (row,) = executions_of_run("first")
    assert row.status == "failed"
    assert (
        row.error_message == "the run was killed or lost during invoices 2024-03: nothing of it was kept, run it again"
    )


def test_an_execution_that_was_ended_from_outside_commits_nothing(database: str) -> None:
    execution_id = _running("first", MARCH)
    hold_window(execution_id, Overlap.wait, _ignore)
    end_open_executions("first", "believed dead")

    with pytest.raises(ExecutionEndedError, match="nothing of it was committed"):
        _write_a_client(execution_id)

    with read_session() as session:
        assert session.scalars(select(Client)).all() == []


def _write_a_client(execution_id: int) -> None:
    with write_session() as session:
        session.add(Client(identifier="ana@example.org"))
        record_result(session, execution_id, {})


def test_an_execution_that_holds_its_window_commits(database: str) -> None:
    execution_id = _running("first", MARCH)
    hold_window(execution_id, Overlap.wait, _ignore)

    _write_a_client(execution_id)

    with read_session() as session:
        assert len(session.scalars(select(Client)).all()) == 1


def test_an_execution_that_was_ended_before_it_began_does_not_begin(database: str) -> None:
    (execution_id,) = plan_executions("first", [MARCH])
    end_open_executions("first", "cancelled")
    start_execution(execution_id, RunningTask("task", "first", 1, MARCH))

    with pytest.raises(ExecutionEndedError, match="before it began"):
        hold_window(execution_id, Overlap.refuse, _ignore)


def test_an_undisturbed_execution_takes_four_updates(database: str) -> None:
    """Start, hold, result and end: each one more costs every execution a trip to the database."""
    (execution_id,) = plan_executions("first", [MARCH])

    with counting_statements() as statements:
        start_execution(execution_id, RunningTask("task", "first", 1, MARCH))
        hold_window(execution_id, Overlap.refuse, _ignore)
        _write_a_client(execution_id)
        complete_execution("task", {})

    updates = [each for each in statements if each.startswith("UPDATE sync_execution")]
    assert len(updates) == 4, statements


def test_only_the_dead_are_ended(database: str, alive: ExitStack) -> None:
    living = _running("living", MARCH, alive)
    dead = _running("dead", APRIL)

    ended = end_dead_executions()

    assert ended == [dead]
    assert [(row.id, row.status) for row in executions_of_run("living")] == [(living, "running")]


def test_a_window_that_was_committed_before_its_process_died_is_completed(database: str) -> None:
    dead = _running("dead", MARCH)
    details = {"attempts": 1, "result": {"invoices_processed": 3}}
    with tracking_session() as session:
        session.execute(update(SyncExecution).where(col(SyncExecution.id) == dead).values(details=details))

    end_dead_executions()

    (row,) = executions_of_run("dead")
    assert (row.status, row.error_message, row.result) == ("completed", None, {"invoices_processed": 3})
