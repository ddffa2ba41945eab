"""Who has logged in, and who guesses too often. Kept in memory: a restart logs everybody out."""

import secrets
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from time import monotonic

SESSION_SECONDS = 12 * 60 * 60
MOST_SESSIONS = 1000
WINDOW_SECONDS = 60
MOST_FAILURES = 5
"""Of one address within the window."""
MOST_FAILURES_OF_ALL = 50
"""Within the window: whoever has many addresses does not get further."""


@dataclass
class Sessions:
    """Open sessions by the hash of their id, so that nothing in memory opens the page."""

    now: Callable[[], float] = monotonic
    _ends: OrderedDict[str, float] = field(default_factory=OrderedDict, init=False)

    def open(self) -> str:
        """A new session. Returns its id, which is known to nobody else."""
        session_id = secrets.token_urlsafe(32)
        self._ends[_hash(session_id)] = self.now() + SESSION_SECONDS
        while len(self._ends) > MOST_SESSIONS:
            self._ends.popitem(last=False)
        return session_id

    def is_open(self, session_id: str) -> bool:
        """Whether somebody logged in with it, and not too long ago."""
        return self._ends.get(_hash(session_id), 0.0) > self.now()

    def close(self, session_id: str) -> None:
        """Log out; what is connected with it ends too."""
        self._ends.pop(_hash(session_id), None)


@dataclass
class LoginLimit:
    """Counts wrong tokens, by address and of all together."""

    now: Callable[[], float] = monotonic
    _failures: deque[tuple[float, str]] = field(default_factory=deque, init=False)

    def allows(self, address: str) -> bool:
        """Whether this address may try; what is older than the window is forgotten."""
        while self._failures and self._failures[0][0] <= self.now() - WINDOW_SECONDS:
            self._failures.popleft()
        own = sum(1 for _, each in self._failures if each == address)
        return own < MOST_FAILURES and len(self._failures) < MOST_FAILURES_OF_ALL

    def failed(self, address: str) -> None:
        """One wrong token more."""
        self._failures.append((self.now(), address))


def _hash(session_id: str) -> str:
    return sha256(session_id.encode()).hexdigest()
