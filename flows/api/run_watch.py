"""One run that a worker is to do, followed until it has ended: what Prefect says of it, and what our executions say.

It is done once, whatever goes away. A run that no worker has taken is claimed as a worker would claim it, by proposing
`Pending`: Prefect lets one of them have it. A run that a worker has taken is never done here.
"""

import logging
from concurrent.futures import Future
from dataclasses import dataclass
from threading import Event
from time import monotonic
from typing import Any
from uuid import UUID

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.objects import FlowRun, State
from prefect.client.schemas.responses import SetStateStatus
from prefect.exceptions import ObjectNotFound
from prefect.settings import PREFECT_CLIENT_MAX_RETRIES, temporary_settings
from prefect.states import Cancelled, Cancelling, Pending

from flows.api.asked_run import AskedRun
from flows.api.in_process import InProcessRuns, RunTakenError, final_message
from flows.api.step_runs import OtherDatabaseError, unended
from flows.api.workers import ready_deployment
from flows.prefect_server import PrefectUnavailableError
from flows.reconcile_executions import reconcile
from tracking.history import executions_of_run
from tracking.models import OPEN_STATUSES, SyncExecution
from tracking.reconcile import end_dead_executions

_NO_WORKER = "no worker is left to take it: the API server does it itself"
_LOST = "a worker took it and was gone before it began: nothing was done, start it again"
_OTHER_DATABASE = (
    "a worker did the run, but this server's database has no execution of it: "
    "give the worker the same SYNC_DATABASE_URL as the API server"
)
_log = logging.getLogger("flows.api")


@dataclass(frozen=True)
class Patience:
    """How often is looked, and how long is waited, in seconds."""

    between_looks: float = 0.5
    between_checks: float = 5.0
    """Of workers and of dead runs: these ask Prefect more than one thing."""
    pending: float = 600.0
    """A worker took the run and says nothing; where a run needs a machine first, that takes minutes."""
    pending_without_worker: float = 60.0
    """The same, and no worker is online any more; its process may still be about to begin."""
    last_word: float = 30.0
    """Executions and Prefect do not agree that it is over."""
    silence: float = 60.0
    """Prefect does not answer, and no execution tells anything either."""


def claim(client: SyncPrefectClient, run_id: UUID) -> FlowRun:
    """Take a run that is scheduled, so that no worker can.

    Raises:
        RunTakenError: a worker was first, or it is not scheduled any more.
    """
    answer: Any = client.set_flow_run_state(run_id, Pending(message=_NO_WORKER))
    # A worker that was first is an abort. Refused, but pending: the request was repeated on its way.
    if answer.status == SetStateStatus.ABORT or not answer.state or not answer.state.is_pending():
        raise RunTakenError
    return client.read_flow_run(run_id)


