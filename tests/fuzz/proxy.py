"""A proxy between the program and the sandbox that damages single records inside the answers.

Real HTTP on both sides. What a record becomes depends on its id alone, so that every page, every list that is read
again and every answer by id says the same. What no JSON library writes (1e400, half a surrogate pair, bytes that are no
UTF-8) is put into the bytes of the answer.
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any, Literal

Kind = Literal["service", "contact", "invoice", "credit_note", "student", "enrollment", "page"]
"""As integration errors name them."""
Key = tuple[Kind, str]
Path = tuple[str | int, ...]

_PLACES: tuple[tuple[Kind, str], ...] = (
    ("service", r"/holded/.*/saleschannels"),
    ("contact", r"/holded/.*/contacts"),
    ("invoice", r"/holded/.*/documents/invoice"),
    ("credit_note", r"/holded/.*/documents/creditnote"),
    ("student", r"/fourgeeks/.*/auth/academy/student"),
    ("enrollment", r"/fourgeeks/.*/admissions/academy/cohort/user"),
    ("page", r"/notion/.*/databases/[^/]+/query"),
)
_FIELDS: dict[Kind, str] = {
    "service": "id accountNum name desc archived",
    "contact": "id name email",
    "invoice": "id contact contactName docNumber date dueDate total tax currency status products products/0"
    " products/0/account discount subtotal currencyChange",
    "credit_note": "id contact date total tax currency products products/0/account from from/id from/docType",
    "student": "id user user/id user/email email status",
    "enrollment": "id user user/id user/email cohort cohort/id cohort/slug cohort/name cohort/kickoff_date"
    " cohort/ending_date cohort/micro_cohorts cohort/micro_cohorts/0 educational_status created_at updated_at"
    " source_macro_cohort",
    "page": "id object in_trash archived last_edited_time properties properties/Email properties/Email/type"
    " properties/Email/email properties/Educational~Status properties/Educational~Status/type"
    " properties/Educational~Status/select properties/Educational~Status/select/name properties/Drop~Date/date"
    " properties/Drop~Date/date/start properties/Certificated~At/date properties/Certificated~At/date/start",
}
"""What the program reads of a record."""


def _path(text: str) -> Path:
    return tuple(int(part) if part.isdigit() else part.replace("~", " ") for part in text.split("/"))


FIELDS: dict[Kind, tuple[Path, ...]] = {kind: tuple(map(_path, text.split())) for kind, text in _FIELDS.items()}
Change = Literal["set", "drop", "wrap", "replace", "copy", "neighbour"]


@dataclass(frozen=True)
class Damage:
    """What becomes of one record."""

    change: Change
    """`set` a field to a value, `drop` it, `wrap` it in a list; `replace` the record by the value; `copy` it: a second
    one with its id and another value in the field; `neighbour`: the field's value is that of the record before."""
    path: Path = ()
    value: bytes = b"null"
    """JSON, or what some take for it."""


