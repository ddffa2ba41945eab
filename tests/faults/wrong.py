"""What can go wrong with an answer: each kind of fault, by the name that it has in the table."""

import gzip
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import partial
from typing import Any, get_args

from steps.sandbox.exchange import HTML_TYPE, Answer, json_answer
from steps.sandbox.faults import Fault, FaultKind
from steps.sandbox.server import SandboxServer
from tests.faults.academy import MARK
from tests.faults.endpoint import ENDPOINTS, Endpoint, Kind

LISTS: frozenset[Kind] = frozenset({"list", "later page"})
Spoil = Callable[[Any], Any]


@dataclass(frozen=True)
class Wrong:
    """One kind of fault, at whichever endpoint has it."""

    name: str
    fault: Callable[[SandboxServer, Endpoint], dict[str, Any]]
    """What `Fault` is made with, besides where it happens; it happens each time, unless `times` is among it."""
    fits: Callable[[Endpoint], bool] = lambda _: True
    hangs: bool = False
    """Only a time limit ends it."""
    refuses: bool = False
    """Nobody listens at the vendor's address."""
    cannot_be_told: bool = False
    """The answer is one that a vendor with fewer records, or other names, may give: the next run mends what it says."""

    def at(self, sandbox: SandboxServer, endpoint: Endpoint) -> Fault:
        """The fault to add to the sandbox."""
        made = {"times": None, "when": endpoint.is_asked, **self.fault(sandbox, endpoint)}
        return Fault(endpoint.vendor, made.pop("kind"), endpoint.path, **made)


def _is_list(endpoint: Endpoint) -> bool:
    return endpoint.kind in LISTS


def _is_first_request(endpoint: Endpoint) -> bool:
    return endpoint.kind != "later page"


def _is_later_page(endpoint: Endpoint) -> bool:
    return endpoint.kind == "later page"


def _just(kind: FaultKind, **fields: Any) -> Callable[[SandboxServer, Endpoint], dict[str, Any]]:
    return lambda _, __: {"kind": kind, **fields}


def _altered(alter: Callable[[Answer], Answer]) -> Callable[[SandboxServer, Endpoint], dict[str, Any]]:
    return _just("altered", alter=alter)


def _sent(content: bytes, **fields: Any) -> Callable[[SandboxServer, Endpoint], dict[str, Any]]:
    return _altered(lambda answer: replace(answer, status=200, content=content, **fields))


def _with(**fields: Any) -> Callable[[SandboxServer, Endpoint], dict[str, Any]]:
    return _altered(lambda answer: replace(answer, **fields))


def _bytes(change: Callable[[bytes], bytes], **headers: str) -> Callable[[SandboxServer, Endpoint], dict[str, Any]]:
    return _altered(
        lambda answer: replace(answer, content=change(answer.content), headers={**answer.headers, **headers})
    )


_VALUE = re.compile(rb"(?<=[:\[,])(-?\d+(\.\d+)?|null|true|false)(?=[,}\]])")
_TEXT = re.compile(rb'(?<=:)"[^"]*"')


def _first_value(odd: bytes) -> Callable[[SandboxServer, Endpoint], dict[str, Any]]:
    """Instead of the first number, or what else stands for itself."""
    return _bytes(lambda content: _VALUE.sub(odd, content, count=1))


def _first_text(odd: bytes) -> Callable[[SandboxServer, Endpoint], dict[str, Any]]:
    return _bytes(lambda content: _TEXT.sub(odd, content, count=1))


def _marked(odd: bytes) -> Callable[[SandboxServer, Endpoint], dict[str, Any]]:
    """In a name; where the answer has none that is marked, in its first text."""

    def change(content: bytes) -> bytes:
        if MARK.encode() in content:
            return content.replace(MARK.encode(), odd)
        return _TEXT.sub(lambda _: b'"' + odd + b'"', content, count=1)

    return _bytes(change)


def _rows(change: Callable[[list[Any]], list[Any]]) -> Callable[[SandboxServer, Endpoint], dict[str, Any]]:
    """The rows of a list, or the record alone, made others."""

    def alter(answer: Answer) -> Answer:
        body = json.loads(answer.content)
        if isinstance(body, list):
            changed: Any = change(body)
        elif isinstance(body.get("results"), list):
            changed = body | {"results": change(body["results"])}
        else:
            changed = change([body])[0]
        return replace(answer, content=json_answer(changed).content)

    return _altered(alter)


