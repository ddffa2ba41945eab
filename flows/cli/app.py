"""The console script: it understands a Ctrl-C before the commands, which take a second to import, are there."""

import os
import signal
import sys
from types import FrameType

_INTERRUPTED = 130


def main() -> None:
    """The console script."""
    sys.exit(run_command(sys.argv[1:]))


def run_command(arguments: list[str]) -> int:
    """Run one command; every foreseeable trouble is one line on standard error and an exit status.

    Whoever ends the process politely (SIGTERM) means what Ctrl-C means. While modules are imported nothing has begun,
    and an exception could be swallowed by one of them: the process ends at once. Afterwards it is a
    `KeyboardInterrupt`.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _end_at_once)
    from flows.cli.commands import run_command as run

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    try:
        return run(arguments)
    except KeyboardInterrupt:  # before or after what the command line library watches over
        print("Interrupted.", file=sys.stderr)  # noqa: T201 - nothing else may be imported now
        return _INTERRUPTED


def _end_at_once(_number: int, _frame: FrameType | None) -> None:
    os.write(sys.stderr.fileno(), b"Interrupted: nothing had begun.\n")
    os._exit(_INTERRUPTED)
