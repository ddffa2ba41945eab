"""Starts what was asked for as a flow run, and knows when it has ended.

One Prefect API serves the whole life of the app: the configured one, else a temporary server, booted when it is first
needed. A run has a thread of this process: it goes on when the client that asked for it has gone, and claims make two
runs of one window take turns (`tracking/claims.py`).
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from contextvars import Context, copy_context
from dataclasses import dataclass
from threading import BoundedSemaphore, Lock, Thread
from typing import TYPE_CHECKING, Any, Protocol

from flows.cli.prefect_api import prefect_api
from steps.catalog import Step
from steps.domain.months import MonthWindow
from steps.errors import SyncError
from tracking.recorder import end_open_executions

if TYPE_CHECKING:
    from prefect import Flow

MOST_AT_ONCE = 16


class TooManyRunsError(SyncError):
    """This server is working on as much as it can."""


@dataclass(frozen=True)
class StartedRun:
    """A flow run that has begun."""

    flow_run_id: str
    ended: "Future[str]"
    """Resolves with the last words of the run when it has ended, however it did."""


class StepRuns(Protocol):
    """What the routes need: tests put runs of their own here."""

    def start(self, step: Step, span: MonthWindow) -> StartedRun:
        """Begin a run of one step over these months."""

    def close(self) -> None:
        """End what is left."""


class PrefectStepRuns:
    """Runs of the flow `execute-step`."""

    def __init__(self) -> None:
        self._api = ExitStack()
        self._context: Context | None = None
        self._opening, self._slots = Lock(), BoundedSemaphore(MOST_AT_ONCE)
        self._here: set[str] = set()

    def start(self, step: Step, span: MonthWindow) -> StartedRun:
        """Begin a run of one step over these months.

        Raises:
            TooManyRunsError: as many as this server can do are running.
            PrefectUnavailableError: there is no Prefect API.
        """
        return self._begin(lambda: _prepare_step(step, span))

    def retry(self, error_ids: Sequence[int]) -> StartedRun:
        """Begin a run of `retry-errors` over these integration errors; raises as `start` does."""
        return self._begin(lambda: _prepare_retry(error_ids))

    def _begin(self, prepare: "Callable[[], _PreparedRun]") -> StartedRun:
        if not self._slots.acquire(blocking=False):
            raise TooManyRunsError(f"{MOST_AT_ONCE} runs are at work here already: try again later")
        try:
            run = self._opened().run(prepare)
        except BaseException:
            self._slots.release()
            raise
        ended: Future[str] = Future()
        ended.set_running_or_notify_cancel()  # whoever waits may go away, the run goes on
        self._here.add(run.id)
        Thread(target=self._work, args=(run, ended), name=f"run {run.id}", daemon=True).start()
        return StartedRun(run.id, ended)

    def warm_up(self) -> None:
        """Boot the Prefect API now, so that the first run need not wait for it."""
        self._opened()

    def close(self) -> None:
        """End the runs that are still at work here: what they did not commit yet is refused from now on."""
        for flow_run_id in tuple(self._here):
            end_open_executions(flow_run_id, "never finished: the API server was stopped")
        with self._opening:
            if self._context is not None:
                self._context.run(self._api.close)
                self._context = None

    def _opened(self) -> Context:
        """A context of its own in which the Prefect API is known: it is set in context variables, not globally."""
        with self._opening:
            if self._context is None:
                context = copy_context()
                context.run(self._api.enter_context, prefect_api())
                self._context = context
            return self._context.copy()

    def _work(self, run: "_PreparedRun", ended: "Future[str]") -> None:
        try:
            ended.set_result(self._opened().run(run.work))
        except BaseException as error:  # noqa: BLE001 - whoever waits is told, whatever it was
            ended.set_exception(error)
        finally:
            self._here.discard(run.id)
            self._slots.release()


@dataclass(frozen=True)
class _PreparedRun:
    id: str
    work: Callable[[], str]


def _prepare_step(step: Step, span: MonthWindow) -> _PreparedRun:
    from flows.execute_step import execute_step

    return _prepare(execute_step, {"step": step.id, "start_date": span.start, "end_date": span.end})


def _prepare_retry(error_ids: Sequence[int]) -> _PreparedRun:
    from flows.retry_errors import retry_errors

    return _prepare(retry_errors, {"errors": list(error_ids)})


def _prepare(flow: "Flow[..., Any]", parameters: dict[str, Any]) -> _PreparedRun:
    """A run that Prefect knows of, and what is left to do for it."""
    from prefect.client.orchestration import get_client
    from prefect.flow_engine import run_flow
    from prefect.states import Pending

    with get_client(sync_client=True) as client:
        run = client.create_flow_run(flow, parameters=parameters, state=Pending())

    def work() -> str:
        state: Any = run_flow(flow, flow_run=run, parameters=parameters, return_type="state")
        return f"{state.name}: {state.message or ''}"

    return _PreparedRun(str(run.id), work)
