"""A Prefect API for one command: the one that is configured, else a temporary server that ends with the command.

Prefect would boot a temporary server by itself, but that one outlives a killed command and writes stack traces at the
user. Ours watches a pipe to its parent: whatever ends the parent closes the pipe, and with it the server.

Prefect's server answers anybody unless it is told otherwise, also the web pages in a browser on this machine. Ours asks
for a random password of its own, and lets no page of another origin in.
"""

import gc
import os
import secrets
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from threading import Thread
from time import monotonic, sleep
from typing import IO

from steps.errors import SyncError
from steps.progress import LOGGED
from tracking.redaction import register_secret
from tracking.settings import export_settings_file

STARTUP_SECONDS = 180
_POLL_SECONDS = 0.05
_TIMEOUT_SECONDS = 5


class PrefectUnavailableError(SyncError):
    """There is no Prefect API, and none could be started."""


def quiet_prefect() -> None:
    """What a person sees is ours, and Prefect is that of the settings file. To be called before Prefect is imported.

    What the user set stays.

    Raises:
        DatabaseUnusableError: the settings file cannot be read.
    """
    export_settings_file()
    os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")
    os.environ.setdefault("PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW", "ignore")
    # A server that accepts and never answers would hold a command for half an hour with Prefect's own limits.
    os.environ.setdefault("PREFECT_API_REQUEST_TIMEOUT", "30")
    os.environ.setdefault("PREFECT_CLIENT_MAX_RETRIES", "3")


@contextmanager
def prefect_api(meanwhile: Callable[[], None] | None = None) -> Iterator[None]:
    """A reachable Prefect API inside the block.

    Args:
        meanwhile: What takes seconds and needs no API. Unless the environment names an API, a temporary server boots
            meanwhile; should Prefect's profile name one, it is ended again.

    Raises:
        PrefectUnavailableError: the configured one does not answer or refuses access, or the temporary one did not
            start.
    """
    password = secrets.token_urlsafe()
    register_secret(password)
    auth_string = f"sync-actions:{password}"
    with ExitStack() as stack:
        server = None if os.environ.get("PREFECT_API_URL") else stack.enter_context(_booting_server(auth_string))
        if meanwhile is not None:
            meanwhile()
        from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_KEY, PREFECT_API_URL, temporary_settings

        stack.enter_context(_still_there())
        if configured := PREFECT_API_URL.value():
            if server is not None:
                server.end()
            _require_answer(configured)
        else:
            server = server or stack.enter_context(_booting_server(auth_string))
            server.await_start()
            ours = {PREFECT_API_URL: server.url, PREFECT_API_AUTH_STRING: auth_string}
            stack.enter_context(temporary_settings(ours, restore_defaults={PREFECT_API_KEY}))
        stack.enter_context(logs_delivered())
        yield


@contextmanager
def _still_there() -> Iterator[None]:
    """A server that goes away in the middle is one line too; a vendor's trouble never gets here as it is."""
    import httpx

    try:
        yield
    except httpx.TransportError as error:
        raise PrefectUnavailableError(
            f"The Prefect server stopped answering ({type(error).__name__}): what was done and what was not is in "
            "sync-actions history; run the same command again"
        ) from None


@contextmanager
def logs_delivered() -> Iterator[None]:
    """Prefect sends logs and events in the background; they are delivered while the server is still there."""
    from prefect.events.worker import EventsWorker
    from prefect.logging.handlers import APILogWorker

    try:
        yield
    finally:
        APILogWorker.drain_all(timeout=_TIMEOUT_SECONDS)
        EventsWorker.drain_all(timeout=_TIMEOUT_SECONDS)


def _require_answer(url: str) -> None:
    """Health is told to everybody; what a run needs, a protected server tells only who has its password."""
    import httpx
    from prefect.client.orchestration import get_client
    from prefect.exceptions import PrefectHTTPStatusError

    try:
        httpx.get(f"{url}/health", timeout=_TIMEOUT_SECONDS)
    except httpx.HTTPError as error:
        raise PrefectUnavailableError(
            f"No Prefect server answers at PREFECT_API_URL {url} ({type(error).__name__}): "
            "start it with `prefect server start`, or unset the variable to use a temporary one"
        ) from None
    try:
        with get_client(sync_client=True) as client:
            client.read_flows(limit=1)
    except PrefectHTTPStatusError as error:
        if (status := error.response.status_code) not in {401, 403}:
            raise
        raise PrefectUnavailableError(
            f"The Prefect server at PREFECT_API_URL {url} refuses access ({status}): set PREFECT_API_AUTH_STRING to "
            "the PREFECT_SERVER_API_AUTH_STRING that it was started with"
        ) from None


