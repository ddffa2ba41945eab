"""The three fake vendors on one loopback port."""

import asyncio
import gzip
import json
import signal
import socket
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from threading import Event, Thread
from time import monotonic
from typing import Any
from urllib.parse import parse_qs

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from steps.sandbox import fourgeeks, holded, notion
from steps.sandbox.academy import MADRID_SCHOOL
from steps.sandbox.exchange import Answer, Call, Modes, Vendor, html_answer
from steps.sandbox.faults import Fault, Faults, fail_instead, rate_limited, repeated
from steps.sandbox.fourgeeks import Tokens
from steps.sandbox.world import World, build_world

PREFIXES: dict[Vendor, str] = {
    "holded": "/holded/api/invoicing/v1",
    "fourgeeks": "/fourgeeks/v1",
    "notion": "/notion/v1",
}
COMPRESSED_FROM = 10_000
DROPPED = 0
"""Status in the log of a request that got no answer."""

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


@dataclass(frozen=True)
class LoggedRequest:
    """One request that was answered, or dropped."""

    vendor: Vendor
    method: str
    path: str
    """After the vendor's base URL."""
    query: Mapping[str, str]
    status: int
    """As answered; 0 for a connection that was dropped."""
    at: datetime
    body: Any = None
    """The JSON body, without a password."""


@dataclass
class Desk:
    """What the server works with; everything but the log may be changed between requests."""

    world: World
    modes: Modes = field(default_factory=Modes)
    faults: Faults = field(default_factory=Faults)
    tokens: Tokens = field(default_factory=Tokens)
    requests: list[LoggedRequest] = field(default_factory=list)
    _recent: dict[Vendor, deque[float]] = field(default_factory=dict)
    _cached: set[tuple[str, str]] = field(default_factory=set)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """One request."""
        call = await _read(scope, receive)
        if call is None:
            await _send(html_answer(404, "No such vendor"), send)
            return
        fault = self.faults.take(call)
        if fault is not None and fault.kind == "slow":
            await asyncio.sleep(fault.seconds)
        answer = self._answer(call, fault)
        if fault is not None and fault.kind in {"drop-connection", "truncated"}:
            self._log(call, DROPPED if fault.kind == "drop-connection" else answer.status)
            await _break(answer, fault, scope, receive, send)
            return
        self._log(call, answer.status)
        await _send(_compressed(call, answer), send)

    def _answer(self, call: Call, fault: Fault | None) -> Answer:
        if self._is_over_its_rate(call.vendor):
            return rate_limited(call.vendor, 1)
        if fault is not None and (failed := fail_instead(fault, call)):
            return failed
        answer = self._true_answer(repeated(call) if fault is not None and fault.kind == "repeat-page" else call)
        if fault is not None and fault.kind == "altered":
            return replace(answer, content=fault.alter(answer.content))
        if fault is not None and fault.kind == "incomplete":
            status = {"type": "incomplete", "incomplete_reason": "query_result_limit_reached"}
            cut = json.loads(answer.content) | {"has_more": False, "next_cursor": None, "request_status": status}
            return replace(answer, content=json.dumps(cut, ensure_ascii=False).encode())
        return answer

    def _true_answer(self, call: Call) -> Answer:
        if call.vendor == "holded":
            return holded.answer(call, self.world, self.modes)
        if call.vendor == "notion":
            return notion.answer(call, self.world, self.modes)
        place = (call.path, repr(sorted(call.query.items())))
        fresh = place not in self._cached or call.query.get("cache") == "false"
        self._cached.add(place)
        return fourgeeks.answer(call, self.world, self.modes, self.tokens, fresh=fresh)

    def _is_over_its_rate(self, vendor: Vendor) -> bool:
        """Whether a request more than the vendor's rate was made within a second."""
        if (rate := self.modes.rates.get(vendor)) is None:
            return False
        recent, now = self._recent.setdefault(vendor, deque()), monotonic()
        while recent and recent[0] <= now - max(1.0, 1.0 / rate):
            recent.popleft()
        if len(recent) >= max(rate, 1):
            return True
        recent.append(now)
        return False

    def _log(self, call: Call, status: int) -> None:
        body = call.body
        if isinstance(body, dict):
            body = {name: value for name, value in body.items() if name != "password"}
        # One append is atomic: whoever reads the list from another thread sees whole entries.
        self.requests.append(
            LoggedRequest(call.vendor, call.method, call.path, dict(call.query), status, datetime.now(UTC), body)
        )


