"""The sandbox on a real socket: one thread, one event loop, gone without a trace when the block ends."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from steps.sandbox import fourgeeks_login, holded, notion, notion_json
from steps.sandbox.app import PREFIXES, Desk, LoggedRequest
from steps.sandbox.catalogue import MADRID_SCHOOL
from steps.sandbox.faults import Faults
from steps.sandbox.modes import Modes
from steps.sandbox.world import World

IDLE_SECONDS = 600
"""Longer than any client keeps a connection: that it is closed under a request is a fault, and asked for."""


class SandboxServer:
    """The three vendors at one address. `world`, `faults` and `modes` may be changed between requests."""

    def __init__(self, world: World, base_url: str) -> None:
        self.base_url = base_url
        self._desk = Desk(world)

    @property
    def world(self) -> World:
        """The academy as it is served now."""
        return self._desk.world

    @world.setter
    def world(self, world: World) -> None:
        self._desk.world = world

    @property
    def faults(self) -> Faults:
        """What will go wrong."""
        return self._desk.faults

    @property
    def modes(self) -> Modes:
        """How the vendors behave."""
        return self._desk.modes

    @property
    def requests(self) -> list[LoggedRequest]:
        """Every request that was answered or dropped, oldest first."""
        return self._desk.requests

    def expire_tokens(self) -> None:
        """The CRM's token dies now, before its seven days are over."""
        self._desk.tokens.expire()

    @property
    def environment(self) -> dict[str, str]:
        """What points the program at this server."""
        return {
            "HOLDED_API_KEY": holded.API_KEY,
            "HOLDED_BASE_URL": self.base_url + PREFIXES["holded"],
            "FOURGEEKS_USERNAME": fourgeeks_login.USERNAME,
            "FOURGEEKS_PASSWORD": fourgeeks_login.PASSWORD,
            "FOURGEEKS_ACADEMY_ID": str(MADRID_SCHOOL.id),
            "FOURGEEKS_BASE_URL": self.base_url + PREFIXES["fourgeeks"],
            "NOTION_TOKEN": notion.TOKEN,
            "NOTION_DATABASE_ID": notion_json.DATABASE_ID,
            "NOTION_BASE_URL": self.base_url + PREFIXES["notion"],
        }

    @property
    def application(self) -> Desk:
        """The ASGI application behind the socket."""
        return self._desk


class _Protocol(H11Protocol):
    """Lets the application reach the socket, for faults that no HTTP message can express."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.app_state = {**self.app_state, "transport": transport}
        super().connection_made(transport)


@contextmanager
def serve_sandbox(world: World, *, port: int = 0, host: str = "127.0.0.1") -> Iterator[SandboxServer]:
    """Serve the academy until the block ends.

    Args:
        world: the academy; `SandboxServer.world` may be set to another between requests.
        port: 0 takes any free one.
        host: the sandbox's credentials are public, so it belongs on loopback.

    Raises:
        OSError: the port is taken.
    """
    listener = socket.create_server((host, port))
    # An answer is written in two parts: without this the second would wait 40 ms for the first one's receipt.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    server = SandboxServer(world, f"http://{host}:{listener.getsockname()[1]}")
    loop, started = asyncio.new_event_loop(), Event()
    stopping = asyncio.Event()
    thread = Thread(target=_run, args=(loop, listener, server.application, started, stopping), name="sandbox")
    thread.start()
    started.wait()
    try:
        yield server
    finally:
        loop.call_soon_threadsafe(stopping.set)
        thread.join()


def _run(
    loop: asyncio.AbstractEventLoop, listener: socket.socket, application: Desk, started: Event, stopping: asyncio.Event
) -> None:
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(_serve(listener, application, started, stopping))


async def _serve(listener: socket.socket, application: Any, started: Event, stopping: asyncio.Event) -> None:
    """Accept connections until told to stop, then close every one of them.

    The protocol is used without `uvicorn.Server`, which would take over signals and write to the log of the host.
    """
    config = uvicorn.Config(
        application, lifespan="off", log_config=None, access_log=False, ws="none", timeout_keep_alive=IDLE_SECONDS
    )
    config.load()
    state = ServerState()
    loop = asyncio.get_running_loop()
    accepting = await loop.create_server(lambda: _Protocol(config, state, {}), sock=listener)
    started.set()
    await stopping.wait()
    accepting.close()
    for task in list(state.tasks):
        task.cancel()
    for connection in list(state.connections):
        connection.transport.abort()
    await asyncio.gather(*state.tasks, return_exceptions=True)
    while state.connections:
        await asyncio.sleep(0)
