"""Processes of the soak: each in a session of its own, all with a mark by which whatever is left of them is found."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

MARK = "SYNC_SOAK"
_RUN_ID = "PREFECT__FLOW_RUN_ID"
"""Prefect sets it in the process that a worker starts for a run."""
_PATIENCE_SECONDS = 60
_SETTINGS = ("SYNC_", "PREFECT_", "HOLDED_", "FOURGEEKS_", "NOTION_")


def surroundings() -> dict[str, str]:
    """The variables of this process but for settings, which would count more than the settings file of the soak."""
    return {name: value for name, value in os.environ.items() if not name.startswith(_SETTINGS)}


@dataclass
class Service:
    """A program that is meant to go on for as long as the soak, and may be killed and started again."""

    name: str
    command: Sequence[str]
    environment: dict[str, str]
    folder: Path
    process: "subprocess.Popen[bytes] | None" = None
    started_at: list[float] = field(default_factory=list)
    """Unix seconds of each start."""

    @property
    def log(self) -> Path:
        """Standard output and standard error of all its starts."""
        return self.folder / f"{self.name}.log"

    def start(self) -> None:
        """Start it, unless it runs."""
        if self.is_running():
            return
        self.started_at.append(time.time())
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                self.command,
                env=surroundings() | self.environment,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def stop(self, how: signal.Signals = signal.SIGTERM) -> str:
        """Send it a signal that ends it, and wait; one that does not obey within a minute is killed, as by systemd.

        Returns:
            What was done, in a few words.
        """
        if self.process is None:
            return "was not running"
        self.process.send_signal(how)
        try:
            self.process.wait(_PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return f"{how.name}, and SIGKILL after {_PATIENCE_SECONDS} s"
        return how.name

    def is_running(self) -> bool:
        """Whether its process lives."""
        return self.process is not None and self.process.poll() is None


def run_processes(mark: str) -> list[psutil.Process]:
    """The processes that work on a flow run for a worker of this soak."""
    return [each for each in _marked(mark) if _RUN_ID in _environment_of(each)]


def processes_left(mark: str, patience: float) -> list[str]:
    """Command lines of what has the mark and does not end within `patience` seconds."""
    await_true(lambda: not _marked(mark), patience)
    return [" ".join(_command_of(each)) for each in _marked(mark)]


def end_processes(mark: str) -> None:
    """Kill what is left, so that a soak that failed leaves nothing behind."""
    for each in _marked(mark):
        if each.pid != os.getpid():
            each.kill()


def await_true(happened: Callable[[], object], seconds: float) -> bool:
    """Whether it happens within so many seconds; looked at twice a second."""
    deadline = time.monotonic() + seconds
    while not happened():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.5)
    return True


def _marked(mark: str) -> list[psutil.Process]:
    return [each for each in psutil.process_iter() if _environment_of(each).get(MARK) == mark]


def _environment_of(process: psutil.Process) -> dict[str, str]:
    try:
        return process.environ()
    except (psutil.Error, OSError):
        return {}


def _command_of(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []
