"""Two processes at once post once, and a killed one leaves nothing of its month (docs/accrual-rules.md, Promise 2).

The processes are real ones, started anew, as two workers or two machines would be.
"""

import subprocess
import sys
from pathlib import Path

import pytest

from steps.settings import AccrualMethod
from tests.steps.accruals.database_ledger import Stored, accrue, snapshot, store

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
CONTRACTS = [Stored(number) for number in range(1, 9)]

ACCRUE = """
from tests.steps.accruals.database_ledger import accrue
print("ready", flush=True)
input()
print(accrue("2024-01")["summary"]["successful_accruals"])
"""

STOP_IN_THE_MIDDLE = """
import sys
from sqlalchemy import event
from tests.steps.accruals.database_ledger import accrue
from tracking.database import get_engine

written = 0

def stop(connection, cursor, statement, *rest):
    global written
    written += statement.startswith("INSERT INTO accrued_period")
    if written == 3:
        print("in the middle", flush=True)
        input()

event.listen(get_engine(), "after_cursor_execute", stop)
accrue("2024-02")
"""


def _start(code: str) -> subprocess.Popen[str]:
    """A Python process that waits for a line where the code says `input()`."""
    return subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )


@pytest.mark.parametrize(
    "method",
    [AccrualMethod.PROSPECTIVE, pytest.param(AccrualMethod.CATCH_UP, marks=pytest.mark.long)],
    indirect=True,
)
@pytest.mark.usefixtures("method")
def test_two_processes_at_once_post_once(database: str) -> None:
    store(*CONTRACTS)
    processes = [_start(ACCRUE), _start(ACCRUE)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"

    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    successes = sorted(int(process.communicate()[0]) for process in processes)

    assert successes == [0, len(CONTRACTS)]
    assert [process.returncode for process in processes] == [0, 0]
    assert len(snapshot()["accrued_period"]) == len(CONTRACTS)


def test_a_process_killed_in_the_middle_leaves_nothing_of_the_month(database: str) -> None:
    store(*CONTRACTS)
    accrue("2024-01")
    before = snapshot()

    with _start(STOP_IN_THE_MIDDLE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "in the middle\n"
        process.kill()

    assert process.returncode < 0
    assert snapshot() == before
    assert accrue("2024-02")["summary"]["successful_accruals"] == len(CONTRACTS)
    assert {state["accrued_amount"] for state in snapshot()["contract_accrual"]} == {180}
