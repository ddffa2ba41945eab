"""What a run says while it works, to whoever listens: the command line shows it, a flow logs it, a test ignores it.

The listener travels in a context variable, so that no plain function needs a parameter for it.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from enum import StrEnum


class News(StrEnum):
    """How long a message is worth reading."""

    PASSING = "passing"
    """Until the next one: what is being done just now."""
    LASTING = "lasting"
    """To the end of the run: what has been finished."""


Listener = Callable[[News, str], None]


def _nobody(_news: News, _message: str) -> None:
    """The listener of those who asked for none."""


_listener: ContextVar[Listener] = ContextVar("progress_listener", default=_nobody)


def say(message: str) -> None:
    """Tell the listeners what is going on just now, such as `holded: 500 invoices read`."""
    _listener.get()(News.PASSING, message)


def conclude(message: str) -> None:
    """Tell the listeners what has just ended, and how."""
    _listener.get()(News.LASTING, message)


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Let `listener` hear, besides those who listen already, what is said inside the block."""
    outer = _listener.get()

    def both(news: News, message: str) -> None:
        outer(news, message)
        listener(news, message)

    token = _listener.set(both)
    try:
        yield
    finally:
        _listener.reset(token)
