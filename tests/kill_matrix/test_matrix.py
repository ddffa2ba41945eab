"""Whatever hits a run, at whichever point: it is known what was not done, and the next run makes everything whole."""

import signal
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.kill_matrix.case import Case, every_case, sample
from tests.kill_matrix.conftest import Model
from tests.kill_matrix.disturbance import Kind
from tests.kill_matrix.ground import Ground
from tests.kill_matrix.prefect_view import unended_runs
from tests.kill_matrix.truth import assert_truthful, assert_whole, read_history, remember

_SIGNALS = {Kind.SIGKILL: -signal.SIGKILL, Kind.SIGTERM: 130, Kind.SIGINT: 130}
_SAMPLE = {case.id for case in sample()}


def _parameters() -> list[Any]:
    return [
        pytest.param(case, id=case.id, marks=pytest.mark.prefect)
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
    remember(case, "command line", record_property)
    ground, expected = stage(case), model.undisturbed[case.command]
    monkeypatch.setenv("SYNC_DATABASE_URL", ground.database_url)
    disturbance = replace(case.disturbance, mark=str(ground.folder / "hit"), lever=ground.server)
    if disturbance.kind is Kind.DISK_FULL:
        ground.prepare_for_a_full_disk()

    began = datetime.now(UTC)
    hit = ground.run(*case.command, disturbance=disturbance)
    ground.mend()

    assert Path(disturbance.mark).exists(), f"the point was never reached: {hit.err}"
    assert hit.status == _SIGNALS.get(disturbance.kind, hit.status), hit.err
    assert "Traceback" not in hit.err
    assert ground.processes_left() == []
    history = read_history(capsys)

    after = ground.run(*case.command)

    assert after.status == 0, after.err
    assert_truthful(history, after.executions, expected, stopped=disturbance.kind in _SIGNALS)
    assert_whole(expected, ground, stopped=disturbance.kind in _SIGNALS)
    assert unended_runs(ground, began) == []