def _with_other_name(row: dict[str, Any]) -> dict[str, Any]:
    other: dict[str, Any] = json.loads(json.dumps(row).replace("@example.org", "@example.com"))
    return other | {"name": "Another", "desc": "Another"}


def _in_between(change: Callable[[list[Any]], None]) -> Callable[[SandboxServer, Endpoint], dict[str, Any]]:
    """The list changes once, after its first page was read."""

    def fault(sandbox: SandboxServer, endpoint: Endpoint) -> dict[str, Any]:
        def alter(answer: Answer) -> Answer:
            change(getattr(sandbox.world, endpoint.records))
            return answer

        return {"kind": "altered", "alter": alter, "when": lambda call: not endpoint.is_asked(call), "times": 1}

    return fault


def _vanish(records: list[Any]) -> None:
    del records[0]


def _move(records: list[Any]) -> None:
    """The last one comes first, in whichever field the list is sorted by; its day stays, for the ledger keeps it."""
    first, last = records[0], records.pop()
    order = {
        name: getattr(first, name) - step
        for name, step in {"sequence": 1, "created_at": timedelta(minutes=1)}.items()
        if hasattr(first, name)
    }
    records.insert(0, replace(last, **order))


def _expire_token(sandbox: SandboxServer, endpoint: Endpoint) -> dict[str, Any]:
    def alter(answer: Answer) -> Answer:
        sandbox.tokens.expire()
        return answer

    return {"kind": "altered", "alter": alter, "when": lambda call: not endpoint.is_asked(call), "times": 1}


def _statuses() -> Iterator[Wrong]:
    for kind in get_args(FaultKind):
        if kind.isdigit() and kind != "429":
            yield Wrong(kind, _just(kind), partial(_has_status, kind))
    yield Wrong("500 once", _just("500", times=1))
    yield Wrong("503 once", _just("503", times=1))
    yield Wrong("206, half of it", _altered(_half))
    yield Wrong("204, no content", _with(status=204, content=b""))
    yield Wrong("302 to elsewhere", _with(status=302, content=b"", headers={"Location": "http://127.0.0.1:9/"}))
    now = datetime.now(UTC)
    waits = {
        "none": None,
        "2": "2",
        "1.5": "1.5",
        "0": "0",
        "a date": format_datetime(now + timedelta(seconds=90), usegmt=True),
        "a past date": format_datetime(now - timedelta(days=9), usegmt=True),
        "the year 9999": "Fri, 31 Dec 9999 23:59:59 GMT",
        "an impossible date": "Fri, 31 Dec 9999 23:59:59 -2359",
        "-5": "-5",
        "999999999999999": "9" * 15,
        "words": "in a while",
    }
    for said, value in waits.items():
        answer = _with(status=429, content=b"{}", headers={} if value is None else {"Retry-After": value})
        yield Wrong(f"429, Retry-After {said}", answer, _is_first_request)


def _connections() -> Iterator[Wrong]:
    yield Wrong("refused connection", _just("500"), lambda each: each.kind in {"list", "login", "work"}, refuses=True)
    yield Wrong("dropped connection", _just("drop-connection"))
    yield Wrong("reset in mid-answer", _just("reset"))
    yield Wrong("closed in mid-answer", _just("truncated"))
    yield Wrong("hung", _just("slow", seconds=1.0), hangs=True)
    yield Wrong("slow drip", _just("drip", seconds=0.05), hangs=True)


