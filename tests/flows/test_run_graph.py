"""What each task of a run builds on, as the edges of Prefect's run graph; a failed one does not stop the others."""

import time
from collections.abc import Iterator
from uuid import UUID

import pytest
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.objects import TaskRun, TaskRunResult

from steps.sandbox.faults import Fault
from steps.sandbox.server import serve_sandbox
from steps.sandbox.world import build_world
from tests.fast_vendors import FAST
from tests.flows.conftest import CommandLine, Outcome, prefect_client

pytestmark = pytest.mark.prefect

MARCH_AND_APRIL = ("--start-date", "2024-03-01", "--end-date", "2024-05-01")
EDGES = {
    "services": set(),
    "invoices 2024-03": {"services"},
    "invoices 2024-04": {"services"},
    "crm-clients 2024-03": {"invoices 2024-03"},
    "crm-clients 2024-04": {"invoices 2024-04"},
    "service-periods 2024-03": {"crm-clients 2024-03"},
    "service-periods 2024-04": {"crm-clients 2024-04"},
    "notion-external-id": {"service-periods 2024-03", "service-periods 2024-04"},
}
LONGEST_SECONDS = 60


@pytest.fixture
def prefect(prefect_server: str) -> Iterator[SyncPrefectClient]:
    with prefect_client(prefect_server) as client:
        yield client


def _edges(prefect: SyncPrefectClient, outcome: Outcome) -> dict[str, set[str]]:
    """Task run -> those it waited for; Prefect makes task runs of events, and those arrive by and by."""
    run = FlowRunFilter(id=FlowRunFilterId(any_=[UUID(outcome.json["flow_run_id"])]))
    tasks: list[TaskRun] = []
    deadline = time.monotonic() + LONGEST_SECONDS
    while len(tasks) < len(outcome.json["executions"]) and time.monotonic() < deadline:
        tasks = prefect.read_task_runs(flow_run_filter=run)
        time.sleep(0.2)
    names = {task.id: task.name for task in tasks}
    return {
        task.name: {names[each.id] for each in task.task_inputs.get("wait_for", []) if isinstance(each, TaskRunResult)}
        for task in tasks
    }


def test_the_graph_shows_what_each_step_and_month_builds_on(
    sync_actions: CommandLine, prefect: SyncPrefectClient
) -> None:
    outcome = sync_actions.run("--sandbox", *MARCH_AND_APRIL, "--json")
    accruals = sync_actions.run("--sandbox", "--from-step", "accruals", *MARCH_AND_APRIL, "--json")

    assert (outcome.status, accruals.status) == (0, 0), outcome.err + accruals.err
    assert _edges(prefect, outcome) == EDGES
    assert _edges(prefect, accruals) == {"accruals 2024-03": set(), "accruals 2024-04": {"accruals 2024-03"}}


def test_what_builds_on_a_failed_step_runs_and_keeps_its_edge(
    sync_actions: CommandLine, prefect: SyncPrefectClient
) -> None:
    with serve_sandbox(build_world(clients=8)) as sandbox:
        sandbox.faults.add(Fault("holded", "html-200", "/documents/invoice", times=None))
        outcome = sync_actions.run(*MARCH_AND_APRIL, "--json", **sandbox.environment, **FAST)

    assert len(outcome.json["executions"]) == len(EDGES)
    assert {each["step_name"]: each["status"] for each in outcome.json["executions"]} == {
        "services": "completed",
        "invoices": "failed",
        "crm-clients": "completed",
        "service-periods": "completed",
        "notion-external-id": "completed",
    }
    assert _edges(prefect, outcome) == EDGES
