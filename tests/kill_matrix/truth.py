"""What must be true of a run that was hit, and of the ledger after the next one."""

import json
import signal
from collections.abc import Callable
from typing import Any

import pytest

from flows.cli.app import run_command
from tests.kill_matrix.case import Case
from tests.kill_matrix.conftest import Undisturbed, cell_name
from tests.kill_matrix.ground import Ground
from tests.kill_matrix.ledger_content import ledger_content, ledger_rows
from tracking.database import get_engine
from tracking.history import HistoryFilter, find_executions

Execution = dict[str, Any]


def remember(case: Case, how: str, record_property: Callable[[str, object], None]) -> None:
    """For the table of what was survived."""
    record_property("kind", str(case.disturbance.kind))
    record_property("place", str(case.disturbance.place))
    record_property("database", case.database)
    record_property("how", how)


def read_history(capsys: pytest.CaptureFixture[str]) -> dict[str, Execution]:
    """What `sync-actions history` says straight after: cell -> its newest execution."""
    handler = signal.getsignal(signal.SIGTERM)
    capsys.readouterr()
    assert run_command(["history", "--json"]) == 0
    signal.signal(signal.SIGTERM, handler)
    shown: list[Execution] = json.loads(capsys.readouterr().out)
    return {cell_name(execution): execution for execution in reversed(shown)}


def assert_truthful(
    history: dict[str, Execution], after: list[Execution], expected: Undisturbed, *, stopped: bool
) -> None:
    """A completed cell left the next run nothing to do; a failed one says why, and left it everything.

    Behind the first failed cell of a run that went on, cells worked with what there was; there is nothing to compare.
    """
    comparable = True
    for execution in after:
        name = cell_name(execution)
        before = history.get(name)
        assert before is None or before["status"] in {"completed", "failed"}, before
        if before is not None and before["status"] == "failed":
            assert before["error_message"], name
        if comparable and before is not None and before["status"] == "completed":
            assert _writes(execution["result"]) == 0, f"{name} was called completed: {before}"
            assert before["result"] == expected.results[name]
        elif comparable:
            assert execution["result"] == expected.results[name], f"{name} was called failed: {before}"
            comparable = stopped


def _writes(result: dict[str, Any]) -> int:
    counts: int = sum(value for name, value in result.items() if name.endswith(("_created", "_updated", "_voided")))
    return counts + int(result.get("amount_accrued", "0.00") != "0.00")


def assert_whole(expected: Undisturbed, ground: Ground, *, stopped: bool) -> None:
    """The ledger is that of an undisturbed run, and nothing is open.

    On SQLite to the last id, if the disturbance ended the run: one that went on wrote later cells before the failed
    one.
    """
    engine = get_engine()
    assert ledger_content(engine) == expected.content
    if stopped and not ground.server:
        assert ledger_rows(engine) == expected.rows
    assert [row.name for row in find_executions(HistoryFilter()) if row.status not in {"completed", "failed"}] == []