class RunWatch:
    """Follows one run; `watch` belongs into a thread of its own."""

    def __init__(self, run_id: UUID, asked: AskedRun, here: InProcessRuns, patience: Patience | None = None) -> None:
        """Args: `here` does the run if no worker will."""
        self.run_id = run_id
        self._asked, self._here = asked, here
        self._patience = patience or Patience()
        self._seen: tuple[str, float] = ("", 0.0)
        self._checked = monotonic()
        self.ended: Future[str] = unended()
        """Resolves as that of any run, whoever did it in the end."""

    def watch(self, closing: Event) -> None:
        """Look until it has ended, or is done here, or the server closes; the run itself is left alone then."""
        try:
            words = self._watch(closing)
        except BaseException as error:  # noqa: BLE001 - whoever waits is told, whatever it was
            self.ended.set_exception(error)
        else:
            if words is not None:
                self.ended.set_result(words)

    def _watch(self, closing: Event) -> str | None:
        while not closing.wait(self._patience.between_looks):
            try:
                with get_client(sync_client=True) as client:
                    return self._follow(client, closing)
            except (httpx.HTTPError, ObjectNotFound) as error:
                if words := self._words_without_prefect(error):
                    return words
        return None

    def _follow(self, client: SyncPrefectClient, closing: Event) -> str | None:
        """The last words, or None when somebody else has them. A server that does not answer is an error."""
        while not closing.wait(self._patience.between_looks):
            with temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 0}):  # we look again ourselves
                state = client.read_flow_run(self.run_id).state
                words = self._look(client, state) if state else None
                left_alone = state is not None and state.is_scheduled() and self._is_left_alone(client)
            if words or (left_alone and self._take_over(client)):
                return words
        return None

    def _look(self, client: SyncPrefectClient, state: State[Any]) -> str | None:
        if state.is_scheduled():
            return None
        if state.is_final():
            return self._words_at_end(client, state)
        if state.is_pending():
            self._give_up_if_lost(client)
            return None
        self._mend()
        executions = executions_of_run(str(self.run_id))
        is_over = not _open(executions) and (bool(executions) or state.is_cancelling())
        if is_over and self._seconds("no end in Prefect") > self._patience.last_word:
            return f"{state.name}: every execution has ended, but Prefect was not told"
        return None

    def _words_at_end(self, client: SyncPrefectClient, state: State[Any]) -> str | None:
        executions = executions_of_run(str(self.run_id))
        if _open(executions) and self._seconds("open executions") < self._patience.last_word:
            self._mend()
            return None
        if not executions and (state.is_completed() or _has_tasks(client, self.run_id)):
            raise OtherDatabaseError(_OTHER_DATABASE)
        return final_message(state)

    def _words_without_prefect(self, error: Exception) -> str | None:
        """What the executions tell, which the worker goes on writing; not for ever if there are none."""
        end_dead_executions()
        executions = executions_of_run(str(self.run_id))
        if executions and not _open(executions):
            return "Prefect stopped answering; every execution has ended"
        if not executions and self._seconds("no answer") > self._patience.silence:
            raise PrefectUnavailableError(
                f"The Prefect server stopped answering for run {self.run_id} ({type(error).__name__}) before it began: "
                "a worker may still do it; look at sync-actions history before starting it again"
            )
        return None

    def _is_left_alone(self, client: SyncPrefectClient) -> bool:
        return self._is_time_to_check() and ready_deployment(client, self._asked.deployment) is None

    def _take_over(self, client: SyncPrefectClient) -> bool:
        if not self._here.take_over(lambda: claim(client, self.run_id), self._asked, self.ended):
            return False
        _log.warning("run %s: %s", self.run_id, _NO_WORKER)
        return True

    def _give_up_if_lost(self, client: SyncPrefectClient) -> None:
        """Cancel a run whose worker died between taking and beginning it.

        Its process could still come: it is never done here. Prefect lets no run begin that is to be cancelled; one that
        began just before is left to its own watch (`flows/run_steps.py`).
        """
        taken = self._seconds("pending")
        if taken < self._patience.pending_without_worker or not self._is_time_to_check():
            return
        if taken < self._patience.pending and ready_deployment(client, self._asked.deployment) is not None:
            return
        client.set_flow_run_state(self.run_id, Cancelling(message=_LOST))
        if not any(state.is_running() for state in client.read_flow_run_states(self.run_id)):
            client.set_flow_run_state(self.run_id, Cancelled(message=_LOST))

    def _mend(self) -> None:
        """End what died, here and in Prefect, so that one of them says so."""
        if self._is_time_to_check():
            reconcile()

    def _is_time_to_check(self) -> bool:
        if monotonic() - self._checked < self._patience.between_checks:
            return False
        self._checked = monotonic()
        return True

    def _seconds(self, what: str) -> float:
        """For how long this, and nothing else of the kind, has been seen."""
        if self._seen[0] != what:
            self._seen = (what, monotonic())
        return monotonic() - self._seen[1]


def _open(executions: list[SyncExecution]) -> bool:
    return any(each.status in OPEN_STATUSES for each in executions)


def _has_tasks(client: SyncPrefectClient, run_id: UUID) -> bool:
    """Whether it got as far as its steps, so that it must have executions somewhere."""
    return bool(client.read_task_runs(flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[run_id])), limit=1))
