"""The soak in its short form: few kinds of disturbances for a minute and a half, and every promise holds."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.soak.disturbances import KINDS
from tests.soak.installation import ROOT
from tests.soak.plan import LANES, Planned, make_plan

_LENGTH = 20 * 60


@pytest.mark.soak
def test_a_production_that_is_disturbed_for_a_minute_and_a_half_becomes_whole_by_itself(tmp_path: Path) -> None:
    report = tmp_path / "report.md"
    command = [sys.executable, "-m", "tests.soak", "--minutes", "1.5", "--report", str(report)]
    soak = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        output, _ = soak.communicate()
    finally:
        if soak.poll() is None:  # interrupted: it ends what it started
            soak.send_signal(signal.SIGINT)
            soak.wait()

    assert soak.returncode == 0, output
    assert "**no**" not in report.read_text()


@pytest.mark.parametrize("seed", range(20))
def test_a_plan_disturbs_in_every_way_and_never_in_two_ways_at_the_same_part(seed: int) -> None:
    plan = make_plan(KINDS, seed, _LENGTH, first=60)

    assert {each.kind.name for each in plan} == {kind.name for kind in KINDS}
    assert all(60 <= each.begins < each.ends <= _LENGTH for each in plan)
    for each in plan:
        others = [other for other in plan if other is not each and _overlap(each, other)]
        assert len([other for other in others if other.begins <= each.begins]) < LANES
        assert not any(each.kind.touches & other.kind.touches for other in others)
    assert make_plan(KINDS, seed, _LENGTH, first=60) == plan


def _overlap(one: Planned, other: Planned) -> bool:
    return one.begins < other.ends and other.begins < one.ends
