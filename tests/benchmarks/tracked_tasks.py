"""One measurement of what tracking costs, in a process of its own: `python -m tests.benchmarks.tracked_tasks TURNS`.

A turn is the same small task ten times bare, then ten times as a step: its planned row, hooks, claim, fence and result.
A turn has ended when Prefect has delivered what it has to say of it, which it does in another thread; else each kind
would be charged for the other's. The answer is one line of JSON on standard output.
"""

import json
import sys
from collections.abc import Callable, Sequence
from statistics import median
from time import perf_counter
from typing import Any

from prefect import Task, flow
from prefect.cache_policies import NO_CACHE
from prefect.events.worker import EventsWorker

from steps.catalog import SERVICES
from steps.ledger.service import Service
from steps.settings import SyncSettings
from steps.task import once_task
from tracking.database import write_session
from tracking.recorder import Overlap, PlannedExecution, plan_executions, record_result

_AT_ONCE = 10
_WARM_UP = 4
_MILLISECONDS = 1000


def work(execution_id: int | None = None) -> dict[str, Any]:
    """A ledger transaction that writes, as that of every step does."""
    with write_session() as session:
        service = session.get_one(Service, 1)
        service.total_sessions = (service.total_sessions or 0) + 1
        session.flush()
        result = {"services_processed": 1}
        record_result(session, execution_id, result)
    return result


def _work_of_a_step() -> dict[str, Any]:
    SyncSettings.load()  # to know whether a backend does the work: that is no tracking
    return work()


_bare = Task(_work_of_a_step, name="bare", cache_policy=NO_CACHE, persist_result=False)
_tracked = once_task(SERVICES, work)


@flow(name="bench-tracking")
def measure(turns: int) -> dict[str, float]:
    """Medians in milliseconds, for each task."""
    with write_session() as session:
        session.add(Service(external_id="s1", name="Course"))
    seconds: dict[str, list[float]] = {"bare": [], "tracked": []}
    for _ in range(turns + _WARM_UP):
        seconds["bare"].append(_seconds_of(lambda: [_bare() for _ in range(_AT_ONCE)]))
        seconds["tracked"].append(_seconds_of(_tracked_turn))
    return {name: median(taken[_WARM_UP:]) / _AT_ONCE * _MILLISECONDS for name, taken in seconds.items()}


def _tracked_turn() -> Sequence[Any]:
    ids = plan_executions("bench", [PlannedExecution(SERVICES.id)] * _AT_ONCE)
    return [_tracked(execution_id=execution_id, overlap=Overlap.wait) for execution_id in ids]


def _seconds_of(turn: Callable[[], Any]) -> float:
    began = perf_counter()
    turn()
    EventsWorker.instance().wait_until_empty()
    return perf_counter() - began


if __name__ == "__main__":
    sys.stdout.write(json.dumps(measure(int(sys.argv[1]))) + "\n")
