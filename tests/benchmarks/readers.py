"""Many clients that read the history again and again, as open pages do, and how long they waited."""

import asyncio
import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import cycle
from statistics import quantiles
from threading import Event, Thread
from time import perf_counter

import httpx

_PERCENT = 100
_MILLISECONDS = 1000
_PATIENCE_SECONDS = 60


@dataclass(frozen=True)
class Crowd:
    """Who reads what, and how often."""

    url: str
    addresses: Sequence[str]
    """Each client has one of them, by turns with the first."""
    headers: Mapping[str, str] = field(default_factory=dict)
    clients: int = 200
    pause_seconds: float = 1.0
    """Between an answer and the next question, more or less."""


@dataclass
class Heard:
    """What the clients got, filled while they read."""

    seconds: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    """Whatever was no 200 and no 304."""

    def percentile(self, percent: int) -> float:
        """Milliseconds in which so many of a hundred answers had come."""
        return quantiles(self.seconds, n=_PERCENT, method="inclusive")[percent - 1] * _MILLISECONDS


@contextmanager
def reading(crowd: Crowd) -> Iterator[Heard]:
    """The clients read as long as the block lasts, on an event loop of their own."""
    heard, over = Heard(), Event()
    thread = Thread(target=lambda: asyncio.run(_read_all(crowd, heard, over)), name="readers")
    thread.start()
    try:
        yield heard
    finally:
        over.set()
        thread.join()


async def _read_all(crowd: Crowd, heard: Heard, over: Event) -> None:
    await asyncio.gather(*(_read(crowd, number, heard, over) for number in range(crowd.clients)))


async def _read(crowd: Crowd, number: int, heard: Heard, over: Event) -> None:
    """One client: it keeps its connection, and what it knows it does not want again."""
    tags: dict[str, str] = {}
    chance = random.Random(number)  # answered together, they would ask together again, as no people's pages do
    await asyncio.sleep(crowd.pause_seconds * number / crowd.clients)
    async with httpx.AsyncClient(
        base_url=crowd.url, headers=crowd.headers, timeout=_PATIENCE_SECONDS, trust_env=False, verify=False
    ) as client:
        turns = cycle((crowd.addresses[0], crowd.addresses[number % len(crowd.addresses)]))
        while not over.is_set():
            await _ask(client, next(turns), tags, heard)
            await asyncio.sleep(crowd.pause_seconds * chance.uniform(0.5, 1.5))


async def _ask(client: httpx.AsyncClient, address: str, tags: dict[str, str], heard: Heard) -> None:
    known = {"If-None-Match": tags[address]} if address in tags else {}
    began = perf_counter()
    try:
        answer = await client.get(address, headers=known)
    except httpx.HTTPError as error:
        heard.errors[type(error).__name__] += 1
        return
    heard.seconds.append(perf_counter() - began)
    heard.statuses[answer.status_code] += 1
    if answer.status_code not in {httpx.codes.OK, httpx.codes.NOT_MODIFIED}:
        heard.errors[answer.text] += 1
    tags[address] = answer.headers.get("etag", "")
