"""The page as `sync-actions api` serves it, in a process of its own."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

TOKEN = "an-invented-token-of-the-tests"


@dataclass(frozen=True)
class PageServer:
    """A server that answers."""

    url: str
    database_url: str

    def execute(self, step: str, **months: str) -> None:
        """Run a step through the API, to its end."""
        answer = httpx.post(
            f"{self.url}/api/sync/execute-step",
            json={"step_name": step, **months},
            headers={"Authorization": f"Bearer {TOKEN}"},
            timeout=300,
        )
        assert answer.status_code == 200, answer.text


@contextmanager
def serve_page(folder: Path, variables: Mapping[str, str]) -> Iterator[PageServer]:
    """Serve on a free port, with a database in this folder, until the block ends."""
    database = f"sqlite:///{folder / 'sync.db'}"
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    process = subprocess.Popen(
        [sys.executable, "-c", "from flows.cli.app import main; main()", "api", "--port", "0"],
        env={**clean, "SYNC_DATABASE_URL": database, "SYNC_API_TOKEN": TOKEN, **variables},
        cwd=folder,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        told = process.stdout.readline()
        yield PageServer(_await_start(told.split()[1]), database)
    finally:
        process.terminate()
        process.communicate(timeout=60)


def _await_start(address: str) -> str:
    """The connection is taken at once, and answered when the server is up."""
    assert httpx.get(f"{address}/api/health", timeout=120).is_success
    return address
