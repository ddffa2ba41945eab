"""The deployments on a real Prefect server, run by a real worker (docs/interfaces.md, Prefect)."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prefect import Flow
from prefect.utilities.callables import parameter_schema

from flows.execute_step import execute_step
from flows.process_accruals import process_accruals
from flows.redo import redo
from flows.retry_errors import retry_errors
from flows.sync_import import sync_import
from steps.sandbox.server import serve_sandbox
from steps.sandbox.world import build_world
from tests.fast_vendors import FAST
from tests.flows.worker import DEPLOYMENTS, ROOT, run_prefect, working
from tracking.history import HistoryFilter, find_executions

pytestmark = pytest.mark.prefect


@pytest.fixture
def variables(deployed: dict[str, str]) -> Iterator[dict[str, str]]:
    """What the `prefect` command and its worker are told: our server, our database, the sandbox's vendors."""
    with serve_sandbox(build_world()) as sandbox:
        yield {**deployed, **sandbox.environment, **FAST}


def _declared() -> dict[str, dict[str, Any]]:
    """The deployments of the file, by their full names."""
    declared = yaml.safe_load((ROOT / "prefect.yaml").read_text(encoding="utf-8"))["deployments"]
    return {f"{d['entrypoint'].rpartition('.')[2].replace('_', '-')}/{d['name']}": d for d in declared}


def test_the_file_names_the_deployments_that_others_rely_on() -> None:
    assert list(_declared()) == DEPLOYMENTS
    assert {d["work_pool"]["name"] for d in _declared().values()} == {"sync"}


@pytest.mark.parametrize("flow", [sync_import, process_accruals, execute_step, retry_errors, redo])
def test_each_field_of_a_form_has_a_title_in_words_and_says_what_it_is_for(flow: Flow[Any, Any]) -> None:
    fields = {name: each for name, each in parameter_schema(flow).properties.items() if name != "plan"}

    assert [name for name, each in fields.items() if not each["title"][0].isupper()] == []
    assert [name for name, each in fields.items() if not each.get("description")] == []


@pytest.mark.parametrize(
    ("flow", "cron", "more"),
    [("sync-import", "0 6 2 * *", {}), ("process-accruals", "0 6 3 * *", {"only": "due"})],
)
def test_the_monthly_runs_work_on_the_month_before_their_schedule(flow: str, cron: str, more: dict[str, str]) -> None:
    monthly = _declared()[f"{flow}/monthly"]

    assert monthly["parameters"] == {"period": "previous-month", **more}
    assert [(s["cron"], s["timezone"]) for s in monthly["schedules"]] == [(cron, "Europe/Madrid")]


def test_whole_runs_of_one_deployment_take_turns_and_single_steps_need_not() -> None:
    limits = {name: d["concurrency_limit"]["limit"] for name, d in _declared().items()}
    steps = {limits.pop("execute-step/on-demand"), limits.pop("retry-errors/on-demand")}
    del limits["reconcile-executions/every-5-minutes"]

    assert set(limits.values()) == {1}
    assert steps == {4}


@pytest.mark.long
def test_a_worker_runs_what_was_deployed_and_a_mid_month_date_is_refused_before_a_run_exists(
    variables: dict[str, str], tmp_path: Path
) -> None:
    run = ("deployment", "run", "sync-import/on-demand")

    refused = run_prefect(variables, *run, "-p", "start_date=2024-03-15", "-p", "end_date=2024-07-01")

    assert refused.returncode != 0
    assert "the first day of a month, such as 2024-03-01" in refused.stdout + refused.stderr
    assert find_executions(HistoryFilter()) == []

    asked = ("from_step=invoices", "start_date=2024-03-01", "end_date=2024-07-01")
    with working(variables, tmp_path) as log:
        finished = run_prefect(variables, *run, *(word for p in asked for word in ("-p", p)), "--watch")

    assert finished.returncode == 0, finished.stdout + finished.stderr + log.read_text()
    executions = find_executions(HistoryFilter())
    assert len(executions) == 13
    assert {execution.status for execution in executions} == {"completed"}
