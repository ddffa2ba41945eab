"""Faults on request: which answers go wrong, how, and how often."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock
from typing import Literal

from steps.sandbox.exchange import Call, Vendor

FaultKind = Literal[
    "400", "401", "402", "403", "404", "409", "410", "429", "500", "503", "504", "529",
    "429-no-retry-after", "502-html", "html-200", "not-json", "soft-failure", "truncated", "drop-connection",
    "repeat-page", "empty", "slow", "expired-cursor", "incomplete", "altered",
]  # fmt: skip
"""A number is an error in the vendor's own form. `soft-failure` is an object where a list was expected, 200."""


@dataclass(frozen=True)
class Fault:
    """What goes wrong."""

    vendor: Vendor
    kind: FaultKind
    path: str = ""
    """A regular expression that the path (after the vendor's base) begins with; "" is every path."""
    times: int | None = 1
    """`None`: for ever."""
    when: Callable[[Call], bool] | None = None
    """Only these requests: `lambda call: call.query.get("page") == "2"`, or of the body: `call.body`."""
    retry_after: int = 1
    """Seconds, for 429 and 529."""
    seconds: float = 0.2
    """How long `slow` takes."""
    alter: Callable[[bytes], bytes] = bytes
    """For `altered`: makes the bytes that are sent of those of the true answer."""


@dataclass
class Faults:
    """The faults that are still to come, oldest first."""

    _pending: list[tuple[Fault, int | None]] = field(default_factory=list)
    _lock: Lock = field(default_factory=Lock)

    def add(self, fault: Fault) -> None:
        """Let the next requests that fit go wrong."""
        with self._lock:
            self._pending.append((fault, fault.times))

    def clear(self) -> None:
        """Everything is well again."""
        with self._lock:
            self._pending.clear()

    def take(self, call: Call) -> Fault | None:
        """The fault of this request, counted down."""
        with self._lock:
            for position, (fault, left) in enumerate(self._pending):
                if _fits(fault, call):
                    rest = None if left is None else left - 1
                    self._pending[position : position + 1] = [] if rest == 0 else [(fault, rest)]
                    return fault
        return None


def _fits(fault: Fault, call: Call) -> bool:
    at_path = fault.vendor == call.vendor and re.match(fault.path, call.path) is not None
    return at_path and (fault.when is None or fault.when(call))
