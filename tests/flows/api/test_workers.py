"""When a run is left to a worker: nothing paused, and somebody there."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from prefect.client.schemas.objects import Worker, WorkerStatus, WorkPool, WorkQueue
from prefect.client.schemas.responses import DeploymentResponse

from flows.api.workers import Readiness

NOW = datetime(2024, 3, 1, 12, tzinfo=UTC)


def _deployment(**said: Any) -> DeploymentResponse:
    return DeploymentResponse(name="on-demand", flow_id=uuid4(), **said)


def _pool(**said: Any) -> WorkPool:
    return WorkPool(name="sync", type="process", default_queue_id=uuid4(), **said)


def _queue(**said: Any) -> WorkQueue:
    return WorkQueue(name="default", work_pool_id=uuid4(), **said)


def _worker(seconds_ago: float, interval: int | None = None, status: WorkerStatus = WorkerStatus.ONLINE) -> Worker:
    heard = NOW - timedelta(seconds=seconds_ago)
    return Worker(
        name="w",
        work_pool_id=uuid4(),
        last_heartbeat_time=heard,
        heartbeat_interval_seconds=interval,
        status=status,
    )


THERE = _worker(1)


@pytest.mark.parametrize(
    ("readiness", "left_to_a_worker"),
    [
        (Readiness(_deployment(), _pool(), _queue(), [THERE]), True),
        (Readiness(_deployment(), _pool(), None, [_worker(500), THERE]), True),
        (Readiness(_deployment(), _pool(), _queue(), []), False),
        (Readiness(_deployment(), None, None, [THERE]), False),
        (Readiness(_deployment(paused=True), _pool(), _queue(), [THERE]), False),
        (Readiness(_deployment(), _pool(is_paused=True), _queue(), [THERE]), False),
        (Readiness(_deployment(), _pool(), _queue(is_paused=True), [THERE]), False),
    ],
)
def test_a_run_is_left_to_a_worker_when_nothing_is_paused_and_one_is_there(
    readiness: Readiness, *, left_to_a_worker: bool
) -> None:
    assert readiness.somebody_takes_runs(NOW) is left_to_a_worker


@pytest.mark.parametrize(
    ("worker", "is_there"),
    [
        (_worker(89), True),
        (_worker(91), False),
        (_worker(2, interval=1), True),
        (_worker(4, interval=1), False),
        (_worker(1, status=WorkerStatus.OFFLINE), False),
        (THERE.model_copy(update={"last_heartbeat_time": None}), False),
    ],
)
def test_a_worker_is_gone_when_it_missed_three_heartbeats_whatever_prefect_has_noticed(
    worker: Worker, *, is_there: bool
) -> None:
    assert Readiness(_deployment(), _pool(), None, [worker]).somebody_takes_runs(NOW) is is_there
