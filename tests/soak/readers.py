"""Somebody reads our API all the time: how long each answer took, and what it was."""

import threading
from dataclasses import dataclass

import httpx

from tests.soak.installation import now

PATHS = ("/api/sync/executions?limit=50", "/api/health", "/api/accruals/monthly/2024", "/api/integrations/errors")
_PAUSE_SECONDS = 0.5
_LONGEST_SECONDS = 60.0


@dataclass(frozen=True)
class Answer:
    """One answer of the API."""

    path: str
    asked: float
    """Unix seconds."""
    seconds: float
    status: int
    """0: no connection, or it broke."""


class Reader(threading.Thread):
    """Asks for one page after the other until it is closed."""

    def __init__(self, url: str) -> None:
        super().__init__(name="reader", daemon=True)
        self._url, self._closed = url, threading.Event()
        self.answers: list[Answer] = []

    def run(self) -> None:
        """See the class."""
        with httpx.Client(base_url=self._url, timeout=_LONGEST_SECONDS, verify=False, trust_env=False) as client:
            while not self._closed.wait(_PAUSE_SECONDS):
                self.answers.append(_ask(client, PATHS[len(self.answers) % len(PATHS)]))

    def close(self) -> None:
        """End it."""
        self._closed.set()
        self.join()


def _ask(client: httpx.Client, path: str) -> Answer:
    asked = now()
    try:
        status = client.get(path).status_code
    except httpx.HTTPError:
        status = 0
    return Answer(path, asked, now() - asked, status)
