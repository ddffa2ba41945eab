"""Runs of deployments: how the HTTP API and the page start what they are asked for, and what becomes of it.

To start a run here is to create a run of a deployment in Prefect; a worker does it. What became of it is read from its
executions and, as long as it has none, from Prefect's state of it: it may wait for a worker, for another run, or be
starting. Knows Prefect by its client alone, which takes seconds to import: that is done when it is first needed.
"""

import logging
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from time import monotonic
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import httpx

from flows.plan import run_name
from flows.prefect_server import PrefectUnavailableError, prefect_api
from flows.worker import WORK_POOL, brought_worker, worker_is_online
from steps.catalog import ACCRUALS, Step
from steps.closing import Signature
from steps.engine.gate import Override
from steps.errors import SyncError
from steps.ledger.months import MonthWindow
from tracking.database import read_session
from tracking.history import executions_of_run, open_executions
from tracking.models import OPEN_STATUSES, ExecutionStatus, SyncExecution
from tracking.recorder import end_dead_executions

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.objects import FlowRun

_SECONDS_BETWEEN_RECONCILIATIONS = 5.0
_SOON = timedelta(seconds=5)
"""A worker that is free takes a run within that."""
_CLOSE_SECONDS = 60.0
_REFUSED_PARAMETERS = {409, 422}
_log = logging.getLogger("flows.api")


class KeyReusedError(SyncError):
    """The Idempotency-Key was sent with another request before."""


class NotSetUpError(SyncError):
    """The Prefect server lacks the deployment, or has that of another version."""


class RunGoneError(SyncError):
    """Nothing can be known of a run: it is in another database, or somebody deleted it."""


@dataclass(frozen=True)
class RunRequest:
    """A run that somebody asks for."""

    flow: str
    """As Prefect knows it, such as `execute-step`."""
    parameters: dict[str, Any]
    """As JSON: they travel to a worker."""

    @property
    def deployment(self) -> str:
        """The full name of the flow's deployment for such requests (`flows/prefect.yaml`)."""
        return f"{self.flow}/on-demand"


def request_step(step: Step, span: MonthWindow, override: Override | None = None) -> RunRequest:
    """One step over these months; an override is for accruals alone."""
    months = {"start_date": span.start.isoformat(), "end_date": span.end.isoformat()}
    overriding = {"override": override.reason, "override_by": override.by} if override else {}
    return RunRequest("execute-step", {"step": step.id, **months, **overriding})


def request_flow(steps: Sequence[Step], span: MonthWindow, only: str | None) -> RunRequest:
    """The import from the first of these steps on, or the accruals, over these months; `only`: what is not done yet."""
    asked = {"start_date": span.start.isoformat(), "end_date": span.end.isoformat()} | ({"only": only} if only else {})
    if steps[0] is ACCRUALS:
        return RunRequest("process-accruals", asked)
    return RunRequest("sync-import", {"from_step": steps[0].id, **asked})


def request_retry(error_ids: Sequence[int]) -> RunRequest:
    """These integration errors once more."""
    return RunRequest("retry-errors", {"errors": list(error_ids)})


def request_redo(month: date, by: Signature, override: str | None = None) -> RunRequest:
    """An open month and every later one again."""
    asked = {"month": month.isoformat(), "reason": by.reason, "by": by.who, "preview": False}
    return RunRequest("redo", asked | ({"override": override} if override is not None else {}))


class Stage(StrEnum):
    """How far a run has come."""

    waits_for_worker = "waits-for-worker"
    waits_for_run = "waits-for-run"
    starting = "starting"
    running = "running"
    ended = "ended"


@dataclass(frozen=True)
class RunStatus:
    """What is known of a run."""

    stage: Stage
    executions: Sequence[SyncExecution] = ()
    """The newest of each step and month, as they were planned; none as long as it has not begun."""
    detail: str = ""
    """The name of the run that it waits for; of a run that ended without any execution, Prefect's final message."""
    attempt: int = 1
    retry_at: datetime | None = None
    """When the step that failed for now is tried again, for the time after `attempt`."""

    @property
    def waits_for(self) -> str | None:
        """One line for people, while it waits."""
        match self.stage:
            case Stage.waits_for_worker:
                return f"a worker: none is online in the work pool {WORK_POOL}"
            case Stage.waits_for_run:
                return f"the run {self.detail}"
            case _:
                return None


@dataclass(frozen=True)
class RunDetails:
    """What Prefect keeps of a run besides what became of it."""

    name: str
    created_by: str
    """A person, a schedule or an automation, as Prefect calls it; empty: it does not say."""
    parameters: dict[str, Any]
    attempt: int


