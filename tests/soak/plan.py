"""Which disturbance comes when: the same for the same seed, at most two at a time, all over before the quiet phase."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from random import Random

from tests.soak.disturbances import Hit, Kind
from tests.soak.installation import Installation, now

LANES = 2
"""How many may happen at once."""
_GAP_SECONDS = (10, 40)
_LOOKS = 0.2
"""How often it is looked for a run to disturb, so that it is not always hit in its first second."""


@dataclass(frozen=True)
class Planned:
    """One disturbance of the plan. Seconds since the beginning."""

    kind: Kind
    begins: float
    ends: float
    seed: int


def make_plan(kinds: Sequence[Kind], seed: int, length: float, first: float) -> list[Planned]:
    """Fill the time between `first` and `length` with disturbances, in order of their beginnings.

    Each kind comes once before any comes again. Two that touch the same part never overlap.
    """
    random = Random(seed)
    planned: list[Planned] = []
    order = _rounds(kinds, random)
    waiting: list[Kind] = []
    free = [first, first + random.uniform(*_GAP_SECONDS)][:LANES]
    while True:
        lane = free.index(min(free))
        begins = free[lane] + random.uniform(*_GAP_SECONDS) * (0.2 if not planned else 1)
        present = frozenset[str]().union(*(each.kind.touches for each in planned if each.ends + 5 > begins))
        while not (fitting := [each for each in waiting if not each.touches & present]):
            waiting.append(next(order))
        kind = fitting[0]
        waiting.remove(kind)
        ends = begins + random.uniform(*kind.seconds)
        if ends > length:
            return planned
        planned.append(Planned(kind, begins, ends, random.randrange(2**32)))
        free[lane] = ends


def _rounds(kinds: Sequence[Kind], random: Random) -> Iterator[Kind]:
    while True:
        yield from random.sample(kinds, len(kinds))


@dataclass
class Happened:
    """One disturbance that took place. Unix seconds."""

    planned: Planned
    began: float
    hit: Hit
    ended: float = 0.0
    trouble: str = ""
    """What went wrong in disturbing or in ending it: of the soak, or a part that does not start again."""


class Disturber:
    """Goes through a plan."""

    def __init__(self, plan: Sequence[Planned], installation: Installation) -> None:
        self._waiting, self._installation = list(plan), installation
        self._present: list[tuple[Happened, AbstractContextManager[Hit]]] = []
        self.happened: list[Happened] = []
        self._random = Random(len(plan))

    @property
    def present(self) -> list[str]:
        """What happens just now."""
        return [f"{each.planned.kind.name} ({each.hit.what})" for each, _ in self._present]

    def advance(self, seconds: float) -> None:
        """Begin and end what is due, so many seconds after the beginning."""
        for happened, block in [each for each in self._present if each[0].planned.ends <= seconds]:
            self._end(happened, block)
        for happened, _ in self._present:
            self._look(happened)
        while self._waiting and self._waiting[0].begins <= seconds:
            self._begin(self._waiting.pop(0))

    def _look(self, happened: Happened) -> None:
        if self._random.random() > _LOOKS:
            return
        try:
            happened.hit.look()
        except Exception as error:  # noqa: BLE001 - it is reported, and the soak goes on
            happened.trouble = f"{type(error).__name__}: {error}"

    def end_all(self) -> None:
        """End whatever happens, and begin nothing more."""
        self._waiting.clear()
        for happened, block in list(self._present):
            self._end(happened, block)

    def _begin(self, planned: Planned) -> None:
        happened = Happened(planned, now(), Hit())
        self.happened.append(happened)
        block = planned.kind.disturb(self._installation, Random(planned.seed))
        try:
            happened.hit = block.__enter__()
        except Exception as error:  # noqa: BLE001 - as above
            happened.ended, happened.trouble = now(), f"{type(error).__name__}: {error}"
            return
        self._present.append((happened, block))

    def _end(self, happened: Happened, block: AbstractContextManager[Hit]) -> None:
        self._present.remove((happened, block))
        try:
            block.__exit__(None, None, None)
        except Exception as error:  # noqa: BLE001 - as above
            happened.trouble = f"{type(error).__name__}: {error}"
        happened.ended = now()
