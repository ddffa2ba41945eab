"""What Prefect believes of our runs."""

import sqlite3
from contextlib import closing
from datetime import datetime
from pathlib import Path

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterExpectedStartTime
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.reconcile_executions import OUR_FLOWS
from tests.kill_matrix.ground import Ground

_ENDED = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}


def unended_runs(ground: Ground, since: datetime) -> list[str]:
    """Our runs that began since then and of which Prefect does not know that they ended, each with its state."""
    if not ground.variables["PREFECT_API_URL"]:
        return _in_the_file(Path(ground.variables["PREFECT_HOME"]) / "prefect.db")
    with (
        temporary_settings({PREFECT_API_URL: ground.variables["PREFECT_API_URL"]}),
        get_client(sync_client=True) as api,
    ):
        runs = api.read_flow_runs(
            flow_filter=OUR_FLOWS,
            flow_run_filter=FlowRunFilter(expected_start_time=FlowRunFilterExpectedStartTime(after_=since)),
        )
    return [f"{run.name}: {run.state_type}" for run in runs if run.state_type not in _ENDED]


def _in_the_file(database: Path) -> list[str]:
    """For temporary servers, which have ended."""
    with closing(sqlite3.connect(database)) as connection:
        runs = connection.execute("SELECT name, state_type FROM flow_run").fetchall()
    return [f"{name}: {state}" for name, state in runs if state not in _ENDED]
