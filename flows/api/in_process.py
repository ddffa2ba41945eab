"""Runs that this server does itself, each in a thread: they go on when the client that asked has gone, not longer."""

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun
from prefect.flow_engine import run_flow
from prefect.states import Pending

from flows.api.asked_run import AskedRun
from flows.api.slots import Slots
from flows.api.step_runs import StartedRun, TooManyRunsError, unended
from tracking.recorder import end_open_executions

MOST_AT_ONCE = 16


class RunTakenError(Exception):
    """Somebody else does the run."""


class InProcessRuns:
    """As many as there are slots; to be used in a context in which the Prefect API is known."""

    def __init__(self) -> None:
        self._slots = Slots(MOST_AT_ONCE, "runs are at work here already")
        self._here: set[str] = set()

    def begin(self, asked: AskedRun) -> StartedRun:
        """Create a run and do it.

        Raises:
            TooManyRunsError: as many as this server can do are running.
        """
        ended = unended()
        run = self._slots.occupy(lambda: _create(asked), lambda run: self._work(run, asked, ended))
        return StartedRun(str(run.id), ended)

    def take_over(self, claim: Callable[[], FlowRun], asked: AskedRun, ended: "Future[str]") -> bool:
        """Do a run that was meant for a worker, if there is a slot and then it can be claimed.

        Args:
            claim: The run, when nobody else can do it any more; else it raises `RunTakenError`.
            asked: What it is to do.
            ended: Resolves when it has ended; untouched if it is not taken over.
        """
        try:
            self._slots.occupy(claim, lambda run: self._work(run, asked, ended))
        except (TooManyRunsError, RunTakenError):
            return False
        return True

    def close(self) -> None:
        """End the runs that are still at work here: what they did not commit yet is refused from now on."""
        for flow_run_id in tuple(self._here):
            end_open_executions(flow_run_id, "never finished: the API server was stopped")

    def _work(self, run: FlowRun, asked: AskedRun, ended: "Future[str]") -> None:
        self._here.add(str(run.id))
        try:
            state: Any = run_flow(asked.flow, flow_run=run, parameters=asked.parameters, return_type="state")
            ended.set_result(final_message(state))
        except BaseException as error:  # noqa: BLE001 - whoever waits is told, whatever it was
            ended.set_exception(error)
        finally:
            self._here.discard(str(run.id))


def final_message(state: Any) -> str:
    """How a run ended, in one line; the same whoever did it."""
    return f"{state.name}: {state.message or ''}"


def _create(asked: AskedRun) -> FlowRun:
    """A run that Prefect knows of and nobody else takes."""
    with get_client(sync_client=True) as client:
        return client.create_flow_run(asked.flow, parameters=asked.parameters, name=asked.name, state=Pending())
