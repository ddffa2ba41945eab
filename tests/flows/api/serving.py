"""The API as a server in a process of its own."""

import re
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from tests.flows.conftest import CommandLine
from tracking.history import executions_of_run

LONGEST_SECONDS = 120


@contextmanager
def serving(
    command_line: CommandLine, *options: str, **variables: str
) -> Iterator[tuple[httpx.Client, "subprocess.Popen[str]"]]:
    """A server in a process of its own, on a free port."""
    process = command_line.start("api", "--port", "0", *options, **variables)
    with process:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.search(r"http://[^/\s]+", line)
        assert found, line + process.communicate()[1]
        assert process.stderr is not None
        logs = threading.Thread(target=process.stderr.read)  # so that the pipe never fills
        logs.start()
        try:
            with httpx.Client(base_url=found[0], timeout=LONGEST_SECONDS) as client:
                yield client, process
        finally:
            process.send_signal(signal.SIGTERM)
            logs.join(LONGEST_SECONDS)


def await_running(flow_run_id: str) -> None:
    """Until the only step of a run is at work: a worker needs some seconds, on a busy machine many, to begin it."""
    deadline = time.monotonic() + LONGEST_SECONDS
    while [each.status for each in executions_of_run(flow_run_id)] != ["running"]:
        assert time.monotonic() < deadline
        time.sleep(0.1)
