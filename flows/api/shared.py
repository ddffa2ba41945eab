"""One answer for all who ask the same at the same time: two hundred open pages cost hardly more than one.

Nobody gets an answer that is older than the question: whoever asks while an answer is being found out waits for the
next one, together with everybody who asks until that one begins. The same question then rests for a while that grows
with what it cost, so that those who ask it never take more than a share of the processor, however many they are.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar
from weakref import WeakKeyDictionary

REST = 4
"""Times as long as finding out took: a question that everybody asks keeps one thread busy for a fifth of its time."""
LONGEST_REST_SECONDS = 0.1

Answer = TypeVar("Answer")


@dataclass
class _Book(Generic[Answer]):
    """Of one event loop: tasks and events belong to it, and are forgotten with it."""

    next_turns: dict[str, asyncio.Task[Answer]] = field(default_factory=dict)
    """Not begun yet: one can still join."""
    rests: dict[str, asyncio.Event] = field(default_factory=dict)
    """Set, and gone, when the question may be looked into again."""


class SharedAnswers(Generic[Answer]):
    """Answers that many may be waiting for, by their question."""

    def __init__(self) -> None:
        self._books: WeakKeyDictionary[asyncio.AbstractEventLoop, _Book[Answer]] = WeakKeyDictionary()

    async def ask(self, question: str, find_out: Callable[[], Awaitable[Answer]]) -> Answer:
        """What `find_out` says, asked by us or by somebody with the same question, after we came.

        Raises:
            Exception: what `find_out` raised, to each who waits.
        """
        book = self._books.setdefault(asyncio.get_running_loop(), _Book())
        if question not in book.next_turns:
            book.next_turns[question] = asyncio.create_task(_take_turn(book, question, find_out))
        return await asyncio.shield(book.next_turns[question])  # one who goes away takes nothing from the others


async def _take_turn(book: _Book[Answer], question: str, find_out: Callable[[], Awaitable[Answer]]) -> Answer:
    try:
        if resting := book.rests.get(question):
            await resting.wait()
    finally:
        del book.next_turns[question]
    book.rests[question] = asyncio.Event()
    loop = asyncio.get_running_loop()
    began = loop.time()
    try:
        return await find_out()
    finally:
        rest = min(LONGEST_REST_SECONDS, REST * (loop.time() - began))
        loop.call_later(rest, lambda: book.rests.pop(question).set())
