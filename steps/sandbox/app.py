"""The three vendors behind one door: routing by prefix, the request log, rate limits and faults (ASGI)."""

import asyncio
import gzip
import json
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from time import monotonic
from typing import Any
from urllib.parse import parse_qs

from steps.sandbox import fourgeeks, holded, notion
from steps.sandbox.exchange import Answer, Call, Vendor, html_answer
from steps.sandbox.failing import fail_instead, rate_limited, repeated
from steps.sandbox.faults import Fault, Faults
from steps.sandbox.fourgeeks_login import Tokens
from steps.sandbox.modes import Modes
from steps.sandbox.world import World

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