def _bodies() -> Iterator[Wrong]:
    yield Wrong("502, an HTML page", _just("502-html"))
    yield Wrong("200, an HTML page", _just("html-200"))
    yield Wrong("200, JSON cut short", _bytes(lambda content: content[: len(content) // 2]))
    yield Wrong("200, empty", _sent(b""))
    yield Wrong("200, words", _sent(b"Service is being upgraded"))
    yield Wrong("200, an error's object", _just("soft-failure"))
    yield Wrong("200, null", _sent(b"null"))
    yield Wrong("200, a number", _sent(b"5"))
    yield Wrong("200, a list of numbers", _sent(b"[1,2,3]"))
    yield Wrong("200, results and count of wrong types", _sent(b'{"count":"many","results":{},"has_more":"yes"}'))
    yield Wrong("rows are texts", _rows(lambda rows: ["row" for _ in rows]), _has_records)
    yield Wrong("rows are empty objects", _rows(lambda rows: [{} for _ in rows]), _has_records)
    yield Wrong("rows without id", _rows(lambda rows: [{**row, "id": None} for row in rows]), _has_records)
    yield Wrong("nothing but ids", _rows(lambda rows: [{"id": row.get("id")} for row in rows]), _has_records)
    yield Wrong("labelled as HTML", _with(content_type=HTML_TYPE))
    yield Wrong("labelled as UTF-16", _with(content_type="application/json; charset=utf-16"))
    yield Wrong("in UTF-16", _bytes(lambda content: content.decode().encode("utf-16")))
    yield Wrong("with a byte order mark", _bytes(lambda content: b"\xef\xbb\xbf" + content))
    yield Wrong("labelled as gzip, and is not", _bytes(bytes, **{"Content-Encoding": "gzip"}))
    yield Wrong("gzip cut short", _bytes(lambda content: gzip.compress(content)[:-20], **{"Content-Encoding": "gzip"}))
    yield Wrong("in an unknown encoding", _bytes(lambda content: content[::-1], **{"Content-Encoding": "br"}))
    yield Wrong("Latin-1 in a text", _marked("Muñoz".encode("latin-1")))
    yield Wrong("a lone surrogate in a text", _marked(rb"Mu\ud800oz"))
    yield Wrong("NUL in a text", _marked(rb"Mu\u0000oz"))
    yield Wrong("10 MB in a name", _marked(b"x" * 10_000_000), cannot_be_told=True)
    yield Wrong("10 MB in the first text", _first_text(b'"' + b"x" * 10_000_000 + b'"'))
    yield Wrong("1e400", _first_value(b"1e400"))
    yield Wrong("NaN", _first_value(b"NaN"))
    yield Wrong("a number of 5,000 digits", _first_value(b"9" * 5000))
    yield Wrong("100,000 levels of nesting", _first_value(b"[" * 100_000 + b"]" * 100_000))


def _lists() -> Iterator[Wrong]:
    yield Wrong("empty where there were records", _just("empty"), _is_list, cannot_be_told=True)
    yield Wrong("a page that repeats", _just("repeat-page"), _is_later_page, cannot_be_told=True)
    yield Wrong("the same id twice, alike", _rows(lambda rows: [*rows, *rows[:1]]), _is_list)
    yield Wrong("the same id twice, different", _rows(lambda rows: [*rows, *map(_with_other_name, rows[:1])]), _is_list)
    yield Wrong("a row vanishes while paging", _in_between(_vanish), _is_later_page, cannot_be_told=True)
    yield Wrong("a row moves while paging", _in_between(_move), _is_later_page, cannot_be_told=True)
    yield Wrong(
        "the token expires in mid-list",
        _expire_token,
        lambda each: _is_later_page(each) and each.vendor == "fourgeeks",
    )
    yield Wrong("the cursor expires, once", _just("expired-cursor", times=1), _has_cursors)
    yield Wrong("the cursor expires, always", _just("expired-cursor"), _has_cursors)
    yield Wrong("the query ends incomplete", _just("incomplete"), lambda each: each.vendor == "notion")


def _has_status(kind: str, endpoint: Endpoint) -> bool:
    """Later pages are asked for like the first ones: a few are enough there."""
    if endpoint.exists:
        return kind not in {"400", "404"}
    return kind in {"401", "404", "500", "503"} or not _is_later_page(endpoint)


def _half(answer: Answer) -> Answer:
    """Whole JSON of a part of the rows, as of a proxy that was asked for a range."""
    body = json.loads(answer.content)
    half = body[: len(body) // 2] if isinstance(body, list) else body
    return replace(answer, status=206, content=json_answer(half).content, headers={"Content-Range": "bytes 0-99/200"})


def _has_records(endpoint: Endpoint) -> bool:
    return endpoint.kind not in ("login", "work")


def _has_cursors(endpoint: Endpoint) -> bool:
    return endpoint.vendor == "notion" and endpoint.kind == "later page"


EVERY = (*_statuses(), *_connections(), *_bodies(), *_lists())


@dataclass(frozen=True)
class Cell:
    """A kind of fault at an endpoint."""

    wrong: Wrong
    endpoint: Endpoint

    @property
    def id(self) -> str:
        """As pytest calls it."""
        return f"{self.endpoint.name}: {self.wrong.name}".replace(" ", "_")


CELLS = [Cell(wrong, endpoint) for wrong in EVERY for endpoint in ENDPOINTS if wrong.fits(endpoint)]
