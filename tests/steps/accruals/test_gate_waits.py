"""Accruals wait for an import of their month, and post on what it left (docs/accrual-rules.md, Gate)."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Timer
from typing import Any

import pytest
from sqlalchemy import event

from steps.catalog import ACCRUALS, INVOICES, SERVICE_PERIODS
from steps.engine import gate
from steps.engine.gate import Override
from steps.errors import BrokenImportError, SyncError
from tests.steps.accruals.database_ledger import accrue, amounts
from tests.steps.accruals.recorded_imports import (
    IMPORT_STEPS,
    begun,
    end_as,
    planned,
    when_told,
)
from tracking.database import get_engine
from tracking.history import find_execution
from tracking.models import ExecutionStatus

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]


SEVERAL_LOOKS, FOR_EVER = 0.3, 10.0
"""Seconds."""


@pytest.fixture(autouse=True)
def looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fifty looks a second instead of one."""
    monkeypatch.setattr(gate, "_POLL_SECONDS", 0.02)


@contextmanager
def _ending_later(execution_id: int, seconds: float) -> Iterator[Callable[[str], None]]:
    """What ends an execution so long after it was first told that it is waited for."""
    timer = Timer(seconds, end_as, [execution_id])

    def begin(_: str) -> None:
        if timer.ident is None:
            timer.start()

    yield begin
    timer.cancel()
    if timer.ident is not None:
        timer.join()


@pytest.mark.parametrize("step", IMPORT_STEPS, ids=lambda step: step.id)
def test_accruals_wait_for_an_import_that_is_at_work_and_say_once_for_which(step: Any, ledger: None) -> None:
    at_work = planned(step.id)

    with _ending_later(at_work, SEVERAL_LOOKS) as end_it, when_told(end_it) as waits:
        result = accrue("2024-03")

    month = " 2024-03" if step.by_month else ""
    row = find_execution(at_work)
    assert row is not None
    assert waits == [
        f"accruals 2024-03: waiting until its import has ended: {step.id}{month} "
        f"(execution {at_work}, run {row.flow_run_id})"
    ]
    assert result["amount_accrued"] != "0.00"


def test_accruals_that_waited_look_again_and_are_refused_when_the_import_failed(ledger: None) -> None:
    at_work = planned(INVOICES.id)

    def fail_it(_: str) -> None:
        end_as(at_work, status=ExecutionStatus.FAILED, error_message="Holded is down")

    with when_told(fail_it), pytest.raises(BrokenImportError, match="Holded is down"):
        accrue("2024-03")


def test_what_a_dead_run_left_open_is_not_waited_for(ledger: None) -> None:
    code = "from tests.steps.accruals.recorded_imports import planned; print(planned('invoices'))"
    left = int(
        subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    )

    with (
        when_told(lambda _: pytest.fail("it waits")),
        pytest.raises(BrokenImportError, match="invoices 2024-03 failed"),
    ):
        accrue("2024-03")
    row = find_execution(left)
    assert row is not None
    assert row.status == ExecutionStatus.FAILED


def test_accruals_whose_own_run_is_ended_while_they_wait_post_nothing(ledger: None) -> None:
    at_work, own = planned(INVOICES.id), begun(ACCRUALS.id)

    def end_own(_: str) -> None:
        end_as(own, status=ExecutionStatus.FAILED)

    with (
        when_told(end_own),
        _ending_later(at_work, FOR_EVER) as end_it,
        when_told(end_it),
        pytest.raises(SyncError, match="was ended from outside while it waited"),
    ):
        accrue("2024-03", own)
    row = find_execution(at_work)
    assert row is not None
    assert row.status == ExecutionStatus.PENDING
    assert amounts() == {}


def test_an_import_that_begins_when_another_has_ended_is_waited_for_too(ledger: None) -> None:
    at_work = [planned(INVOICES.id)]

    def end_it_and_begin_another(_: str) -> None:
        end_as(at_work[-1])
        if len(at_work) == 1:
            at_work.append(planned(SERVICE_PERIODS.id))

    with when_told(end_it_and_begin_another) as waits:
        accrue("2024-03")

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

    with when_told(look_and_end), _at_first_posting(lambda: begun.append(planned(INVOICES.id))):
        result = accrue("2024-03")

    assert seen == [{}]
    assert result["amount_accrued"] == amounts()["2024-03"] != "0.00"


def test_an_override_does_not_post_in_the_midst_of_an_import(ledger: None) -> None:
    at_work = planned(INVOICES.id)

    with when_told(lambda _: end_as(at_work)) as waits:
        accrue("2024-03", override=Override("the CRM is gone for good", "Ana"))

    assert len(waits) == 1
