"""Fault injection: which answers go wrong, how, and how often."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import Any, Literal

from steps.sandbox import holded, notion
from steps.sandbox.exchange import WEB_APP_PAGE, Answer, Call, Json, Vendor, html_answer, json_answer

FaultKind = Literal[
    "400", "401", "402", "403", "404", "405", "408", "409", "410", "413", "422", "423", "425", "429", "451",
    "500", "501", "502", "503", "504", "507", "508", "520", "521", "522", "523", "524", "529",
    "429-no-retry-after", "502-html", "html-200", "not-json", "soft-failure", "truncated", "drop-connection", "reset",
    "repeat-page", "empty", "slow", "drip", "expired-cursor", "incomplete", "altered",
]  # fmt: skip
"""A number is an error in the vendor's own form. `soft-failure` is an object where a list was expected, 200. `reset`
cuts the connection in mid-answer; `drip` sends the true answer byte by byte."""


@dataclass(frozen=True)
class Fault:
    """What goes wrong."""

    vendor: Vendor
    kind: FaultKind
    path: str = ""
    """A regular expression that the path (after the vendor's base) begins with; "" is every path."""
    times: int | None = 1
    """`None`: for ever."""
    when: Callable[[Call], bool] | None = None
    """Only these requests: `lambda call: call.query.get("page") == "2"`, or of the body: `call.body`."""
    retry_after: int = 1
    """Seconds, for 429 and 529."""
    seconds: float = 0.2
    """How long `slow` takes, and `drip` for each byte."""
    alter: Callable[[Answer], Answer] = lambda answer: answer
    """For `altered`: makes what is sent of the true answer."""


@dataclass
class Faults:
    """The faults that are still to come, oldest first."""

    _pending: list[tuple[Fault, int | None]] = field(default_factory=list)
    _lock: Lock = field(default_factory=Lock)

    def add(self, fault: Fault) -> None:
        """Let the next requests that fit go wrong."""
        with self._lock:
            self._pending.append((fault, fault.times))

    def clear(self) -> None:
        """Everything is well again."""
        with self._lock:
            self._pending.clear()

    def take(self, call: Call) -> Fault | None:
        """The fault of this request, counted down."""
        with self._lock:
            for position, (fault, left) in enumerate(self._pending):
                if _fits(fault, call):
                    remaining = None if left is None else left - 1
                    self._pending[position : position + 1] = [] if remaining == 0 else [(fault, remaining)]
                    return fault
        return None


def _fits(fault: Fault, call: Call) -> bool:
    at_path = fault.vendor == call.vendor and re.match(fault.path, call.path) is not None
    return at_path and (fault.when is None or fault.when(call))


NOTION_CODES = {
    400: "validation_error",
    401: "unauthorized",
    403: "restricted_resource",
    404: "object_not_found",
    409: "conflict_error",
    429: "rate_limited",
    500: "internal_server_error",
    503: "service_unavailable",
    504: "gateway_timeout",
    529: "service_overload",
}
PAGING: Mapping[Vendor, tuple[str, ...]] = {"holded": ("page",), "fourgeeks": ("offset",)}
EMPTY_PAGE: Json = {"count": 0, "first": None, "next": None, "previous": None, "last": None, "results": []}
BAD_GATEWAY = "<html><head><title>502 Bad Gateway</title></head><body><center>nginx</center></body></html>"
EXPIRED = "The start_cursor provided is invalid: it has expired."
FIRST_SERVER_ERROR = 500
OVERLOADED = 529


def rate_limited(vendor: Vendor, retry_after: int | None) -> Answer:
    """429; the wait is in whole seconds, or left out."""
    if vendor == "notion":
        wait = {"retry_after": str(retry_after)} if retry_after is not None else {}
        details: dict[str, Any] = {"rate_limit_reason": "public_api_request_rate_limit", **wait}
        text = "You have been rate limited. Please try again later."
        return notion.error(429, "rate_limited", text, details, retry_after)
    headers = {"Retry-After": str(retry_after)} if retry_after is not None else {}
    return replace(_error(vendor, 429, None), headers=headers)


def repeated(call: Call) -> Call:
    """The request as if it asked for the first page: what comes is a page that was already given."""
    query = {name: value for name, value in call.query.items() if name not in PAGING.get(call.vendor, ())}
    if call.vendor == "notion" and isinstance(call.body, dict):
        body = {name: value for name, value in call.body.items() if name != "start_cursor"}
        return replace(call, content=json_answer(body).content)
    return replace(call, query=query)


def _empty(call: Call) -> Answer:
    if call.vendor == "holded":
        return json_answer([])
    if call.vendor == "fourgeeks":
        return json_answer(EMPTY_PAGE)
    new = call.path.startswith("/data_sources")
    return notion.success(notion.listing([], None, new_version=new, incomplete=False))


def _error(vendor: Vendor, status: int, retry_after: int | None) -> Answer:
    """Server errors of the CRM and of Holded are pages for people; all others have the vendor's JSON form."""
    if vendor == "notion":
        wait = retry_after if status == OVERLOADED else None
        return notion.error(status, NOTION_CODES.get(status, "invalid_request"), "Injected fault.", None, wait)
    if status >= FIRST_SERVER_ERROR:
        return html_answer(status, f"<!doctype html><html><body><h1>Server Error ({status})</h1></body></html>")
    if vendor == "holded":
        return holded.error(status, "Injected fault")
    return json_answer({"detail": "Injected fault", "status_code": status}, status)


_INSTEAD: dict[str, Callable[[Fault, Call], Answer]] = {
    "429-no-retry-after": lambda _, call: rate_limited(call.vendor, None),
    "429": lambda fault, call: rate_limited(call.vendor, fault.retry_after),
    "502-html": lambda _, __: html_answer(502, BAD_GATEWAY),
    "html-200": lambda _, __: html_answer(200, WEB_APP_PAGE),
    "not-json": lambda _, __: Answer(200, b'[{"id": "65b1'),
    "soft-failure": lambda _, __: json_answer({"status": 0, "info": "Something went wrong"}),
    "empty": lambda _, call: _empty(call),
    "expired-cursor": lambda _, __: notion.error(400, "validation_error", EXPIRED),
}


def fail_instead(fault: Fault, call: Call) -> Answer | None:
    """The answer that replaces the true one; `None` for faults that need the true one first."""
    if fault.kind in _INSTEAD:
        return _INSTEAD[fault.kind](fault, call)
    return _error(call.vendor, int(fault.kind), fault.retry_after) if fault.kind.isdigit() else None
