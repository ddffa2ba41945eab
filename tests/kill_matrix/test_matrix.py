"""Whatever hits a run, at whichever point: it is known what was not done, and the next run makes everything whole."""

import json
import signal
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from flows.cli.app import run_command
from tests.kill_matrix.blow import Kind
from tests.kill_matrix.case import Case, every_case, sample
from tests.kill_matrix.conftest import Model, Undisturbed, cell_name
from tests.kill_matrix.ground import Ended, Ground
from tests.kill_matrix.ledger_content import ledger_content, ledger_rows
from tests.kill_matrix.prefect_view import unended_runs
from tracking.database import get_engine
from tracking.history import HistoryFilter, find_executions

_SIGNALS = {Kind.SIGKILL: -signal.SIGKILL, Kind.SIGTERM: 130, Kind.SIGINT: 130}
_SAMPLE = {case.id for case in sample()}

Execution = dict[str, Any]


def _parameters() -> list[Any]:
    return [
        pytest.param(case, id=case.id, marks=[pytest.mark.prefect, pytest.mark.xdist_group("prefect")])
        if case.id in _SAMPLE
        else pytest.param(case, id=case.id, marks=[pytest.mark.kill_matrix])
        for case in [*sample(), *(case for case in every_case() if case.id not in _SAMPLE)]
    ]


@pytest.mark.parametrize("case", _parameters())
def test_a_run_that_is_hit_tells_the_truth_and_the_next_one_makes_the_ledger_whole(
    case: Case,
    stage: Callable[[Case], Ground],
    model: Model,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    record_property: Callable[[str, object], None],
) -> None:
    _remember(case, "command line", record_property)
    ground, expected = stage(case), model.undisturbed[case.command]
    monkeypatch.setenv("SYNC_DATABASE_URL", ground.database_url)
    blow = replace(case.blow, mark=str(ground.folder / "hit"), lever=ground.server)
    if blow.kind is Kind.DISK_FULL:
        ground.prepare_for_a_full_disk()

    began = datetime.now(UTC)
    hit = ground.run(*case.command, blow=blow)
    ground.mend()

    assert Path(blow.mark).exists(), f"the point was never reached: {hit.err}"
    assert hit.status == _SIGNALS.get(blow.kind, hit.status), hit.err
    assert "Traceback" not in hit.err
    assert ground.processes_left() == []
    history = _history(capsys)

    after = ground.run(*case.command)

    assert after.status == 0, after.err
    _assert_truthful(history, after, expected, stopped=blow.kind in _SIGNALS)
    _assert_whole(expected, ground)
    assert unended_runs(ground, began) == []


def _remember(case: Case, how: str, record_property: Callable[[str, object], None]) -> None:
    """For the table of what was survived."""
    record_property("kind", str(case.blow.kind))
    record_property("place", str(case.blow.place))
    record_property("database", case.database)
    record_property("how", how)


def _history(capsys: pytest.CaptureFixture[str]) -> dict[str, Execution]:
    """What `sync-actions history` says straight after: cell -> its newest execution."""
    handler = signal.getsignal(signal.SIGTERM)
    capsys.readouterr()
    assert run_command(["history", "--json"]) == 0
    signal.signal(signal.SIGTERM, handler)
    shown: list[Execution] = json.loads(capsys.readouterr().out)
    return {cell_name(execution): execution for execution in reversed(shown)}


def _assert_truthful(history: dict[str, Execution], after: Ended, expected: Undisturbed, *, stopped: bool) -> None:
    """A completed cell left the next run nothing to do; a failed one says why, and left it everything.

    Behind the first failed cell of a run that went on, cells worked with what there was; there is nothing to compare.
    """
    comparable = True
    for execution in after.executions:
        name = cell_name(execution)
        before = history.get(name)
        assert before is None or before["status"] in {"completed", "failed"}, before
        if before is not None and before["status"] == "failed":
            assert before["error_message"], name
        if comparable and before is not None and before["status"] == "completed":
            assert _writes(execution["result"]) == 0, f"{name} was called completed"
            assert before["result"] == expected.results[name]
        elif comparable:
            assert execution["result"] == expected.results[name], f"{name} was called failed"
            comparable = stopped


def _writes(result: dict[str, Any]) -> int:
    counts: int = sum(value for name, value in result.items() if name.endswith(("_created", "_updated", "_voided")))
    return counts + int(result.get("amount_accrued", "0.00") != "0.00")


def _assert_whole(expected: Undisturbed, ground: Ground) -> None:
    engine = get_engine()
    assert ledger_content(engine) == expected.content
    if not ground.server:
        assert ledger_rows(engine) == expected.rows
    assert [row.name for row in find_executions(HistoryFilter()) if row.status not in {"completed", "failed"}] == []
