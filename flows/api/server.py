"""The app on a port: what `sync-actions api` runs."""

import logging
import socket
from collections.abc import Callable
from threading import Thread

import uvicorn

from flows.api.app import create_app
from flows.api.prefect_runs import PrefectStepRuns
from flows.api.security import require_safe_binding, token_of
from flows.page.app import mount_page
from flows.prefect_server import PrefectUnavailableError
from steps.errors import UsageError
from steps.settings import SyncSettings
from tracking.database import get_engine

_GRACE_SECONDS = 10
_log = logging.getLogger("flows.api")


def serve(host: str, port: int, tell: Callable[[str], None]) -> None:
    """Serve until the process is told to stop.

    Runs that are still at work then are given up: what they had not committed is recorded as failed.

    Raises:
        UsageError: the address cannot be served, or not without a token.
        DatabaseUnusableError: the database cannot be used.
    """
    settings: SyncSettings = SyncSettings.load()
    require_safe_binding(host, settings)
    get_engine()  # a database that cannot be used is said now
    runs = PrefectStepRuns()
    with _listen(host, port) as listener:
        _log_to_standard_error()
        # Whose address it is comes from the connection: a header could say anything.
        app = create_app(settings, runs)
        mount_page(app)
        config = uvicorn.Config(
            app,
            access_log=False,  # it would show whole addresses; ours shows routes
            log_level="warning",
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=_GRACE_SECONDS,
        )
        Thread(target=_warm_up, args=(runs,), name="warm-up", daemon=True).start()
        name = f"[{host}]" if ":" in host else host
        who = "this machine only: SYNC_API_TOKEN is not set" if token_of(settings) is None else "with SYNC_API_TOKEN"
        tell(f"serving http://{name}:{listener.getsockname()[1]} ({who}); end it with Ctrl-C")
        try:
            uvicorn.Server(config).run(sockets=[listener])
        except KeyboardInterrupt:
            tell("stopped")


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family)
    except OSError as error:
        raise UsageError(f"cannot serve on {host} port {port}: {error.strerror or error}") from None
    # An answer is written in two parts: without this the second could wait 40 ms for the first one's receipt.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def _warm_up(runs: PrefectStepRuns) -> None:
    try:
        runs.warm_up()
    except PrefectUnavailableError as error:
        _log.warning("%s", error)


def _log_to_standard_error() -> None:
    """A handler of our own: Prefect sets up the root's, and not before the first run."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    _log.addHandler(handler)
    _log.setLevel(logging.INFO)
    _log.propagate = False