class _Splicer:
    """Puts bytes into an answer where its JSON has a mark."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def mark(self, value: bytes) -> str:
        self._parts.append(value)
        return f"@@{len(self._parts) - 1}@@"

    def bytes_of(self, body: Any) -> bytes:
        text = json.dumps(body, ensure_ascii=False).encode()
        return re.sub(rb'"@@(\d+)@@"', lambda found: self._parts[int(found[1])], text)


@dataclass
class MutatingProxy:
    """Which records are damaged, and what was sent of them."""

    sandbox: str
    """Its address."""
    address: str = ""
    damages: Mapping[Key, Damage] = field(default_factory=dict)
    """Set between runs; empty: every answer is the sandbox's own."""
    originals: dict[Key, Any] = field(default_factory=dict)
    """Every record of a list as the sandbox has it."""
    sent: dict[Kind, dict[bytes, Key]] = field(default_factory=lambda: defaultdict(dict))
    """Every different row of a list that was sent, with the record that it was."""
    asked: set[Key] = field(default_factory=set)
    """Records that were asked for by id, and sent."""
    damaged: set[Key] = field(default_factory=set)
    """The records that were sent otherwise than they are."""
    _lock: Lock = field(default_factory=Lock)

    def environment(self, variables: Mapping[str, str]) -> dict[str, str]:
        """The sandbox's variables, with this address."""
        return {name: value.replace(self.sandbox, self.address) for name, value in variables.items()}

    def damage(self, damages: Mapping[Key, Damage]) -> None:
        """Begin anew."""
        self.damages = damages
        for known in (self.sent, self.asked, self.damaged):
            known.clear()

    def alter(self, path: str, body: bytes) -> bytes:
        """The answer as it is sent."""
        kind, is_list = _kind_of(path)
        if kind is None:
            return body
        with self._lock:
            answer, splicer = json.loads(body), _Splicer()
            if not is_list:
                key = kind, str(answer.get("id"))
                self.asked.add(key)
                return splicer.bytes_of(self._one(key, answer, splicer)[0])
            rows = answer if isinstance(answer, list) else answer["results"]
            made = [row for row in rows for row in self._many(kind, row, splicer)]
            rows[:] = made
            return splicer.bytes_of(answer)

    def _many(self, kind: Kind, row: Any, splicer: _Splicer) -> list[Any]:
        key = kind, str(row["id"])
        self.originals.setdefault(key, json.loads(json.dumps(row)))
        made = self._one(key, row, splicer)
        for each in made:
            self.sent[kind][splicer.bytes_of(each)] = key
        return made

    def _one(self, key: Key, row: Any, splicer: _Splicer) -> list[Any]:
        damage = self.damages.get(key)
        if damage is None:
            return [row]
        before = splicer.bytes_of(row)
        made = _damaged(row, damage, splicer, self._before(key))
        if [splicer.bytes_of(each) for each in made] != [before]:
            self.damaged.add(key)
        return made

    def _before(self, key: Key) -> Any:
        of_kind = [each for each in self.originals if each[0] == key[0]]
        return self.originals[of_kind[of_kind.index(key) - 1]] if key in of_kind else {}


def _damaged(row: Any, damage: Damage, splicer: _Splicer, neighbour: Any) -> list[Any]:
    value: Any = splicer.mark(damage.value)
    if damage.change == "replace":
        return [value]
    copy = json.loads(json.dumps(row)) if damage.change == "copy" else None
    *way, last = damage.path
    holder, other = row, neighbour
    for step in way:
        holder, other = _within(holder, step), _within(other, step)
    there = _within(holder, last)
    if there is None and not isinstance(holder, dict):
        return [row]
    if damage.change == "drop":
        del holder[last]
        return [row]
    if damage.change == "wrap":
        value = [there]
    elif damage.change == "neighbour":
        value = _within(other, last)
    holder[last] = value
    return [row] if copy is None else [copy, row]


def _within(holder: Any, step: str | int) -> Any:
    if isinstance(holder, dict) and isinstance(step, str):
        return holder.setdefault(step, None)
    if isinstance(holder, list) and isinstance(step, int) and step < len(holder):
        return holder[step]
    return None


def _kind_of(path: str) -> tuple[Kind | None, bool]:
    bare = path.partition("?")[0]
    for kind, pattern in _PLACES:
        if re.fullmatch(pattern, bare):
            return kind, True
        if re.fullmatch(rf"{pattern}/[^/]+", bare):
            return kind, False
    return None, False


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    proxy: MutatingProxy


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: _Server

    def setup(self) -> None:
        """One connection to the sandbox for each of the program's."""
        super().setup()
        self._sandbox = HTTPConnection(self.server.proxy.sandbox.removeprefix("http://"))

    def finish(self) -> None:
        """Both end together."""
        self._sandbox.close()
        super().finish()

    def do_GET(self) -> None:
        """Hand a request of any method on, and its answer back."""
        content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name: value for name, value in self.headers.items() if name.lower() != "accept-encoding"}
        self._sandbox.request(self.command, self.path, content or None, headers)
        answer = self._sandbox.getresponse()
        body = answer.read()
        if answer.status == 200:
            body = self.server.proxy.alter(self.path, body)
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.headers["Content-Type"])
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET  # noqa: N815

    def log_message(self, *_: Any) -> None:
        """Nothing on standard error."""


@contextmanager
def mutating_proxy(sandbox: str) -> Iterator[MutatingProxy]:
    """Serve a proxy of the sandbox at this address until the block ends."""
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.proxy = MutatingProxy(sandbox, f"http://127.0.0.1:{server.server_address[1]}")
        thread = Thread(target=server.serve_forever, args=(0.005,), name="mutating proxy")
        thread.start()
        try:
            yield server.proxy
        finally:
            server.shutdown()
            thread.join()
