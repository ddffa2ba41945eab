"""Many who ask the same share an answer, which is never older than their question."""

import asyncio

import pytest

from flows.api.shared import SharedAnswers

CROWD = 100


class Clock:
    """Tells how often it was looked at; looking takes a moment."""

    def __init__(self) -> None:
        self.looks = 0
        self.may_end = asyncio.Event()
        self.may_end.set()

    async def look(self) -> int:
        """The number of the look."""
        self.looks += 1
        number = self.looks
        await self.may_end.wait()
        return number


async def _settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def test_a_crowd_that_asks_at_once_costs_one_look() -> None:
    async def scenario() -> None:
        clock, shared = Clock(), SharedAnswers[int]()
        answers = await asyncio.gather(*(shared.ask("time?", clock.look) for _ in range(CROWD)))
        assert answers == [1] * CROWD

    asyncio.run(scenario())


def test_who_asks_while_others_wait_gets_an_answer_that_was_looked_up_afterwards() -> None:
    async def scenario() -> None:
        clock, shared = Clock(), SharedAnswers[int]()
        clock.may_end.clear()
        early = asyncio.create_task(shared.ask("time?", clock.look))
        await _settle()
        assert clock.looks == 1
        late = [asyncio.create_task(shared.ask("time?", clock.look)) for _ in range(CROWD)]
        await _settle()
        clock.may_end.set()
        assert await early == 1
        assert await asyncio.gather(*late) == [2] * CROWD

    asyncio.run(scenario())


def test_another_question_waits_for_nobody() -> None:
    async def scenario() -> None:
        clock, other, shared = Clock(), Clock(), SharedAnswers[int]()
        clock.may_end.clear()
        waiting = asyncio.create_task(shared.ask("time?", clock.look))
        await _settle()
        assert await shared.ask("date?", other.look) == 1
        assert not waiting.done()
        clock.may_end.set()
        await waiting

    asyncio.run(scenario())


def test_who_goes_away_takes_nothing_from_the_others() -> None:
    async def scenario() -> None:
        clock, shared = Clock(), SharedAnswers[int]()
        clock.may_end.clear()
        first, second = (asyncio.create_task(shared.ask("time?", clock.look)) for _ in range(2))
        await _settle()
        first.cancel()
        await _settle()
        clock.may_end.set()
        assert await second == 1

    asyncio.run(scenario())


def test_an_error_reaches_everybody_and_the_next_look_is_a_new_one() -> None:
    async def fail() -> int:
        raise LookupError("no clock")

    async def scenario() -> None:
        shared = SharedAnswers[int]()
        answers = await asyncio.gather(*(shared.ask("time?", fail) for _ in range(3)), return_exceptions=True)
        assert [type(answer) for answer in answers] == [LookupError] * 3
        assert await shared.ask("time?", Clock().look) == 1

    asyncio.run(scenario())


@pytest.mark.parametrize("interrupted", [False, True])
def test_another_event_loop_starts_afresh(interrupted: bool) -> None:
    """A server that ended while somebody waited leaves nothing behind that the next one would wait for."""
    shared = SharedAnswers[int]()

    async def leave() -> None:
        clock = Clock()
        if interrupted:
            clock.may_end.clear()
            asyncio.get_running_loop().create_task(shared.ask("time?", clock.look))
            await _settle()
        else:
            await shared.ask("time?", clock.look)

    async def again() -> int:
        return await shared.ask("time?", Clock().look)

    asyncio.run(leave())

    assert asyncio.run(again()) == 1
