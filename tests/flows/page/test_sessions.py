"""Sessions end, by their age and when nobody does anything; they are bounded and revocable."""

from dataclasses import dataclass

import pytest

from flows.access import Caller, Role
from flows.page.auth import IDLE_SECONDS, MOST_SESSIONS, SESSION_SECONDS, Sessions
from tracking.audit import Door

ANA = Caller("ana", Role.READ, Door.PAGE, "192.0.2.7")


@dataclass
class Clock:
    """A clock that goes when it is told to."""

    moment: float = 0.0

    def __call__(self) -> float:
        """Seconds."""
        return self.moment


@pytest.fixture
def clock() -> Clock:
    """At zero."""
    return Clock()


def test_a_session_is_open_until_its_time_is_over_whatever_is_done(clock: Clock) -> None:
    sessions = Sessions(clock)
    session_id = sessions.open(ANA)

    for moment in range(0, SESSION_SECONDS, IDLE_SECONDS // 2):
        clock.moment = moment
        assert sessions.find(session_id, is_act=True) == ANA
    clock.moment = SESSION_SECONDS
    assert sessions.find(session_id, is_act=True) is None


def test_a_session_in_which_nobody_does_anything_ends(clock: Clock) -> None:
    sessions = Sessions(clock)
    session_id = sessions.open(ANA)

    clock.moment = IDLE_SECONDS - 1
    assert sessions.find(session_id, is_act=False) == ANA
    clock.moment = IDLE_SECONDS
    assert sessions.find(session_id, is_act=True) is None


def test_a_session_that_was_closed_opens_nothing(clock: Clock) -> None:
    sessions = Sessions(clock)
    kept, left = sessions.open(ANA), sessions.open(ANA)

    sessions.close(left)

    assert [sessions.find(each, is_act=True) for each in (kept, left)] == [ANA, None]


@pytest.mark.parametrize("guess", ["", "x", "é" * 40])
def test_an_id_that_nobody_was_given_opens_nothing(guess: str, clock: Clock) -> None:
    assert Sessions(clock).find(guess, is_act=True) is None


def test_the_oldest_session_goes_when_there_are_too_many(clock: Clock) -> None:
    sessions = Sessions(clock)
    ids = [sessions.open(ANA) for _ in range(MOST_SESSIONS + 1)]

    assert [sessions.find(each, is_act=True) for each in (ids[0], ids[1], ids[-1])] == [None, ANA, ANA]
