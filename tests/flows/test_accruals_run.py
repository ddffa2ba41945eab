"""Accruals from the command line: a flow of their own, month by month, ascending."""

from datetime import UTC, datetime

import httpx
import pytest

from tests.flows.conftest import CommandLine
from tracking.history import HistoryFilter, find_executions

pytestmark = pytest.mark.prefect

MARCH_TO_JUNE = ("--start-date", "2024-03-01", "--end-date", "2024-07-01")


@pytest.mark.long
def test_a_range_is_accrued_month_by_month_and_a_second_run_posts_nothing(
    sync_actions: CommandLine, database: str, prefect_server: str
) -> None:
    imported = sync_actions.run("--sandbox", "--json")
    first = sync_actions.run("--from-step", "accruals", *MARCH_TO_JUNE, "--json")
    second = sync_actions.run("--from-step", "accruals", *MARCH_TO_JUNE, "--json")

    assert (imported.status, first.status, second.status) == (0, 0, 0), first.err
    executions = first.json["executions"]
    assert [e["window_start"] for e in executions] == ["2024-03-01", "2024-04-01", "2024-05-01", "2024-06-01"]
    assert {e["step_name"] for e in executions} == {"accruals"}
    assert [e["result"]["period_start_date"] for e in executions] == [e["window_start"] for e in executions]
    assert all(float(e["result"]["amount_accrued"]) > 0 for e in executions)
    assert {e["result"]["amount_accrued"] for e in second.json["executions"]} == {"0.00"}
    (picture,) = _artifacts(prefect_server, "sync-accruals-eur", first.json["flow_run_id"])
    assert "](data:image/png;base64,iVBORw0KGgo" in picture
    assert "| 2024-06 | " in picture


def _artifacts(api_url: str, key: str, flow_run_id: str) -> list[str]:
    wanted = {"artifacts": {"key": {"any_": [key]}}, "flow_runs": {"id": {"any_": [flow_run_id]}}}
    found = httpx.post(f"{api_url}/artifacts/filter", json=wanted).raise_for_status().json()
    return [str(artifact["data"]) for artifact in found]


def test_a_month_that_is_not_over_fails_and_those_after_it_are_not_run(sync_actions: CommandLine) -> None:
    now = datetime.now(UTC)
    year = str(now.year + 1)

    outcome = sync_actions.run("--from-step", "accruals", "--year", year, "--json")

    first, *others = outcome.json["executions"]
    assert outcome.status == 1
    assert f"{year}-01 is not over in Europe/Madrid" in first["error_message"]
    assert len(others) == 11
    assert all(e["status"] == "failed" and "builds on what failed" in e["error_message"] for e in others)
    assert "Traceback" not in outcome.err


def test_only_the_failed_windows_are_run_again_and_a_plan_exactly_as_it_was(sync_actions: CommandLine) -> None:
    without_notion = {"NOTION_TOKEN": " "}
    failed = sync_actions.run("--year", "2024", "--from-step", "notion-external-id", **without_notion)
    planned = sync_actions.run("plan", "--from-step", "service-periods", *MARCH_TO_JUNE, "--only", "failed", "--json")
    plan = str(planned.json["plan"])

    again = sync_actions.run("run", "--plan", plan, "--sandbox", "--json")
    moved = sync_actions.run("run", "--plan", plan, "--sandbox")
    nothing_left = sync_actions.run("--sandbox", "--year", "2024", "--only", "failed", "--json")

    assert failed.status == 1
    assert [(c["step"], c["state"]) for c in planned.json["cells"]] == [("notion-external-id", "failed")]
    assert [(e["step_name"], e["status"]) for e in again.json["executions"]] == [("notion-external-id", "completed")]
    assert moved.status == 1
    assert f"plan {plan} is out of date: notion-external-id was failed and is completed" in moved.err
    assert (nothing_left.status, nothing_left.json["executions"]) == (0, [])
    assert len(find_executions(HistoryFilter())) == 2