class Runs:
    """Runs on the Prefect server that is configured, else on a temporary one that ends with this object."""

    worker_wait_seconds: float
    """How long it may take until a worker is there for a run."""

    def __init__(self, worker: str | None = "api") -> None:
        """Args: `worker` is the name of a worker to bring along; None: others do the runs."""
        self._worker, self._opening, self._closing = worker, threading.Lock(), threading.Event()
        self._opened: Future[SyncPrefectClient] | None = None
        self._thread: threading.Thread | None = None
        self._reconciled = monotonic()
        self.worker_wait_seconds = 30.0 if worker is None else 180.0

    def start(self, request: RunRequest, key: str | None = None) -> str:
        """Create a run of the request's deployment. Returns its flow run id.

        Args:
            request: What is to be run.
            key: The same key and request again is the same run, also when it has ended.

        Raises:
            KeyReusedError: the key stands for another request.
            NotSetUpError: there is no such deployment, or it takes other parameters.
            PrefectUnavailableError: Prefect does not answer.
        """
        client = self._client()
        from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError

        name = run_name(request.flow, request.parameters, datetime.now(UTC))
        with _prefect_answers():
            try:
                deployment = client.read_deployment_by_name(request.deployment)
                run = client.create_flow_run_from_deployment(
                    deployment.id,
                    parameters=request.parameters,
                    name=name,
                    # without a key of the caller's: a request that the client repeats on its way creates one run
                    idempotency_key=f"{request.deployment}:{key or uuid4().hex}",
                )
            except ObjectNotFound:
                raise NotSetUpError(
                    f"the Prefect server has no deployment {request.deployment}: run sync-actions prefect setup"
                ) from None
            except PrefectHTTPStatusError as error:
                if error.response.status_code not in _REFUSED_PARAMETERS:
                    raise
                raise NotSetUpError(
                    f"the deployment {request.deployment} is of another version: run sync-actions prefect setup"
                ) from None
        if run.parameters != {**deployment.parameters, **request.parameters}:
            raise KeyReusedError("this Idempotency-Key was used for another request: choose a new one")
        return str(run.id)

    def status(self, flow_run_id: str) -> RunStatus:
        """What has become of a run.

        Raises:
            RunGoneError: nothing can be known of it.
            PrefectUnavailableError: it has no executions, and Prefect does not answer.
        """
        if executions := executions_of_run(flow_run_id):
            return self._status_of(flow_run_id, executions)
        client = self._client()
        with _prefect_answers():
            if self._is_time_to_reconcile():
                from flows.reconcile_executions import reconcile

                reconcile(client=client)
            return self._status_in_prefect(client, flow_run_id)

    def details(self, flow_run_id: str) -> RunDetails:
        """Who started it, with what, and for the how manieth time.

        Raises:
            RunGoneError: Prefect does not know it.
            PrefectUnavailableError: it does not answer.
        """
        client = self._client()
        from prefect.exceptions import ObjectNotFound

        with _prefect_answers():
            try:
                run = client.read_flow_run(UUID(flow_run_id))
            except (ObjectNotFound, ValueError):
                raise RunGoneError(f"Prefect does not know the run {flow_run_id}") from None
        creator = run.created_by
        by = " ".join(filter(None, (creator.type or "", creator.display_value or ""))) if creator else ""
        return RunDetails(run.name, by.strip(), run.parameters, run.run_count)

    def cancel(self, flow_run_id: str) -> None:
        """Let nothing come of a run that has not begun."""
        client = self._client()
        from prefect.states import Cancelling

        with _prefect_answers():
            client.set_flow_run_state(UUID(flow_run_id), Cancelling(message="nobody waits for it any more"))

    def warm_up(self) -> None:
        """Connect now, so that the first run need not wait for the server and the worker."""
        self._client()

    def close(self) -> None:
        """End the worker, with its runs, and the server, as far as they belong to this object."""
        self._closing.set()
        if self._thread is not None:
            self._thread.join(_CLOSE_SECONDS)

    def _client(self) -> "SyncPrefectClient":
        with self._opening:
            if self._opened is None or (self._opened.done() and self._opened.exception()):
                self._opened = Future()
                self._thread = threading.Thread(target=self._hold, args=(self._opened,), name="prefect", daemon=True)
                self._thread.start()
            opened = self._opened
        return opened.result()

    def _hold(self, opened: "Future[SyncPrefectClient]") -> None:
        """Keep client, server and worker from beginning to end in one thread: Prefect's settings are a thread's."""
        try:
            with ExitStack() as stack:
                worker_name = self._worker
                from prefect.client.orchestration import get_client
                from prefect.settings import PREFECT_API_URL

                lasting = bool(PREFECT_API_URL.value())
                stack.enter_context(prefect_api())
                client = stack.enter_context(get_client(sync_client=True))
                worker = None
                if worker_name is not None:
                    from flows.prefect_setup import set_up_for_api

                    set_up_for_api(client, lasting=lasting)
                    worker = stack.enter_context(brought_worker(client, worker_name))
                opened.set_result(client)
                while not self._closing.wait(1.0):
                    if worker is not None:
                        worker.restart_if_ended()
        except BaseException as error:  # noqa: BLE001 - the threads that wait get it, whatever it was
            if opened.done():
                _log.error("the connection to Prefect ended: %s", error)
            else:
                opened.set_exception(error)

    def _is_time_to_reconcile(self) -> bool:
        if monotonic() - self._reconciled < _SECONDS_BETWEEN_RECONCILIATIONS:
            return False
        self._reconciled = monotonic()
        return True

    def _status_of(self, flow_run_id: str, executions: list[SyncExecution]) -> RunStatus:
        """Of a run that has begun."""
        waiting = [each for each in executions if each.status in OPEN_STATUSES]
        if not waiting:
            return RunStatus(Stage.ended, executions)
        if self._is_time_to_reconcile():
            end_dead_executions()
            executions = executions_of_run(flow_run_id)
        if waiting[0].status == ExecutionStatus.PENDING and (other := self._holder(waiting[0])):
            return RunStatus(Stage.waits_for_run, executions, other)
        return self._with_retry(flow_run_id, RunStatus(Stage.running, executions))

    def _with_retry(self, flow_run_id: str, status: RunStatus) -> RunStatus:
        """With what Prefect knows of the next attempt; only what has run for a while may wait for one."""
        started = [each.started_at for each in status.executions if each.status == ExecutionStatus.RUNNING]
        if not any(each and datetime.now(UTC) - each > _SOON for each in started):
            return status
        with suppress(Exception):  # without Prefect's answer it runs on all the same
            client = self._client()
            from prefect.client.schemas.filters import FlowRunFilter, TaskRunFilter

            waiting = client.read_task_runs(
                flow_run_filter=FlowRunFilter(id={"any_": [flow_run_id]}),
                task_run_filter=TaskRunFilter(state={"name": {"any_": ["AwaitingRetry"]}}),
                limit=1,
            )
            if waiting and waiting[0].state is not None:
                details = waiting[0].state.state_details
                return replace(status, attempt=waiting[0].run_count, retry_at=details.scheduled_time)
        return status

    def _holder(self, execution: SyncExecution) -> str | None:
        """The other run that works on the same step and month, if there is one."""
        with read_session() as session:
            found = open_executions(session, [(execution.step_name, execution.window_start)])
        for each in found:
            if each.flow_run_id != execution.flow_run_id and (each.id or 0) < (execution.id or 0):
                with suppress(Exception):  # it may be of another Prefect server, or of none
                    return self._client().read_flow_run(UUID(each.flow_run_id)).name
                return f"of execution {each.id}"
        return None

    def _status_in_prefect(self, client: "SyncPrefectClient", flow_run_id: str) -> RunStatus:
        """Of a run that has no executions, as far as was seen."""
        from prefect.exceptions import ObjectNotFound

        try:
            run = client.read_flow_run(UUID(flow_run_id))
        except ObjectNotFound:
            raise RunGoneError(f"Prefect does not know the run {flow_run_id} any more: it was deleted") from None
        if run.state is None:
            return RunStatus(Stage.starting)
        if run.state.is_scheduled():
            return _scheduled_status(client, run)
        if not run.state.is_final():
            return RunStatus(Stage.starting)
        if executions := executions_of_run(flow_run_id):
            return self._status_of(flow_run_id, executions)
        if run.state.is_completed() or _has_tasks(client, run.id):
            raise RunGoneError(
                "a worker did the run, but this server's database has no execution of it: "
                "give the worker the same SYNC_DATABASE_URL as the API server"
            )
        return RunStatus(Stage.ended, detail=f"{run.state.name}: {run.state.message or ''}")


