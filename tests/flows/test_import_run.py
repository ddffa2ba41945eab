"""A run from the command line, through a real Prefect server, against the sandbox: rows, tables, exit status."""

import pytest
from sqlalchemy import text

from steps.sandbox.exchange import Call
from steps.sandbox.faults import Fault
from steps.sandbox.server import serve_sandbox
from steps.sandbox.world import build_world
from tests.fast_vendors import FAST
from tests.flows.conftest import CommandLine, Outcome
from tracking.database import get_engine

pytestmark = pytest.mark.prefect

MARCH_TO_JUNE = ("--start-date", "2024-03-01", "--end-date", "2024-07-01")
FIRST_OF_MARCH = 1709247600
"""Midnight in Madrid, 2024."""


def _names(outcome: Outcome) -> list[str]:
    return [f"{e['step_name']} {(e['window_start'] or '')[:7]}".strip() for e in outcome.json["executions"]]


def test_a_range_from_invoices_runs_thirteen_executions_in_order(sync_actions: CommandLine, database: str) -> None:
    outcome = sync_actions.run("--sandbox", "--from-step", "invoices", *MARCH_TO_JUNE, "--json")

    assert outcome.status == 0, outcome.err
    months = ("2024-03", "2024-04", "2024-05", "2024-06")
    monthly = [f"{step} {month}" for step in ("invoices", "crm-clients", "service-periods") for month in months]
    assert _names(outcome) == [*monthly, "notion-external-id"]
    assert outcome.json["state"] == "Completed"
    for execution in outcome.json["executions"]:
        assert execution["status"] == "completed"
        assert execution["error_message"] is None
        assert execution["started_at"] <= execution["completed_at"]
    with get_engine().connect() as connection:
        tracked = connection.execute(
            text("SELECT flow_run_id, count(DISTINCT task_run_id) FROM sync_execution GROUP BY 1")
        )
        assert [tuple(row) for row in tracked] == [(outcome.json["flow_run_id"], 13)]


def test_a_failing_window_fails_alone_and_the_run_says_which_and_why(sync_actions: CommandLine, database: str) -> None:
    with serve_sandbox(build_world()) as sandbox:
        sandbox.faults.add(Fault("holded", "html-200", "/documents/invoice", times=None, when=_covers_march))
        outcome = sync_actions.run("--year", "2024", "--json", **sandbox.environment, **FAST)

    assert outcome.status == 1, outcome.err
    assert outcome.json["state"] == "Failed"
    failed = [e for e in outcome.json["executions"] if e["status"] == "failed"]
    assert [(e["step_name"], e["window_start"]) for e in failed] == [("invoices", "2024-03-01")]
    assert "holded" in failed[0]["error_message"]
    assert "/documents/invoice" in failed[0]["error_message"]
    assert len(outcome.json["executions"]) == 38
    assert "invoices 2024-03: FAILED" in outcome.err
    assert "Traceback" not in outcome.err


def _covers_march(call: Call) -> bool:
    """Whether the request asks for 1 March 2024, alone or in a wider range."""
    return int(call.query["starttmp"]) <= FIRST_OF_MARCH < int(call.query["endtmp"])


def test_a_missing_credential_fails_its_steps_with_the_variables_name_and_the_others_run(
    sync_actions: CommandLine,
) -> None:
    with serve_sandbox(build_world()) as sandbox:
        environment = sandbox.environment | {"NOTION_TOKEN": ""}
        outcome = sync_actions.run(*MARCH_TO_JUNE, "--json", **environment, **FAST)

    statuses = {e["step_name"]: (e["status"], e["error_message"]) for e in outcome.json["executions"]}
    assert outcome.status == 1
    assert statuses["service-periods"] == ("completed", None)
    status, message = statuses["notion-external-id"]
    assert status == "failed"
    assert message.startswith("NOTION_TOKEN is not set")


def test_a_refused_credential_is_named_and_never_shown(sync_actions: CommandLine) -> None:
    secret = "sk-this-must-stay-secret-4711"
    with serve_sandbox(build_world()) as sandbox:
        environment = sandbox.environment | {"HOLDED_API_KEY": secret}
        outcome = sync_actions.run("--year", "2024", "--json", **environment, **FAST)

    failed = {e["step_name"]: e["error_message"] for e in outcome.json["executions"] if e["status"] == "failed"}
    assert set(failed) == {"services", "invoices"}
    assert all("HOLDED_API_KEY" in message for message in failed.values())
    assert secret not in outcome.out + outcome.err
    with get_engine().connect() as connection:
        for table in ("sync_execution", "integration_error"):
            assert secret not in str(connection.execute(text(f"SELECT * FROM {table}")).all())


def test_without_json_a_person_sees_progress_and_two_tables(sync_actions: CommandLine) -> None:
    outcome = sync_actions.run("--sandbox", "--from-step", "service-periods", *MARCH_TO_JUNE)

    assert outcome.status == 0
    assert "service-periods 2024-06: " in outcome.err
    assert "Records processed in 2024, by step and month" in outcome.out
    assert "Completed: 5 of 5 executions completed" in outcome.out
    assert "Traceback" not in outcome.err
    assert "prefect" not in outcome.err.lower()
