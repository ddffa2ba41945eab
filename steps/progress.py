"""What a step says while it works, to whoever listens: the command line shows it, a flow logs it, a test ignores it.

The listener travels in a context variable, so that no plain function needs a parameter for it.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

Listener = Callable[[str], None]


def _nobody(_: str) -> None:
    """The listener of those who asked for none."""


_listener: ContextVar[Listener] = ContextVar("progress_listener", default=_nobody)


def say(message: str) -> None:
    """Tell the listener what has just been done, such as `holded: 500 invoices read`."""
    _listener.get()(message)


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Let `listener` hear what is said inside the block."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)
