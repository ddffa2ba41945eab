"""The command line as a person starts it."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.secret_watch import WATCH

LONGEST_COMMAND_SECONDS = 300


@dataclass(frozen=True)
class Outcome:
    """What a command left: its exit status and what it wrote."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output as JSON."""
        return json.loads(self.out)


@dataclass(frozen=True)
class CommandLine:
    """`sync-actions` in a process of its own, on the test's database and Prefect server."""

    prefect_variables: Mapping[str, str]
    folder: Path

    def start(self, *arguments: str, **variables: str) -> "subprocess.Popen[str]":
        """Start it and do not wait; it gets a process group of its own, as a terminal gives it."""
        WATCH.learn(variables)
        return subprocess.Popen(
            [sys.executable, "-c", "from flows.cli.app import main; main()", *arguments],
            env={**os.environ, "COLUMNS": "160", **self.prefect_variables, **variables},
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *arguments: str, **variables: str) -> Outcome:
        """Run it to its end."""
        process = self.start(*arguments, **variables)
        out, err = process.communicate(timeout=LONGEST_COMMAND_SECONDS)
        WATCH.look_at(f"what sync-actions {arguments[0] if arguments else ''} said", f"{out}\n{err}")
        return Outcome(process.returncode, out, err)


@pytest.fixture
def sync_actions(prefect_server: str, tmp_path: Path) -> CommandLine:
    """The command line, with the shared Prefect server."""
    return CommandLine({"PREFECT_API_URL": prefect_server, "PREFECT_HOME": str(tmp_path / "prefect-home")}, tmp_path)
