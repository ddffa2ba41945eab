"""The limits: how long `Retry-After` makes us wait, and who shares a limiter. Nothing here is timed by a clock."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from steps.errors import VendorUnavailableError
from steps.vendors.http import RateLimiter, RetryPolicy, TryAgainError, limiter_of
from steps.vendors.parsing import Answer


def answered(retry_after: str) -> Answer:
    return Answer("acme", "GET /", 429, {"retry-after": retry_after}, b"")


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("49", 49.0), (" 3 ", 3.0), ("0", 0.0), ("1.5", 1.5), ("", None), ("soon", None), ("-5", None), ("inf", None)],
)
def test_retry_after_in_seconds(header: str, seconds: float | None) -> None:
    assert answered(header).retry_after() == seconds


def test_retry_after_as_a_date_is_never_negative() -> None:
    long_ago, tomorrow = datetime(2020, 1, 1, tzinfo=UTC), datetime.now(UTC) + timedelta(days=1)

    assert answered(format_datetime(long_ago, usegmt=True)).retry_after() == 0
    assert (answered(format_datetime(tomorrow, usegmt=True)).retry_after() or 0) > 3600


def test_one_vendor_at_one_address_has_one_limiter() -> None:
    first = limiter_of("acme", "http://one.example", 5)

    assert limiter_of("acme", "http://one.example", 5) is first
    assert limiter_of("acme", "http://two.example", 5) is not first
    assert limiter_of("other", "http://one.example", 5) is not first


def test_turns_are_spaced_evenly_and_unused_ones_are_not_saved_up() -> None:
    limiter = RateLimiter(4)

    assert [limiter.take_turn(now) for now in (100.0, 100.0, 100.1, 200.0, 200.0)] == pytest.approx(
        [0.0, 0.25, 0.4, 0.0, 0.25]
    )


def test_a_new_rate_counts_from_the_next_turn_on() -> None:
    limiter = RateLimiter(4)
    limiter.take_turn(100.0)
    limiter.set_rate(1)

    assert [limiter.take_turn(100.0) for _ in range(2)] == pytest.approx([0.25, 1.25])


@pytest.mark.parametrize(
    ("retry_after", "elapsed", "answer"),
    [
        (None, 0.0, True),
        (None, 600.0, False),
        (49.0, 0.0, 49.0),
        (0.0, 0.0, 0.0),
        (3600.0, 0.0, 120.0),
        (60.0, 500.0, 60.0),
        (60.0, 550.0, False),
    ],
)
def test_retry_after_is_obeyed_within_bounds(retry_after: float | None, elapsed: float, answer: float | bool) -> None:
    failure = TryAgainError(VendorUnavailableError("acme", "GET /", "429", status=429), retry_after)

    patience = RetryPolicy().patience(failure, elapsed)

    assert (type(patience), patience) == (type(answer), answer)
