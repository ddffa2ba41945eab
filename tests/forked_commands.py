"""Commands forked from a process that has imported the program already: imports are most of a short run's cost.

Each is a process of its own all the same, with its own id, birth, signals and death. Prefect reads its settings when it
is imported, so all share one Prefect server and home.
"""

import multiprocessing
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

_LONGEST_SECONDS = 300
_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["flows.cli.commands", "flows.sync_import", "flows.process_accruals"])


@dataclass(frozen=True)
class Command:
    """What is to be run, and where."""

    main: Callable[[], None]
    """A function of a module: that of a console script."""
    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    folder: Path

    @property
    def output(self) -> tuple[Path, Path]:
        """The files of standard output and standard error."""
        return self.folder / "out", self.folder / "err"


def start_fork_server(environment: Mapping[str, str]) -> None:
    """Let the imports happen, in the environment that all forked commands share."""
    from multiprocessing import forkserver

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")
        patch.setenv("PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW", "ignore")
        for name, value in environment.items():
            patch.setenv(name, value)
        forkserver.ensure_running()


def run_forked(command: Command) -> int:
    """Run it to its end. Returns the exit status, or the negative signal that ended it."""
    process = _context.Process(target=_be, args=(command,))
    process.start()
    process.join(_LONGEST_SECONDS)
    if process.exitcode is None:
        process.kill()
        process.join()
        raise TimeoutError(f"{command.arguments} took more than {_LONGEST_SECONDS} s")
    return process.exitcode


def _be(command: Command) -> None:
    """The child's side: become what a shell would have started."""
    os.setsid()
    os.chdir(command.folder)
    os.environ.clear()
    os.environ.update(command.environment)
    for stream, path in zip((sys.stdout, sys.stderr), command.output, strict=True):
        with path.open("w") as file:
            os.dup2(file.fileno(), stream.fileno())
    sys.argv[1:] = command.arguments
    command.main()
