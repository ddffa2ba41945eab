"""What holds before each request of a run: its time limit, and rate limits that all runs share, on whatever machine.

Those are Prefect's global concurrency limits, where somebody made them:
`prefect gcl create notion --limit 3 --slot-decay-per-second 3` makes one; a limit named after a vendor is then obeyed
besides the limits of each process (`HOLDED_RATE` and so on).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic

from prefect.client.orchestration import get_client
from prefect.concurrency.sync import rate_limit

from steps.connectors.rate_limit import throttled
from steps.errors import RunTimeLimitError

VENDORS = frozenset({"holded", "fourgeeks", "notion"})
_LONGEST_WAIT_SECONDS = 300.0
_SECONDS_PER_HOUR = 3600.0


@dataclass(frozen=True)
class TimeLimit:
    """How long a run may last."""

    hours: float
    ends_at: float
    """By the monotonic clock, which nobody sets."""

    @classmethod
    def from_now(cls, hours: float) -> "TimeLimit":
        """Of a run that begins now."""
        return cls(hours, monotonic() + hours * _SECONDS_PER_HOUR)

    def require(self) -> None:
        """Go on while there is time.

        Raises:
            RunTimeLimitError: there is none left; the line names the setting.
        """
        if monotonic() >= self.ends_at:
            raise RunTimeLimitError(f"the run reached its time limit of {self.hours:g} h (SYNC_RUN_HOURS)")


@contextmanager
def limits_before_requests(limit: TimeLimit) -> Iterator[frozenset[str]]:
    """Obey both inside the block; yields the names of the vendors that have a global limit."""
    names = _limited_vendors()

    def wait(vendor: str) -> None:
        limit.require()
        if vendor in names:
            rate_limit(vendor, timeout_seconds=_LONGEST_WAIT_SECONDS)

    with throttled(wait):
        yield names


def _limited_vendors() -> frozenset[str]:
    """Active limits with a decay: one that is only ever freed by hand is no rate."""
    with get_client(sync_client=True) as client:
        limits = client.read_global_concurrency_limits()
    return VENDORS & {limit.name for limit in limits if limit.active and limit.slot_decay_per_second > 0}
