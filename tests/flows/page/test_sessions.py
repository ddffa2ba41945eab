"""Sessions end, are bounded and revocable; guessing tokens becomes slow."""

from dataclasses import dataclass

import pytest

from flows.page.auth import (
    MOST_FAILURES,
    MOST_FAILURES_OF_ALL,
    MOST_SESSIONS,
    SESSION_SECONDS,
    WINDOW_SECONDS,
    LoginLimit,
    Sessions,
)


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


def test_a_session_is_open_until_its_time_is_over(clock: Clock) -> None:
    sessions = Sessions(clock)
    session_id = sessions.open()

    clock.moment = SESSION_SECONDS - 1
    assert sessions.is_open(session_id)
    clock.moment = SESSION_SECONDS
    assert not sessions.is_open(session_id)


def test_a_session_that_was_closed_opens_nothing(clock: Clock) -> None:
    sessions = Sessions(clock)
    kept, left = sessions.open(), sessions.open()

    sessions.close(left)

    assert (sessions.is_open(kept), sessions.is_open(left)) == (True, False)


@pytest.mark.parametrize("guess", ["", "x", "é" * 40])
def test_an_id_that_nobody_was_given_opens_nothing(guess: str, clock: Clock) -> None:
    assert not Sessions(clock).is_open(guess)


def test_the_oldest_session_goes_when_there_are_too_many(clock: Clock) -> None:
    sessions = Sessions(clock)
    ids = [sessions.open() for _ in range(MOST_SESSIONS + 1)]

    assert [sessions.is_open(each) for each in (ids[0], ids[1], ids[-1])] == [False, True, True]


def test_an_address_that_guesses_has_to_wait_and_others_have_not(clock: Clock) -> None:
    limit = LoginLimit(clock)
    for _ in range(MOST_FAILURES):
        assert limit.allows("10.0.0.1")
        limit.failed("10.0.0.1")

    assert not limit.allows("10.0.0.1")
    assert limit.allows("10.0.0.2")
    clock.moment = WINDOW_SECONDS
    assert limit.allows("10.0.0.1")


def test_many_addresses_get_no_further_than_the_limit_of_all(clock: Clock) -> None:
    limit = LoginLimit(clock)
    for number in range(MOST_FAILURES_OF_ALL):
        limit.failed(f"10.0.0.{number}")

    assert not limit.allows("10.0.1.1")
