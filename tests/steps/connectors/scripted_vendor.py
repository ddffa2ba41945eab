"""The scripted vendor: what it was asked, and what the test lets it answer."""

import json
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

EXAMPLES = Path(__file__).parent / "examples"


@dataclass(frozen=True)
class Sent:
    """One request as it arrived."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    """Names in lower case."""
    body: Any

    @property
    def page(self) -> int:
        """The page asked for."""
        return int(self.query["page"])


@dataclass(frozen=True)
class Reply:
    """One answer. `missing` bytes are announced and never sent, `drop` closes instead, `hang` waits for the end."""

    body: Any = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    text: str | None = None
    raw: bytes | None = None
    """Instead of a text, for what is none."""
    missing: int = 0
    drop: bool = False
    hang: bool = False
    drip: bool = False
    """Bytes come one by one, each just in time for the read time-out."""
    drip_headers: bool = False
    """Likewise, but the status line and the headers never end."""

    def content(self) -> bytes:
        """The bytes to send."""
        if self.raw is not None:
            return self.raw
        return self.text.encode() if self.text is not None else json.dumps(self.body, ensure_ascii=False).encode()


Script = Callable[[Sent], Reply]


class ScriptedVendor:
    """Answers with `script`; `sent` holds what was asked."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.sent: list[Sent] = []
        self.released = threading.Event()
        self.script: Script = lambda _: Reply({"status": 0, "info": "nothing scripted"}, status=404)

    def answers(self, *replies: Reply | Any) -> None:
        """One after the other; the last one for good. A plain value is a 200 with it."""
        queue = [reply if isinstance(reply, Reply) else Reply(reply) for reply in replies]
        self.script = lambda _: queue.pop(0) if len(queue) > 1 else queue[0]


class Handler(BaseHTTPRequestHandler):
    """Hands each request to the script."""

    protocol_version = "HTTP/1.1"

    def _handle(self) -> None:
        script: ScriptedVendor = self.server.script  # type: ignore[attr-defined]
        url = urlsplit(self.path)
        query = {name: values[-1] for name, values in parse_qs(url.query).items()}
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        sent = Sent(self.command, url.path, query, headers, json.loads(content) if content else None)
        script.sent.append(sent)
        self._send(script, script.script(sent))

    do_GET = do_POST = _handle  # noqa: N815

    def _send(self, script: ScriptedVendor, reply: Reply) -> None:
        if reply.hang:
            script.released.wait(30)
        if reply.drip_headers:
            self._drip_headers(script)
        if reply.drop or reply.hang or reply.drip_headers:
            self.close_connection = True
            with suppress(OSError):
                self.connection.shutdown(socket.SHUT_RDWR)
            return
        content = reply.content()
        self.send_response(reply.status)
        for name, value in {"Content-Type": "application/json", **reply.headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content) + reply.missing))
        self.end_headers()
        for part in [content[at : at + 1] for at in range(len(content))] if reply.drip else [content]:
            self.wfile.write(part)
            if reply.drip and script.released.wait(0.02):
                break
        if reply.missing:
            self.close_connection = True

    def _drip_headers(self, script: ScriptedVendor) -> None:
        """Until the client or the test has enough."""
        part = b"HTTP/1.1 200 OK\r\nX-Slow: "
        with suppress(OSError):
            while not script.released.wait(0.02):
                self.wfile.write(part)
                part = b"x"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Say nothing."""


@contextmanager
def serving_script() -> Iterator[ScriptedVendor]:
    """A scripted vendor on a free port of loopback."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    script = ScriptedVendor(f"http://127.0.0.1:{server.server_port}/v1")
    server.script = script  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield script
    script.released.set()
    server.shutdown()
    server.server_close()
    thread.join()


def example(name: str) -> Any:
    """An example answer of the vendor sheets."""
    return json.loads((EXAMPLES / f"{name}.json").read_text(encoding="utf-8"))
