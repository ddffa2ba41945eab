"""Which reads are not tried again in a run: a vendor that is down must cost a year its patience once, not each month.

The connectors try each request several times by themselves. What still fails then, because the vendor cannot be reached
or answers 408, 429 or 5xx, counts here; whatever else is wrong with an answer says nothing of the next request.
"""

from collections import Counter
from collections.abc import Hashable
from dataclasses import dataclass, field

from steps.errors import VendorDownError, VendorError, VendorUnavailableError

MOST_TRIES = 2
"""Of one read in a run: the first, and that of its task's retry."""
FAILED_IN_A_ROW = 2
"""Different reads after which a vendor is taken for down. The next one is tried once, because the first two may be a
wide read and a month inside it, and the fault that month's alone; when it fails too, nothing is asked any more."""


@dataclass
class CircuitBreaker:
    """Of one vendor, or of one kind of its requests."""

    _failed: dict[Hashable, VendorUnavailableError] = field(default_factory=dict)
    """The different reads that failed since one last succeeded, oldest first."""
    _tries: Counter[Hashable] = field(default_factory=Counter)
    _last: dict[Hashable, VendorUnavailableError] = field(default_factory=dict)

    @property
    def is_down(self) -> bool:
        """Whether several reads in a row failed: from then on one is tried once only."""
        return len(self._failed) >= FAILED_IN_A_ROW

    def require(self, read: Hashable) -> None:
        """Refuse a read that is not to be made any more.

        Raises:
            VendorDownError: it, or several others, failed before; the message says of what.
        """
        if self._is_refused(read):
            raise VendorDownError(self._failed.get(read) or self._last.get(read) or next(iter(self._failed.values())))

    def failed(self, read: Hashable, error: VendorUnavailableError) -> VendorError:
        """Note that a read failed all its attempts. Returns the error to raise: another one if it was the last try."""
        self._failed[read] = self._last[read] = error
        self._tries[read] += 1
        return VendorDownError(error) if self._is_refused(read) else error

    def succeeded(self) -> None:
        """Note that the vendor answered."""
        self._failed.clear()

    def _is_refused(self, read: Hashable) -> bool:
        if len(self._failed) > FAILED_IN_A_ROW or self._tries[read] >= MOST_TRIES:
            return True
        return self.is_down and read in self._failed
