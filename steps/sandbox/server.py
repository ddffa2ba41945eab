"""The three fake vendors on one loopback port."""

import gzip
import json
import os
import signal
import sys
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from socket import SHUT_RDWR, SO_LINGER, SOL_SOCKET, socket
from socketserver import ThreadingTCPServer
from struct import pack
from threading import Event, Lock, Thread
from time import monotonic
from typing import Any
from urllib.parse import parse_qsl

from steps.sandbox import fourgeeks, holded, notion
from steps.sandbox.academy import MADRID_SCHOOL
from steps.sandbox.exchange import Answer, Call, Modes, Vendor, html_answer
from steps.sandbox.faults import Fault, Faults, fail_instead, rate_limited, repeated
from steps.sandbox.fourgeeks import Tokens
from steps.sandbox.records import World
from steps.sandbox.world import build_world

PREFIXES: dict[Vendor, str] = {
    "holded": "/holded/api/invoicing/v1",
    "fourgeeks": "/fourgeeks/v1",
    "notion": "/notion/v1",
    "backend": "/backend",
}
COMPRESSED_FROM = 10_000
_BROKEN = ("drop-connection", "truncated", "reset", "drip")
DROPPED = 0
"""Status in the log of a request that got no answer."""


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
class SandboxServer:
    """The three vendors at one address. Everything but `requests` may be changed between requests."""

    world: World
    base_url: str
    modes: Modes = field(default_factory=Modes)
    faults: Faults = field(default_factory=Faults)
    backend: Callable[[Call], Answer] = lambda _: html_answer(404, "There is no backend")
    """What `/backend` answers, where a test has a backend that does the work (`SYNC_BACKEND_URL`)."""
    requests: list[LoggedRequest] = field(default_factory=list)
    """Every request that was answered or dropped, oldest first."""
    tokens: Tokens = field(default_factory=Tokens)
    """The CRM's login."""
    _recent: dict[Vendor, deque[float]] = field(default_factory=dict)
    _answering: Lock = field(default_factory=Lock)

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

    def answer(self, call: Call, fault: Fault | None) -> Answer:
        """Answer one request and log it; requests that come at the same time take turns."""
        with self._answering:
            answer = self._answer(call, fault)
            body = call.body
            if isinstance(body, dict):
                body = {name: value for name, value in body.items() if name != "password"}
            status = DROPPED if fault is not None and fault.kind in ("drop-connection", "reset") else answer.status
            at = datetime.now(UTC)
            self.requests.append(LoggedRequest(call.vendor, call.method, call.path, call.query, status, at, body))
        return answer

    def _answer(self, call: Call, fault: Fault | None) -> Answer:
        if self._is_over_its_rate(call.vendor):
            return rate_limited(call.vendor, 1)
        if fault is None:
            return self._true_answer(call)
        if failed := fail_instead(fault, call):
            return failed
        answer = self._true_answer(repeated(call) if fault.kind == "repeat-page" else call)
        if fault.kind == "altered":
            return fault.alter(answer)
        if fault.kind == "incomplete":
            status = {"type": "incomplete", "incomplete_reason": "query_result_limit_reached"}
            cut = json.loads(answer.content) | {"has_more": False, "next_cursor": None, "request_status": status}
            return replace(answer, content=json.dumps(cut, ensure_ascii=False).encode())
        return answer

    def _true_answer(self, call: Call) -> Answer:
        if call.vendor == "holded":
            return holded.answer(call, self.world, self.modes)
        if call.vendor == "notion":
            return notion.answer(call, self.world, self.modes)
        if call.vendor == "backend":
            return self.backend(call)
        return fourgeeks.answer(call, self.world, self.modes, self.tokens)

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


class _Listener(ThreadingTCPServer):
    """A thread for each connection. A connection that a client keeps open is never closed for being idle."""

    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], world: World) -> None:
        self.closing = Event()
        self._open: set[socket] = set()
        super().__init__(address, _Connection)
        self.sandbox = SandboxServer(world, f"http://{address[0]}:{self.server_address[1]}")

    def process_request(self, request: Any, client_address: Any) -> None:
        """Keep the connection in mind, to close it with the server."""
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """The connection is over."""
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say what went wrong, unless it is that a client is gone."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)

    def server_close(self) -> None:
        """Close every connection and wait for its thread."""
        self.closing.set()
        for connection in list(self._open):
            with suppress(OSError):  # its thread may just have closed it
                connection.shutdown(SHUT_RDWR)
        super().server_close()


