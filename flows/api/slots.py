"""So many runs at once and no more: each has a slot and a thread, from its start to its end."""

from collections.abc import Callable
from contextvars import copy_context
from threading import BoundedSemaphore, Thread
from typing import TypeVar

from flows.api.step_runs import TooManyRunsError

T = TypeVar("T")


class Slots:
    """A limit on what one server works on."""

    def __init__(self, most: int, full: str) -> None:
        """Args: `full` says, after the number, what there is so much of."""
        self._full = f"{most} {full}: try again later"
        self._free = BoundedSemaphore(most)

    def occupy(self, get: Callable[[], T], work: Callable[[T], None]) -> T:
        """Get a run and work on it in a thread, in the caller's context.

        Raises:
            TooManyRunsError: no slot is free; nothing was got.
        """
        if not self._free.acquire(blocking=False):
            raise TooManyRunsError(self._full)
        try:
            got = get()
        except BaseException:
            self._free.release()
            raise
        Thread(target=copy_context().run, args=(self._work, got, work), daemon=True).start()
        return got

    def _work(self, got: T, work: Callable[[T], None]) -> None:
        try:
            work(got)
        finally:
            self._free.release()
