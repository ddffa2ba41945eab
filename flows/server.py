"""`sync-actions api`: the HTTP API and the page on one port, and the worker that does their runs."""

import logging
import socket
from collections.abc import Callable
from threading import Thread

import uvicorn

from flows.api.app import create_app
from flows.api.security import require_safe_binding
from flows.connections import Certificate, server_config
from flows.page.app import mount_page
from flows.runs import Runs
from flows.worker import worker_name
from steps.errors import SyncError, UsageError
from steps.settings import SyncSettings
from tracking.database import get_engine

_log = logging.getLogger("flows.api")


def serve(
    host: str, port: int, log: Callable[[str], None], *, with_worker: bool = True, tls: Certificate | None = None
) -> None:
    """Serve until the process is told to stop; `log` is told where. Port 0 takes a free one.

    A worker that was brought along ends with it, and so do its runs: what they had not committed is recorded as failed.

    Raises:
        UsageError: the address cannot be served, or not without a token; or nobody could do a run.
        DatabaseUnusableError: the database cannot be used.
    """
    settings: SyncSettings = SyncSettings.load()
    require_safe_binding(host, settings)
    if tls is not None:
        tls.require_usable()
    if not with_worker:
        _require_lasting_server()
    get_engine()  # a database that cannot be used is said now
    with _listen(host, port) as listener:
        served = listener.getsockname()[1]
        runs = Runs(worker_name(served) if with_worker else None)
        _log_to_standard_error()
        app = create_app(settings, runs)
        mount_page(app)
        config = server_config(app, settings, tls)
        Thread(target=_warm_up, args=(runs,), name="warm-up", daemon=True).start()
        name = f"[{host}]" if ":" in host else host
        is_guarded = app.state.access.is_guarded
        who = "with a token" if is_guarded else "this machine only: SYNC_API_TOKEN is not set"
        log(f"serving http{'s' if tls else ''}://{name}:{served} ({who}); end it with Ctrl-C")
        try:
            uvicorn.Server(config).run(sockets=[listener])
        except KeyboardInterrupt:
            log("stopped")


def _require_lasting_server() -> None:
    from prefect.settings import PREFECT_API_URL

    if not PREFECT_API_URL.value():
        raise UsageError(
            "--no-worker needs PREFECT_API_URL: on the temporary Prefect server that is started without it there is no "
            "other worker"
        )


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family)
    except OSError as error:
        raise UsageError(f"cannot serve on {host} port {port}: {error.strerror or error}") from None
    # An answer is written in two parts: without this the second could wait 40 ms for the first one's receipt.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def _warm_up(runs: Runs) -> None:
    try:
        runs.warm_up()
    except SyncError as error:
        _log.warning("%s", error)


def _log_to_standard_error() -> None:
    """A handler of our own: Prefect sets up the root's, and not before the first run."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    _log.addHandler(handler)
    _log.setLevel(logging.INFO)
    _log.propagate = False
