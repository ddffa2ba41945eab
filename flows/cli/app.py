"""The console script: it understands a Ctrl-C before anything is imported, and answers at once what needs nothing.

What a command needs is imported by the command (`commands.py`), inside `importing`.
"""

import gc
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from types import FrameType


class ExitStatus(IntEnum):
    """What a shell is told (docs/interfaces.md, Command line)."""

    COMPLETED = 0
    FAILED = 1
    WRONG_USAGE = 2
    INTERRUPTED = 130


def main() -> None:
    """The console script."""
    sys.exit(run_command(sys.argv[1:]))


def run_command(arguments: list[str]) -> int:
    """Run one command; every foreseeable trouble is one line on standard error and an exit status.

    Whoever ends the process politely (SIGTERM) means what Ctrl-C means.
    """
    with importing():
        from flows.cli.commands import run_command as run
    try:
        return run(arguments)
    except KeyboardInterrupt:  # before or after what the command line library watches over
        error_line("Interrupted.")
        return ExitStatus.INTERRUPTED


@contextmanager
def importing() -> Iterator[None]:
    """Import modules inside the block, before anything has begun.

    An interruption ends the process at once: as an exception it could be swallowed by one of the modules. Afterwards it
    is a `KeyboardInterrupt`. What is imported stays: looking for garbage in it takes a seventh of the time.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _end_at_once)
    known = len(sys.modules)
    gc.disable()
    try:
        yield
    finally:
        if len(sys.modules) > known:
            gc.freeze()
        gc.enable()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.default_int_handler)


def error_line(message: str) -> None:
    """One line on standard error, whatever the message held."""
    print(" ".join(message.split()), file=sys.stderr)  # noqa: T201


def _end_at_once(_number: int, _frame: FrameType | None) -> None:
    if sys.stderr.isatty():
        os.write(sys.stderr.fileno(), b"\x1b[?25h")  # the cursor, which a moving line of progress hides
    os.write(sys.stderr.fileno(), b"Interrupted: nothing had begun.\n")
    os._exit(ExitStatus.INTERRUPTED)
