"""The API as a server in a process of its own."""

import re
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from tests.flows.conftest import CommandLine

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
