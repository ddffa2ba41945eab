"""The same under a worker: its process is killed, or the worker with it, and the deployment runs again."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.cli.output import execution_json
from tests.kill_matrix.case import IMPORT, Case
from tests.kill_matrix.conftest import Model
from tests.kill_matrix.disturbance import Disturbance, Kind, Place
from tests.kill_matrix.ground import Ground
from tests.kill_matrix.prefect_view import unended_runs
from tests.kill_matrix.truth import assert_truthful, assert_whole, read_history, remember
from tracking.history import executions_of_run

_LONGEST_SECONDS = 240
_POOL = "kill-matrix"
_DEPLOYMENT = f"""
deployments:
  - name: {_POOL}
    entrypoint: tests.kill_matrix.under_worker.sync_import
    work_pool: {{name: {_POOL}}}
pull:
  - prefect.deployments.steps.set_working_directory: {{directory: .}}
"""
_SPAN = {"start_date": date(2024, 3, 1).isoformat(), "end_date": date(2024, 5, 1).isoformat()}
_POINTS = [(Place.BEFORE_PLAN, ""), (Place.IN_REQUEST, "invoices 2024-03"), (Place.BEFORE_COMMIT, "invoices 2024-04"),
           (Place.AFTER_COMMIT, "invoices 2024-04")]  # fmt: skip
_CASES = [
    Case(Disturbance(kind, place, cell), database)
    for database in ("sqlite", "postgresql")
    for kind in (Kind.SIGKILL, Kind.SIGTERM, Kind.ALL_KILLED)
    for place, cell in _POINTS
]


@pytest.mark.kill_matrix
@pytest.mark.prefect
@pytest.mark.parametrize("case", _CASES, ids=lambda case: case.id)
def test_a_run_that_is_hit_under_a_worker_tells_the_truth_and_the_next_one_makes_the_ledger_whole(
    case: Case,
    stage: Callable[[Case], Ground],
    model: Model,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    record_property: Callable[[str, object], None],
) -> None:
    remember(case, "worker", record_property)
    ground, expected = stage(case), model.undisturbed[IMPORT]
    monkeypatch.setenv("SYNC_DATABASE_URL", ground.database_url)
    disturbance = replace(case.disturbance, mark=str(ground.folder / "hit"))
    began = datetime.now(UTC)
    _deploy(ground)

    with _worker(ground, disturbance), temporary_settings({PREFECT_API_URL: ground.variables["PREFECT_API_URL"]}):
        all_killed, mark = disturbance.kind is Kind.ALL_KILLED, Path(disturbance.mark)
        _run(until=lambda state: mark.exists() and (all_killed or state.is_final()))
    assert ground.processes_left() == []
    history = read_history(capsys)
    with _worker(ground, None), temporary_settings({PREFECT_API_URL: ground.variables["PREFECT_API_URL"]}):
        run_id = _run(until=lambda state: state.is_final())

    after = [execution_json(execution) for execution in executions_of_run(str(run_id))]
    assert {execution["status"] for execution in after} == {"completed"}, after
    assert_truthful(history, after, expected, stopped=True)
    assert_whole(expected, ground, stopped=True)
    assert unended_runs(ground, began) == []


def _deploy(ground: Ground) -> None:
    (ground.folder / "prefect.yaml").write_text(_DEPLOYMENT)
    for command in (
        ("work-pool", "create", _POOL, "--type", "process", "--overwrite"),
        ("--no-prompt", "deploy", "--all"),
    ):
        done = subprocess.run(
            [sys.executable, "-m", "prefect", *command],
            env=ground.environment(),
            cwd=ground.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr


@contextmanager
def _worker(ground: Ground, disturbance: Disturbance | None) -> Iterator[None]:
    """A worker in the block; in an ambush are the runs of it that begin while nobody was hit."""
    command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", _POOL]
    with (ground.folder / "worker.log").open("a") as log:
        worker = subprocess.Popen(
            command,
            env=ground.environment(disturbance),
            cwd=ground.folder,
            stdout=log,
            stderr=log,
            start_new_session=True,  # Prefect interrupts whole process groups
        )
        try:
            yield
        finally:
            worker.terminate()
            worker.wait(_LONGEST_SECONDS)


def _run(until: Callable[[Any], bool]) -> UUID:
    """Start the deployment and wait."""
    deadline = time.monotonic() + _LONGEST_SECONDS
    with get_client(sync_client=True) as client:
        deployment = client.read_deployment_by_name(f"sync-import/{_POOL}")
        run = client.create_flow_run_from_deployment(deployment.id, parameters=_SPAN)
        while not until(client.read_flow_run(run.id).state):
            assert time.monotonic() < deadline, "it took too long"
            time.sleep(0.3)
    return run.id
