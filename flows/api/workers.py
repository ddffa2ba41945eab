"""Whether somebody is there to do a run of a deployment: asked before each start, and as long as it is not begun."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import Worker, WorkerStatus, WorkPool, WorkQueue
from prefect.client.schemas.responses import DeploymentResponse
from prefect.exceptions import ObjectNotFound

from tracking.models import utc_now

_HEARTBEAT_SECONDS = 30
_MISSED_HEARTBEATS = 3
"""As in Prefect's UI: a worker that has missed so many is offline."""


@dataclass(frozen=True)
class Readiness:
    """What Prefect says of a deployment and of those who do its runs."""

    deployment: DeploymentResponse
    pool: WorkPool | None = None
    """None: it has no work pool, so that no worker looks for its runs."""
    queue: WorkQueue | None = None
    """None: the pool's default one, which nobody paused by itself."""
    workers: Iterable[Worker] = ()

    def somebody_takes_runs(self, now: datetime) -> bool:
        """Nothing is paused, and a worker's heartbeat is fresh.

        A worker that is stopped properly says nothing either: it is missed when its heartbeats are. Prefect looks for
        that itself, but late, and not in every server (its service `foreman`).
        """
        paused = self.deployment.paused or (self.queue is not None and self.queue.is_paused)
        if paused or self.pool is None or self.pool.is_paused:
            return False
        return any(worker.status == WorkerStatus.ONLINE and _is_fresh(worker, now) for worker in self.workers)


def _is_fresh(worker: Worker, now: datetime) -> bool:
    interval = worker.heartbeat_interval_seconds or _HEARTBEAT_SECONDS
    heard = worker.last_heartbeat_time
    return heard is not None and now - heard < timedelta(seconds=interval * _MISSED_HEARTBEATS)


def ready_deployment(client: SyncPrefectClient, name: str) -> DeploymentResponse | None:
    """The deployment of this full name, when it is there and a worker takes its runs."""
    try:
        readiness = _readiness(client, client.read_deployment_by_name(name))
    except ObjectNotFound:  # the deployment, or its pool or queue, which somebody deleted
        return None
    return readiness.deployment if readiness.somebody_takes_runs(utc_now()) else None


def _readiness(client: SyncPrefectClient, deployment: DeploymentResponse) -> Readiness:
    if (name := deployment.work_pool_name) is None:
        return Readiness(deployment)
    queue = deployment.work_queue_name
    return Readiness(
        deployment,
        client.read_work_pool(name),
        client.read_work_queue_by_name(queue, name) if queue else None,
        client.read_workers_for_work_pool(name),
    )
