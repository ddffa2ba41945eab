"""The page as `sync-actions api` serves it, in a process of its own."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.secret_watch import WATCH

TOKEN = "an-invented-token-of-the-tests"
READER_TOKEN = "an-invented-token-of-one-who-only-reads"


@dataclass(frozen=True)
class PageServer:
    """A server that answers."""

    url: str
    database_url: str
    log: Path
    """What it writes to standard error."""

    def execute(self, step: str, **months: str) -> None:
        """Run a step through the API, to its end."""
        self._ask("POST", "/api/sync/execute-step", {"step_name": step, **months})

    def ignore_every_error(self) -> None:
        """As a person does who has looked at them all."""
        found = self._ask("GET", "/api/integrations/errors", None)["errors"]
        wanted = {"ids": [error["id"] for error in found], "status": "ignored"}
        self._ask("PATCH", "/api/integrations/errors/bulk-update", wanted)

    def _ask(self, method: str, path: str, body: dict[str, Any] | None) -> Any:
        answer = httpx.request(
            method, f"{self.url}{path}", json=body, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=300
        )
        assert answer.status_code == 200, answer.text
        return answer.json()


@contextmanager
def serve_page(folder: Path, variables: Mapping[str, str], port: int = 0) -> Iterator[PageServer]:
    """Serve on this port (0: a free one) until the block ends; the database is in this folder, or where variables say.

    They name a Prefect server, or the home of one of its own: a shared one would give its runs to other servers'
    workers.
    """
    database = variables.get("SYNC_DATABASE_URL", f"sqlite:///{folder / 'sync.db'}")
    log = folder / "server.log"
    WATCH.learn({"SYNC_API_TOKEN": TOKEN, **variables})
    own = {"SYNC_API_TOKEN": TOKEN}
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    with log.open("w") as written:
        process = subprocess.Popen(
            [sys.executable, "-c", "from flows.cli.app import main; main()", "api", "--port", str(port)],
            env={**clean, **own, **variables, "SYNC_DATABASE_URL": database},
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=written,
            text=True,
        )
    try:
        assert process.stdout is not None
        told = process.stdout.readline()
        yield PageServer(_await_start(told.split()[1]), database, log)
    finally:
        process.terminate()
        process.communicate(timeout=60)
        WATCH.look_at("the server's log", log.read_bytes())


def _await_start(address: str) -> str:
    """The connection is taken at once, and answered when the server is up."""
    assert httpx.get(f"{address}/api/health", timeout=120).is_success
    return address