@contextmanager
def temporary_server() -> Iterator[str]:
    """The URL of a Prefect API on a free loopback port, for tests and measurements: whoever asks is answered.

    It ends with the block, or with this process.
    """
    with _booting_server(None) as server:
        server.await_start()
        yield server.url


class _Server:
    """A temporary server, in a process of its own."""

    def __init__(self, auth_string: str | None, output: IO[str]) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port: int = probe.getsockname()[1]
        self._output = output
        self.url = f"http://127.0.0.1:{self._port}/api"
        protection = {"PREFECT_SERVER_CORS_ALLOWED_ORIGINS": f"http://127.0.0.1:{self._port}"}
        if auth_string is not None:
            protection["PREFECT_SERVER_API_AUTH_STRING"] = auth_string
        # This process makes the home too, when it loads Prefect meanwhile: whoever is first, it is its owner's alone.
        home = Path(os.environ.get("PREFECT_HOME") or "~/.prefect").expanduser()
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._process = subprocess.Popen(  # noqa: S603 - our own module on our own interpreter
            [sys.executable, "-m", __name__, str(self._port)],
            env={**os.environ, **protection},
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            umask=0o077,  # runs' logs are in its database
            start_new_session=True,  # a Ctrl-C is for the command, which still needs the server to say goodbye
        )

    def await_start(self) -> None:
        """Wait until it answers: it listens when it has started, and not before.

        Raises:
            PrefectUnavailableError: it ended, or did not start in time; with its last line.
        """
        deadline = monotonic() + STARTUP_SECONDS
        while monotonic() < deadline and self._process.poll() is None:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self._port), _TIMEOUT_SECONDS):
                return
            sleep(_POLL_SECONDS)
        self._output.seek(0)
        last_line = self._output.read().strip().splitlines()[-1:] or ["it said nothing"]
        raise PrefectUnavailableError(f"The temporary Prefect server did not start: {last_line[0]}")

    def end(self) -> None:
        """End it, if it has not ended."""
        self._process.terminate()
        try:
            self._process.wait(_TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()


@contextmanager
def _booting_server(auth_string: str | None) -> Iterator[_Server]:
    """A temporary server that has begun to boot; it ends with the block, or with this process.

    Args:
        auth_string: `USER:PASSWORD` that each request must carry (all but that for health); None: whoever asks is
            answered.
    """
    LOGGED.update(
        "starting a temporary Prefect server (takes a while; set PREFECT_API_URL to use one that runs already)"
    )
    with tempfile.TemporaryFile("w+") as output:
        server = _Server(auth_string, output)
        try:
            yield server
        finally:
            server.end()


def _serve(port: int) -> None:
    """The child's side: a Prefect API on loopback, for as long as the parent holds the other end of the pipe."""
    import uvicorn

    os.environ.update(
        PREFECT_UI_ENABLED="false",
        PREFECT__SERVER_EPHEMERAL="1",  # what Prefect sets for temporary servers of its own
        PREFECT_SERVER_ANALYTICS_ENABLED="false",
    )
    gc.disable()  # what is imported stays, and looking for garbage in it takes an eighth of the boot
    from prefect.server.api.server import create_app

    gc.freeze()
    gc.enable()
    server = uvicorn.Server(uvicorn.Config(create_app, factory=True, host="127.0.0.1", port=port, log_level="error"))

    def watch() -> None:
        os.read(sys.stdin.fileno(), 1)  # returns when the parent is gone; a buffered read would stop a polite end
        server.should_exit = True
        sleep(_TIMEOUT_SECONDS)
        os._exit(1)

    Thread(target=watch, name="parent-watch", daemon=True).start()
    server.run()


if __name__ == "__main__":
    _serve(int(sys.argv[1]))
