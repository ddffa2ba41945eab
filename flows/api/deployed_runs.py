"""Runs that a worker does, on this machine or another: started from their deployment, and watched from here.

They do not end with this server. Whoever asks again for one with its `Idempotency-Key` finds it at the next server.
"""

import logging
from collections.abc import Callable
from threading import Event
from uuid import UUID, uuid4

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import FlowRun
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError

from flows.api.asked_run import AskedRun
from flows.api.in_process import InProcessRuns
from flows.api.run_watch import RunWatch
from flows.api.slots import Slots
from flows.api.step_runs import StartedRun
from flows.api.workers import ready_deployment
from flows.execute_step import execute_step

MOST_WATCHED = 100
_REFUSED = {409, 422}
_log = logging.getLogger("flows.api")


class DeployedRuns:
    """Each has a thread that watches it; to be used in a context in which the Prefect API is known."""

    def __init__(self, here: InProcessRuns) -> None:
        """Args: `here` does what every worker leaves alone."""
        self._here, self._closing = here, Event()
        self._slots = Slots(MOST_WATCHED, "runs wait for workers already")

    def begin(self, asked: AskedRun) -> StartedRun | None:
        """Leave a run to a worker; None when there is none, or no deployment that takes what was asked.

        Raises:
            TooManyRunsError: as many as this server can watch are with workers already.
        """
        with get_client(sync_client=True) as client:
            deployment = ready_deployment(client, asked.deployment)
            if deployment is None:
                return None
            try:
                return self._watch(lambda: _create(client, deployment.id, asked), asked)
            except PrefectHTTPStatusError as error:
                if error.response.status_code not in _REFUSED:
                    raise
                _log.warning("deployment %s is of another version: run `prefect deploy --all`", asked.deployment)
                return None

    def follow(self, flow_run_id: str) -> StartedRun | None:
        """Watch a run that was started before, by another server maybe; None if no worker has to do with it.

        Also None while Prefect does not answer: what the run has written down so far can be read without it.
        """
        with get_client(sync_client=True) as client:
            try:
                run = client.read_flow_run(UUID(flow_run_id))
            except (ObjectNotFound, httpx.HTTPError):
                return None
        if run.deployment_id is None or run.state is None or run.state.is_final():
            return None
        return self._watch(lambda: run, AskedRun(execute_step, run.parameters))

    def close(self) -> None:
        """Watch no longer; what workers do they do."""
        self._closing.set()

    def _watch(self, get: Callable[[], FlowRun], asked: AskedRun) -> StartedRun:
        watch = self._slots.occupy(
            lambda: RunWatch(get().id, asked, self._here), lambda watch: watch.watch(self._closing)
        )
        return StartedRun(str(watch.run_id), watch.ended)


def _create(client: SyncPrefectClient, deployment_id: UUID, asked: AskedRun) -> FlowRun:
    """A run for whichever worker comes first; the key makes a request that is repeated on the way create one."""
    return client.create_flow_run_from_deployment(
        deployment_id, parameters=asked.parameters, name=asked.name, idempotency_key=uuid4().hex
    )
