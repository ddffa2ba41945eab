"""Who counts as dead, and how soon; time is a parameter."""

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from tracking.lease import BEAT_SECONDS, LEASE_SECONDS, is_dead, lives_here, this_process

NOW = datetime(2024, 3, 1, 12, 0, tzinfo=UTC)
FAR_AWAY = "another-machine/1/1.00"
KNOWN_WITHIN_SECONDS = 30


def _host() -> str:
    return this_process().rsplit("/", 2)[0]


def test_a_dead_run_of_any_machine_is_known_within_half_a_minute_and_three_beats_may_be_missed() -> None:
    assert LEASE_SECONDS + BEAT_SECONDS <= KNOWN_WITHIN_SECONDS
    assert LEASE_SECONDS >= 3 * BEAT_SECONDS


@pytest.mark.parametrize(
    ("silent_for", "dead"), [(0, False), (LEASE_SECONDS, False), (LEASE_SECONDS + 1, True), (86_400, True)]
)
def test_an_owner_on_another_machine_is_dead_when_its_lease_is_over(silent_for: int, dead: bool) -> None:
    assert is_dead(FAR_AWAY, NOW - timedelta(seconds=silent_for), NOW) is dead


def test_an_owner_elsewhere_that_never_said_it_lives_is_dead() -> None:
    assert is_dead(FAR_AWAY, None, NOW)
    assert is_dead(None, None, NOW)


def test_a_living_process_of_this_machine_is_alive_however_long_it_was_silent() -> None:
    assert not is_dead(this_process(), NOW - timedelta(days=1), NOW)


def test_a_process_of_this_machine_that_ended_is_dead_at_once() -> None:
    child = subprocess.run(
        [sys.executable, "-c", "from tracking.lease import this_process; print(this_process())"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )

    assert is_dead(child.stdout.strip(), NOW, NOW)


def test_a_process_id_that_is_used_again_is_not_the_owner() -> None:
    assert lives_here(f"{_host()}/{os.getpid()}/1.00") is False


def test_of_another_machine_or_of_no_name_nothing_can_be_said_here() -> None:
    assert lives_here(FAR_AWAY) is None
    assert lives_here("") is None
