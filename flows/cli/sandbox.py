"""The three vendors swapped for the built-in sandbox, for the length of a command.

The invented academy never mixes with the real books: unless `SYNC_DATABASE_URL` says otherwise, it has a database of
its own.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from steps.errors import UsageError
from steps.sandbox.server import SandboxServer, serve_sandbox
from steps.sandbox.world import build_world
from steps.settings import SyncSettings
from tracking.settings import default_database_url

_LOCAL_RATE = "1000"
"""Requests a second: a server on loopback has no quota."""


def use_sandbox_database() -> bool:
    """Point `SYNC_DATABASE_URL` to the sandbox's own database, unless it is set. Whether it was not."""
    if os.environ.get("SYNC_DATABASE_URL"):
        return False
    os.environ["SYNC_DATABASE_URL"] = default_database_url("sandbox")
    return True


@contextmanager
def sandboxed() -> Iterator[SandboxServer]:
    """Serve the academy on loopback and let the environment point to it.

    Raises:
        UsageError: a remote backend is configured; it would ask the real vendors.
    """
    settings: SyncSettings = SyncSettings.load()
    if settings.backend_url:
        raise UsageError("--sandbox does not go with SYNC_BACKEND_URL: unset the one or leave out the other")
    use_sandbox_database()
    with serve_sandbox(build_world()) as server:
        rates = {f"{vendor}_RATE": _LOCAL_RATE for vendor in ("HOLDED", "FOURGEEKS", "NOTION")}
        os.environ.update(server.environment | rates)
        yield server
