"""Ctrl-C in the middle of a run: status 130, no row left open, no process left behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest

from steps.sandbox.faults import Fault
from steps.sandbox.server import serve_sandbox
from steps.sandbox.world import build_world
from tests.flows.conftest import CommandLine
from tests.processes import processes_with
from tracking.history import HistoryFilter, find_executions

pytestmark = pytest.mark.prefect

LONGEST_SECONDS = 120
SIGNALS = pytest.mark.parametrize("interruption", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.long)])


@pytest.mark.long
@SIGNALS
def test_an_interrupted_run_leaves_no_row_open_and_no_process(
    prefect_home: Callable[[], Path], tmp_path: Path, interruption: signal.Signals
) -> None:
    mark = f"SYNC_TEST_RUN={uuid4()}"
    command_line = CommandLine({"PREFECT_HOME": str(prefect_home())}, tmp_path)
    with serve_sandbox(build_world()) as sandbox:
        sandbox.faults.add(Fault("holded", "slow", "/documents/invoice", times=None, seconds=20))
        process = command_line.start("--from-step", "invoices", **sandbox.environment, SYNC_TEST_RUN=mark)
        _await_a_running_row(process)

        process.send_signal(interruption)
        out, err = process.communicate(timeout=LONGEST_SECONDS)

    assert process.returncode == 130, err
    assert out == ""
    assert err.splitlines()[-1].startswith("Interrupted")
    assert "Traceback" not in err
    executions = find_executions(HistoryFilter())
    assert len(executions) == 37
    assert {execution.status for execution in executions} == {"failed"}
    assert all("interrupted" in (execution.error_message or "") for execution in executions)
    assert processes_with(mark) == []


def _await_a_running_row(process: "subprocess.Popen[str]") -> None:
    deadline = time.monotonic() + LONGEST_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if any(execution.status == "running" for execution in find_executions(HistoryFilter())):
            return
        time.sleep(0.1)
    raise AssertionError("nothing ever ran")


@SIGNALS
@pytest.mark.parametrize(
    "module",
    [
        "flows.cli.commands",
        "prefect",
        *(
            pytest.param(module, marks=pytest.mark.long)
            for module in ("typer", "sqlalchemy", "steps.settings", "prefect.settings", "httpx")
        ),
    ],
)
def test_an_interruption_in_the_first_second_is_status_130_and_one_line(
    tmp_path: Path, module: str, interruption: signal.Signals
) -> None:
    """Ctrl-C while this module is being imported, wherever that is."""
    script = (
        "import signal, sys\n"
        "class Interruption:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name == {module!r}:\n"
        "            sys.meta_path.remove(self)\n"
        f"            signal.raise_signal({int(interruption)})\n"
        "sys.meta_path.insert(0, Interruption())\n"
        "from flows.cli.app import main\n"
        "main()\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", script, "--sandbox"],
        env={**os.environ, "PREFECT_HOME": str(tmp_path / "home")},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=LONGEST_SECONDS,
        check=False,
    )

    assert done.returncode == 130, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith("Interrupted")
    assert done.stdout == ""