async def _read(scope: Message, receive: Receive) -> Call | None:
    content = b""
    while True:
        message = await receive()
        content += message.get("body", b"")
        if not message.get("more_body"):
            break
    raw_path = scope["raw_path"].decode("ascii")
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    repeated_values = parse_qs(scope["query_string"].decode(), keep_blank_values=True)
    for vendor, prefix in PREFIXES.items():
        if raw_path.startswith(f"{prefix}/"):
            return Call(
                vendor=vendor,
                method=scope["method"],
                path=raw_path.removeprefix(prefix),
                query={name: values[-1] for name, values in repeated_values.items()},
                headers=headers,
                content=content,
                base_url=f"http://{headers.get('host', '')}{prefix}",
                repeated=repeated_values,
            )
    return None


def _compressed(call: Call, answer: Answer) -> Answer:
    """The CRM compresses what is over 10 KB, if the client can read it."""
    large = call.vendor == "fourgeeks" and len(answer.content) > COMPRESSED_FROM
    if not large or "gzip" not in call.headers.get("accept-encoding", ""):
        return answer
    content = gzip.compress(answer.content, compresslevel=1, mtime=0)
    return replace(answer, content=content, headers={**answer.headers, "Content-Encoding": "gzip"})


async def _send(answer: Answer, send: Send) -> None:
    await send(_start(answer))
    await send({"type": "http.response.body", "body": answer.content})


def _start(answer: Answer) -> Message:
    headers = {
        **answer.headers, "Content-Type": answer.content_type, "Content-Length": str(len(answer.content)),
    }  # fmt: skip
    pairs = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    return {"type": "http.response.start", "status": answer.status, "headers": pairs}


async def _break(answer: Answer, fault: Fault, scope: Message, receive: Receive, send: Send) -> None:
    """Close the socket before the answer, or in the middle of its body."""
    transport: asyncio.Transport = scope["state"]["transport"]
    if fault.kind == "truncated":
        await send(_start(answer))
        half = answer.content[: len(answer.content) // 2]
        await send({"type": "http.response.body", "body": half, "more_body": True})
        transport.close()
    else:
        transport.abort()
    while (await receive())["type"] != "http.disconnect":
        """Until the loop has really closed it, so that the protocol does not try to answer."""


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
            "FOURGEEKS_USERNAME": fourgeeks.USERNAME,
            "FOURGEEKS_PASSWORD": fourgeeks.PASSWORD,
            "FOURGEEKS_ACADEMY_ID": str(MADRID_SCHOOL.id),
            "FOURGEEKS_BASE_URL": self.base_url + PREFIXES["fourgeeks"],
            "NOTION_TOKEN": notion.TOKEN,
            "NOTION_DATABASE_ID": notion.DATABASE_ID,
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


def serve_until_interrupted(say: Callable[[str], object], *, port: int = 0, clients: int = 60) -> None:
    """Serve the academy until Ctrl-C or a termination signal.

    Args:
        say: gets the lines that point a shell at the server, once it accepts connections.
        port: 0 takes any free one.
        clients: how large the academy is.

    Raises:
        OSError: the port is taken.
    """
    stop = Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    with serve_sandbox(build_world(clients=clients), port=port) as server:
        try:
            for name, value in server.environment.items():
                say(f"export {name}={value}")
            stop.wait()
        except KeyboardInterrupt:
            return