def _scheduled_status(client: "SyncPrefectClient", run: "FlowRun") -> RunStatus:
    if not worker_is_online(client, run.work_pool_name or WORK_POOL):
        return RunStatus(Stage.waits_for_worker)
    if run.created is not None and datetime.now(UTC) - run.created > _SOON and (others := _active_runs(client)):
        return RunStatus(Stage.waits_for_run, detail=", ".join(others))
    return RunStatus(Stage.starting)


def _active_runs(client: "SyncPrefectClient") -> list[str]:
    """Names of the runs that workers are doing, oldest first."""
    from prefect.client.schemas.filters import FlowRunFilter, WorkPoolFilter
    from prefect.client.schemas.objects import StateType
    from prefect.client.schemas.sorting import FlowRunSort

    active = [StateType.PENDING, StateType.RUNNING, StateType.CANCELLING]
    runs = client.read_flow_runs(
        flow_run_filter=FlowRunFilter(state={"type": {"any_": active}}),
        work_pool_filter=WorkPoolFilter(name={"any_": [WORK_POOL]}),
        sort=FlowRunSort.START_TIME_ASC,
    )
    return [run.name for run in runs]


def _has_tasks(client: "SyncPrefectClient", run_id: UUID) -> bool:
    """Whether a run got as far as its steps, so that it must have executions somewhere."""
    from prefect.client.schemas.filters import FlowRunFilter

    return bool(client.read_task_runs(flow_run_filter=FlowRunFilter(id={"any_": [run_id]}), limit=1))


@contextmanager
def _prefect_answers() -> Iterator[None]:
    try:
        yield
    except httpx.HTTPError as error:
        raise PrefectUnavailableError(
            f"The Prefect server does not answer as it should ({type(error).__name__}): look at sync-actions history "
            "before you start it again"
        ) from None
