"""What hangs or stays down does not hold a run: its vendor is asked a few times, and the run has a time limit."""

from collections import Counter
from time import monotonic

import pytest

from steps.sandbox.faults import Fault
from steps.sandbox.server import serve_sandbox
from steps.sandbox.world import build_world
from tests.fast_vendors import FAST
from tests.flows.conftest import CommandLine

pytestmark = pytest.mark.prefect


@pytest.mark.long
def test_a_vendor_that_is_down_costs_a_year_its_patience_once(sync_actions: CommandLine, database: str) -> None:
    with serve_sandbox(build_world()) as sandbox:
        for vendor in ("holded", "fourgeeks"):
            sandbox.faults.add(Fault(vendor, "502-html", times=None))
        outcome = sync_actions.run("--year", "2024", "--json", **sandbox.environment, **FAST)

    asked = Counter((each.vendor, each.path) for each in sandbox.requests)
    assert asked["holded", "/saleschannels"] == 2 * 4  # the task's retry, ten seconds later, is one more try
    assert asked["holded", "/documents/invoice"] == 4 + 1  # the whole year, then January once
    assert sum(count for (vendor, _), count in asked.items() if vendor == "fourgeeks") <= 3 * 4
    reasons = Counter(
        "not asked again in this run" in each["error_message"]
        for each in outcome.json["executions"]
        if each["step_name"] in {"invoices", "crm-clients", "service-periods"}
    )
    assert outcome.status == 1
    assert reasons == {True: 36}
    assert [each["status"] for each in outcome.json["executions"] if each["step_name"] == "notion-external-id"] == [
        "completed"
    ]


@pytest.mark.long
def test_a_backend_that_is_down_is_not_asked_for_every_month(sync_actions: CommandLine, database: str) -> None:
    outcome = sync_actions.run(
        "--year", "2024", "--from-step", "invoices", "--json", SYNC_BACKEND_URL="http://127.0.0.1:1"
    )

    told = {each["error_message"] for each in outcome.json["executions"]}
    (message,) = told  # January's own, after its task's retry, and everybody's after it
    assert message.startswith("backend: not asked again in this run: POST /api/integrations/holded/sync-invoices")


def test_a_run_that_reaches_its_time_limit_ends_and_says_so(sync_actions: CommandLine, database: str) -> None:
    outcome = sync_actions.run("--sandbox", "--year", "2024", "--json", SYNC_RUN_HOURS="0.000001")

    executions = outcome.json["executions"]
    assert (outcome.status, outcome.json["state"], len(executions)) == (1, "Failed", 38)
    assert {each["status"] for each in executions} == {"failed"}
    assert {each["error_message"] for each in executions} == {
        "not run: the run reached its time limit of 1e-06 h (SYNC_RUN_HOURS)"
    }
    assert "Traceback" not in outcome.err


def test_a_step_that_is_at_work_when_the_time_is_over_is_interrupted_and_its_row_says_so(
    sync_actions: CommandLine, database: str
) -> None:
    limit = 6
    with serve_sandbox(build_world(clients=8)) as sandbox:
        sandbox.faults.add(Fault("notion", "slow", times=None, seconds=4 * limit))
        began = monotonic()
        outcome = sync_actions.run(
            *("--year", "2024", "--from-step", "notion-external-id", "--json"),
            **sandbox.environment,
            **FAST,
            SYNC_RUN_HOURS=str(limit / 3600),
        )
        took = monotonic() - began

    (execution,) = outcome.json["executions"]
    assert (outcome.status, outcome.json["state"], execution["status"]) == (1, "Failed", "failed")
    assert execution["error_message"] == "interrupted at work: the time limit of its run was reached (SYNC_RUN_HOURS)"
    assert took < 4 * limit
