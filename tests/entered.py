"""Which files and functions of ours one month of a step enters: `python -m tests.entered -- --from-step invoices ...`.

It runs `sync-actions` with these arguments in this process, until the first step run has ended and its row is
committed, and prints what was entered. It is a measure of how much a reader has to follow.
"""

import inspect
import sys
import threading
from collections import defaultdict
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from flows.cli.app import run_command
from flows.run_steps import _run_step

ROOT = Path(__file__).parent.parent
PACKAGES = ("flows", "steps", "tracking")
NOT_COUNTED = ("steps/sandbox", "tracking/migrations/versions")
"""The fake vendors are another program, and migrations are only read by who changes the schema."""
READERS_FOR_OTHERS = {"reads fourgeeks", "reads notion"}
"""Threads that read ahead for steps to come; those traced here ask no other vendor than Holded."""


class Entered:
    """What is entered while it listens, in any thread."""

    def __init__(self, last: CodeType) -> None:
        """Args: `last` ends it when it returns for the first time."""
        self._codes: set[CodeType] = set()
        self._last, self._over = last, False

    def listen(self) -> None:
        """From now on."""
        threading.setprofile(self._see)
        sys.setprofile(self._see)

    def by_file(self) -> dict[str, list[str]]:
        """File -> the functions in it that were entered; the bodies of modules and classes are none."""
        found: dict[str, set[str]] = defaultdict(set)
        for code in self._codes:
            path = Path(code.co_filename)
            if not path.is_relative_to(ROOT) or path.relative_to(ROOT).parts[0] not in PACKAGES:
                continue
            name = path.relative_to(ROOT).as_posix()
            if not name.startswith(NOT_COUNTED) and _is_function(code):
                found[name].add(code.co_qualname)
        return {name: sorted(found[name]) for name in sorted(found)}

    def _see(self, frame: FrameType, event: str, _: Any) -> None:
        if event == "call" and not self._over and threading.current_thread().name not in READERS_FOR_OTHERS:
            self._codes.add(frame.f_code)
        elif event == "return" and frame.f_code is self._last:
            self._over = True


def _is_function(code: CodeType) -> bool:
    """A function or a method, not the body of a module or class, a lambda or a comprehension."""
    return bool(code.co_flags & inspect.CO_OPTIMIZED) and not code.co_name.startswith("<")


def run() -> int:
    """Run the command, then say what was entered."""
    entered = Entered(_run_step.__code__)
    entered.listen()
    status = run_command(sys.argv[2:] if sys.argv[1:2] == ["--"] else sys.argv[1:])
    sys.setprofile(None)
    files = entered.by_file()
    for name, functions in files.items():
        sys.stdout.write(f"{name}: {', '.join(functions)}\n")
    sys.stdout.write(f"{len(files)} files, {sum(map(len, files.values()))} functions\n")
    return status


if __name__ == "__main__":
    sys.exit(run())