class _Connection(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: _Listener

    def do_GET(self) -> None:
        """Answer a request of any method."""
        sandbox, call = self.server.sandbox, self._call()
        if call is None:
            self._send(html_answer(404, "<!doctype html><html><body><h1>No such vendor</h1></body></html>"))
            return
        fault = sandbox.faults.take(call)
        kind = fault.kind if fault is not None else None
        if fault is not None and kind == "slow":
            self.server.closing.wait(fault.seconds)
        answer = sandbox.answer(call, fault)
        if fault is None or kind not in _BROKEN:
            self._send(_compressed(call, answer))
        else:
            self._break(answer, fault)

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815

    def log_message(self, *_: Any) -> None:
        """Nothing on standard error: `SandboxServer.requests` is the log."""

    def _call(self) -> Call | None:
        """The request as the vendor sees it; `None` if the address is no vendor's."""
        content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        path, _, query = self.path.partition("?")
        for vendor, prefix in PREFIXES.items():
            if path.startswith(f"{prefix}/"):
                return Call(
                    vendor=vendor,
                    method=self.command,
                    path=path.removeprefix(prefix),
                    query=dict(parse_qsl(query, keep_blank_values=True)),
                    headers={name.lower(): value for name, value in self.headers.items()},
                    content=content,
                    base_url=f"http://{self.headers.get('Host', '')}{prefix}",
                )
        return None

    def _break(self, answer: Answer, fault: Fault) -> None:
        """Send a part of the answer, or all of it too slowly, and close the connection."""
        self.close_connection = True
        if fault.kind == "drop-connection":
            return
        dripping = fault.kind == "drip"
        self._send(answer, b"" if dripping else answer.content[: len(answer.content) // 2])
        self.wfile.flush()
        if fault.kind == "reset":  # whatever the client still expects, and without a farewell
            self.connection.setsockopt(SOL_SOCKET, SO_LINGER, pack("ii", 1, 0))
            os.close(self.connection.detach())
        for byte in answer.content if dripping else b"":
            if self.server.closing.wait(fault.seconds):
                break
            self.wfile.write(bytes([byte]))
            self.wfile.flush()

    def _send(self, answer: Answer, part: bytes | None = None) -> None:
        """Send the answer; with `part` only this of its body, whose whole length is announced."""
        self.send_response(answer.status)
        length = str(len(answer.content))
        for name, value in {**answer.headers, "Content-Type": answer.content_type, "Content-Length": length}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer.content if part is None else part)


def _compressed(call: Call, answer: Answer) -> Answer:
    """The CRM compresses what is over 10 KB, if the client can read it."""
    large = call.vendor == "fourgeeks" and len(answer.content) > COMPRESSED_FROM
    if not large or "gzip" not in call.headers.get("accept-encoding", ""):
        return answer
    content = gzip.compress(answer.content, compresslevel=1, mtime=0)
    return replace(answer, content=content, headers={**answer.headers, "Content-Encoding": "gzip"})


@contextmanager
def serve_sandbox(world: World, *, port: int = 0) -> Iterator[SandboxServer]:
    """Serve the academy on loopback, where its public credentials belong, until the block ends. Port 0: a free one.

    Raises:
        OSError: the port is taken.
    """
    with _Listener(("127.0.0.1", port), world) as listener:
        thread = Thread(target=listener.serve_forever, args=(0.005,), name="sandbox")
        thread.start()
        try:
            yield listener.sandbox
        finally:
            listener.shutdown()
            thread.join()


def serve_until_interrupted(say: Callable[[str], object], *, port: int) -> None:
    """Serve an academy of the usual size until Ctrl-C or a termination signal, and say what points a shell at it.

    Raises:
        OSError: the port is taken.
    """
    stop = Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    with serve_sandbox(build_world(), port=port) as server:
        try:
            for name, value in server.environment.items():
                say(f"export {name}={value}")
            stop.wait()
        except KeyboardInterrupt:
            return
