"""One rate limit per vendor, shared by every connector of the process (design.md, What holds always).

A limit that reaches further than this process, such as Prefect's global concurrency limits, is let in from outside
with `throttled()`: connectors know no Prefect.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

Throttle = Callable[[str], None]
"""Called with the vendor's name before each request; returns when the request may go out."""


class RateLimiter:
    """Spaces requests evenly: no burst, so that two runs in one process stay within the limit together."""

    def __init__(self, per_second: float) -> None:
        self._interval = 1 / per_second
        self._next = 0.0
        self._lock = threading.Lock()

    def set_rate(self, per_second: float) -> None:
        """Follow the settings when they change while the process lives."""
        with self._lock:
            self._interval = 1 / per_second

    def take_turn(self, now: float) -> float:
        """Take the next free moment. Returns how many seconds after `now` (of a monotonic clock) it is."""
        with self._lock:
            turn = max(self._next, now)
            self._next = turn + self._interval
        return turn - now

    def wait(self) -> None:
        """Return when the caller's turn has come."""
        time.sleep(self.take_turn(time.monotonic()))


_limiters: dict[tuple[str, str], RateLimiter] = {}
_limiters_lock = threading.Lock()
_throttle: ContextVar[Throttle | None] = ContextVar("vendor_throttle", default=None)


def limiter_of(vendor: str, base_url: str, per_second: float) -> RateLimiter:
    """The one limiter of this vendor at this address; the latest rate counts."""
    with _limiters_lock:
        limiter = _limiters.setdefault((vendor, base_url), RateLimiter(per_second))
    limiter.set_rate(per_second)
    return limiter


def wait_for_throttle(vendor: str) -> None:
    """Ask the throttle of this context, if there is one."""
    if (throttle := _throttle.get()) is not None:
        throttle(vendor)


@contextmanager
def throttled(throttle: Throttle) -> Iterator[None]:
    """Let `throttle` delay each request made inside the block, besides the limits of this process."""
    token = _throttle.set(throttle)
    try:
        yield
    finally:
        _throttle.reset(token)
