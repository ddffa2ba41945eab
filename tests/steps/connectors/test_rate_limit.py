"""The limits: how long `Retry-After` makes us wait, and who shares a limiter. Nothing here is timed by a clock."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from steps.connectors.answers import Answer
from steps.connectors.rate_limit import limiter_of


def answer(retry_after: str) -> Answer:
    return Answer("acme", "GET /", 429, {"retry-after": retry_after}, b"")


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("49", 49.0), (" 3 ", 3.0), ("0", 0.0), ("1.5", 1.5), ("", None), ("soon", None), ("-5", None), ("inf", None)],
)
def test_retry_after_in_seconds(header: str, seconds: float | None) -> None:
    assert answer(header).retry_after() == seconds


def test_retry_after_as_a_date_is_never_negative() -> None:
    long_ago, tomorrow = datetime(2020, 1, 1, tzinfo=UTC), datetime.now(UTC) + timedelta(days=1)

    assert answer(format_datetime(long_ago, usegmt=True)).retry_after() == 0
    assert (answer(format_datetime(tomorrow, usegmt=True)).retry_after() or 0) > 3600


def test_one_vendor_at_one_address_has_one_limiter() -> None:
    first = limiter_of("acme", "http://one.example", 5)

    assert limiter_of("acme", "http://one.example", 5) is first
    assert limiter_of("acme", "http://two.example", 5) is not first
    assert limiter_of("other", "http://one.example", 5) is not first
