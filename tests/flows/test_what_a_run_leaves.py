"""What a run leaves in Prefect: a log that says something, messages of its task runs, its progress and its summary."""

import logging
import time
from collections.abc import Callable
from datetime import date
from typing import Any
from uuid import UUID

import pytest
from prefect.client.schemas.filters import FlowRunFilter, LogFilter

from flows.artifacts import summary
from flows.page.app import VIEWS
from steps.results import RecordedResult
from steps.sandbox.faults import Fault
from steps.sandbox.server import serve_sandbox
from steps.sandbox.world import build_world
from tests.fast_vendors import FAST
from tests.flows.conftest import CommandLine, prefect_client
from tracking.history import ErrorCount
from tracking.models import ExecutionStatus, SyncExecution

LONGEST_SECONDS = 180
MARCH = ("--from-step", "invoices", "--start-date", "2024-03-01", "--end-date", "2024-04-01")


def _await(read: Callable[[], list[Any]], enough: Callable[[list[Any]], bool]) -> list[Any]:
    """What is sent in the background arrives by and by."""
    deadline = time.monotonic() + LONGEST_SECONDS
    while not enough(found := read()):
        assert time.monotonic() < deadline, found
        time.sleep(0.2)
    return found


@pytest.mark.prefect
def test_a_run_can_be_read_in_prefect(sync_actions: CommandLine, prefect_server: str) -> None:
    with serve_sandbox(build_world(clients=8)) as sandbox:
        sandbox.faults.add(Fault("fourgeeks", "html-200", "/auth/", times=None))
        page = {"SYNC_PAGE_URL": "https://sync.example.org/page/"}
        outcome = sync_actions.run(*MARCH, "--json", **sandbox.environment, **FAST, **page)
    run = FlowRunFilter(id={"any_": [UUID(outcome.json["flow_run_id"])]})
    with prefect_client(prefect_server) as client:
        tasks = _await(
            lambda: client.read_task_runs(flow_run_filter=run),
            lambda found: len(found) == 4 and all(each.state.is_final() for each in found),
        )
        only = LogFilter(flow_run_id={"any_": [UUID(outcome.json["flow_run_id"])]})
        logs = _await(lambda: client.read_logs(only), lambda found: any("Finished" in each.message for each in found))
        artifacts = {each.key: each for each in client.read_artifacts(flow_run_filter=run)}

    messages = {task.name: task.state.message for task in tasks}
    lines = {str(log.task_run_id): log.message for log in logs if log.name == "prefect.flow_runs" and log.task_run_id}
    assert messages["invoices 2024-03"].endswith(" new")
    assert all(lines[str(task.id)].startswith(f"{task.name}: ") for task in tasks)
    assert not [log.message for log in logs if "hook" in log.message.lower() and "mirror" in log.message]
    assert not [log.message for log in logs if log.message.startswith("Finished in state Completed")]
    failures = [log.message for log in logs if log.level >= logging.ERROR]
    assert [message.partition(": ")[0] for message in failures] == ["crm-clients 2024-03", "service-periods 2024-03"]
    assert not [log.message for log in logs if "Traceback" in log.message]

    progress, text = artifacts["sync-progress"], str(artifacts["run-summary"].data)
    assert (progress.data, progress.description) == (100, "4 of 4 ended, 2 failed")
    assert artifacts["run-summary"].description == "2 of 4 steps and months completed"
    assert "Asked: from step `invoices`, start date `2024-03-01`, end date `2024-04-01`.\n" in text
    assert "| invoices | " in text
    assert "- Failed: crm-clients 2024-03" in text
    assert "start the same run again" in text


def _execution(step: str, month: date | None, result: dict[str, Any] | None) -> SyncExecution:
    status = ExecutionStatus.FAILED if result is None else ExecutionStatus.COMPLETED
    return SyncExecution(step_name=step, status=status, window_start=month, details={"result": result})


