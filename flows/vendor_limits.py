"""Rate limits that all runs share, on whatever machine: Prefect's global concurrency limits, where somebody made them.

`prefect gcl create notion --limit 3 --slot-decay-per-second 3` makes one; a limit named after a vendor is then obeyed
besides the limits of each process (`HOLDED_RATE` and so on).
"""

from collections.abc import Iterator
from contextlib import contextmanager

from prefect.client.orchestration import get_client
from prefect.concurrency.sync import rate_limit

from steps.connectors.rate_limit import throttled

VENDORS = frozenset({"holded", "fourgeeks", "notion"})
_LONGEST_WAIT_SECONDS = 300.0


@contextmanager
def shared_vendor_limits() -> Iterator[frozenset[str]]:
    """Obey the vendors' global limits inside the block; yields the names of those there are."""
    names = _limited_vendors()

    def wait(vendor: str) -> None:
        if vendor in names:
            rate_limit(vendor, timeout_seconds=_LONGEST_WAIT_SECONDS)

    if not names:
        yield names
        return
    with throttled(wait):
        yield names


def _limited_vendors() -> frozenset[str]:
    """Active limits with a decay: one that is only ever freed by hand is no rate."""
    with get_client(sync_client=True) as client:
        limits = client.read_global_concurrency_limits()
    return VENDORS & {limit.name for limit in limits if limit.active and limit.slot_decay_per_second > 0}
