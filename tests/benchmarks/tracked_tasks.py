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
from prefect.utilities.annotations import quote

from steps.catalog import SERVICES
from steps.context import StepContext
from steps.ledger.service import Service
from steps.services import ServicesResult
from steps.task import step_task
from tracking.database import write_session
from tracking.recorder import PlannedExecution, plan_executions, record_result

_AT_ONCE = 10
_WARM_UP = 4
_MILLISECONDS = 1000


def work(context: StepContext) -> ServicesResult:
    """A ledger transaction that writes, as that of every step does."""
    with write_session() as session:
        service = session.get_one(Service, 1)
        service.total_sessions = (service.total_sessions or 0) + 1
        session.flush()
        result = ServicesResult(processed=1)
        record_result(session, context.execution_id, result.as_json())
    return result


_bare = Task(work, name="bare", cache_policy=NO_CACHE, persist_result=False)
_tracked = step_task(SERVICES)(work)


@flow(name="bench-tracking")
def measure(turns: int) -> dict[str, float]:
    """Medians in milliseconds, for each task."""
    with write_session() as session:
        session.add(Service(external_id="s1", name="Course"))
    context = StepContext()
    seconds: dict[str, list[float]] = {"bare": [], "tracked": []}
    for _ in range(turns + _WARM_UP):
        seconds["bare"].append(_seconds_of(lambda: [_bare(quote(context), wait_for=[]) for _ in range(_AT_ONCE)]))
        seconds["tracked"].append(_seconds_of(lambda: _tracked_turn(context)))
    return {name: median(taken[_WARM_UP:]) / _AT_ONCE * _MILLISECONDS for name, taken in seconds.items()}


def _tracked_turn(context: StepContext) -> Sequence[Any]:
    ids = plan_executions("bench", [PlannedExecution(SERVICES.id)] * _AT_ONCE)
    return [_tracked(quote(context.of_execution(execution_id)), wait_for=[]) for execution_id in ids]


def _seconds_of(turn: Callable[[], Any]) -> float:
    began = perf_counter()
    turn()
    EventsWorker.instance().wait_until_empty()
    return perf_counter() - began


if __name__ == "__main__":
    sys.stdout.write(json.dumps(measure(int(sys.argv[1]))) + "\n")