def test_the_summary_says_what_changed_what_needs_a_person_and_what_is_next() -> None:
    march, april = date(2024, 3, 1), date(2024, 4, 1)
    executions = [
        _execution("invoices", march, {"invoices_processed": 40, "invoices_created": 12, "clients_created": 2}),
        _execution("invoices", april, {"invoices_processed": 9, "invoices_created": 1, "invoices_updated": 3}),
        _execution("crm-clients", march, None),
    ]
    why = ["crm-clients 2024-03: HTTP 500: <html>\nout of order</html>"]

    text = summary({"year": 2024}, executions, why, [ErrorCount("invoices", "contact", 5)], "https://example.org/page/")

    assert text.startswith("**2 of 3 steps and months completed.** Asked: year `2024`.")
    assert "| invoices | 13 | 3 | 0 |\n| clients | 2 | 0 | 0 |" in text
    assert "- Failed: crm-clients 2024-03: HTTP 500: &lt;html&gt; out of order&lt;/html&gt;" in text
    assert (
        "- 5 times a record could not be applied, while all others were. New in this run: 5 contacts (invoices)."
        in text
    )
    assert " [See them on the page](https://example.org/page/en/todo)." in text
    assert "todo" in VIEWS["todo"].paths
    assert "| invoices 2024-03 | completed | - | 40 invoices: 12 new; clients: 2 new |" in text
    assert "`sync-actions errors retry`" in text


def test_the_summary_of_accruals_says_what_was_accrued_and_whom_to_look_at() -> None:
    notes = [{"type": "dropped", "contract_id": number, "message": "no period"} for number in range(12)]
    march = {"accrued_by_currency": {"EUR": "1234.50", "USD": "7.00"}, "notifications": notes}
    april = {"accrued_by_currency": {"EUR": "0.50"}, "notifications": notes[:1]}
    months = [_execution("accruals", date(2024, 3, 1), march), _execution("accruals", date(2024, 4, 1), april)]

    text = summary({}, months, [], [], None)

    assert "1,235.00 EUR and 7.00 USD accrued in 2 months." in text
    assert text.count("contract 0: no period") == 1
    assert "- accruals 2024-04, contract 0: no period" in text
    assert text.count("- accruals 2024-03, contract ") == 9
    assert "And 2 more notes" in text
    assert "`sync-actions close 2024-04`" in text


def test_the_summary_of_a_run_that_found_everything_done_asks_for_nothing() -> None:
    text = summary({}, [_execution("services", None, {"services_processed": 9, "errors": 0})], [], [], None)

    assert "Nothing: all of it was there already." in text
    assert "- Nothing." in text


def test_the_summary_of_a_run_that_failed_calls_nothing_done() -> None:
    text = summary({}, [_execution("services", None, None)], ["services: HTTP 500"], [], None)

    assert "## What changed in the ledger\n\nNothing.\n" in text


def test_the_summary_names_records_that_were_in_trouble_before_and_still_are() -> None:
    text = summary({}, [_execution("invoices", date(2024, 3, 1), {"errors": 2})], [], [], None)

    assert "- 2 times a record could not be applied, while all others were. New in this run: none." in text
    assert "`sync-actions errors retry`" in text


@pytest.mark.parametrize(
    ("result", "line"),
    [
        (
            {
                "invoices_processed": 84,
                "invoices_created": 12,
                "invoices_updated": 3,
                "clients_created": 2,
                "errors": 1,
            },
            "84 invoices: 12 new, 3 changed; clients: 2 new; 1 error",
        ),
        (
            {"invoices_processed": 84, "invoices_created": 0, "clients_updated": 2, "errors": 0},
            "84 invoices; clients: 2 changed",
        ),
        ({"processed": 5, "linked": 2, "errors": 3}, "5 processed; 2 linked; 3 errors"),
        ({"students_processed": 1, "clients_not_found": 1}, "1 student; 1 client not found"),
        ({"invoices_processed": 0}, "nothing to do"),
    ],
)
def test_a_result_in_one_line(result: dict[str, Any], line: str) -> None:
    assert RecordedResult(result).line == line
