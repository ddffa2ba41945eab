"""Whether somebody is there to do a run of a deployment: asked before each start, and as long as it is not begun."""

from collections.abc import Iterable
from dataclasses import dataclass

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import Worker, WorkerStatus, WorkPool, WorkQueue
from prefect.client.schemas.responses import DeploymentResponse
from prefect.exceptions import ObjectNotFound


@dataclass(frozen=True)
class Readiness:
    """What Prefect says of a deployment and of those who do its runs."""

    deployment: DeploymentResponse
    pool: WorkPool | None = None
    """None: it has no work pool, so that no worker looks for its runs."""
    queue: WorkQueue | None = None
    """None: the pool's default one, which nobody paused by itself."""
    workers: Iterable[Worker] = ()

    @property
    def somebody_takes_runs(self) -> bool:
        """Nothing is paused, and a worker's heartbeat is fresh.

        Prefect calls a worker online until it has missed three heartbeats (90 seconds, if nobody set it otherwise),
        also one that was stopped properly.
        """
        paused = self.deployment.paused or (self.queue is not None and self.queue.is_paused)
        if paused or self.pool is None or self.pool.is_paused:
            return False
        return any(worker.status == WorkerStatus.ONLINE for worker in self.workers)


def ready_deployment(client: SyncPrefectClient, name: str) -> DeploymentResponse | None:
    """The deployment of this full name, when it is there and a worker takes its runs."""
    try:
        readiness = _readiness(client, client.read_deployment_by_name(name))
    except ObjectNotFound:  # the deployment, or its pool or queue, which somebody deleted
        return None
    return readiness.deployment if readiness.somebody_takes_runs else None


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
