"""Whatever a backend answered, or an old row holds, can be listed and described."""

import json
from collections.abc import Sequence
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console
from sqlalchemy import text
from starlette.testclient import TestClient

from flows.api.app import create_app
from flows.api.schemas import ExecutionAnswer, outcome_of, sum_results
from flows.artifacts import execution_row
from flows.cli.app import run_command
from flows.cli.output import _show_overrides, accrual_table, counts_table, grids
from flows.page.components import outcome_text, result_counts
from flows.page.texts import Language, Texts
from flows.plan import StepRun, StepRunState, assess
from steps.catalog import ACCRUALS, CRM_CLIENTS, INVOICES
from steps.invoices import InvoicesResult
from steps.ledger.months import MonthWindow
from steps.results import RecordedResult
from steps.settings import SyncSettings
from tests.flows.api.conftest import local_client
from tests.flows.api.recorded_runs import RecordedRuns
from tests.flows.api.rows import MINUTE, NOON, add_executions
from tracking.database import tracking_session
from tracking.models import SyncExecution

MADRID = ZoneInfo("Europe/Madrid")
TEXTS = [Texts(language, MADRID) for language in Language]
MARCH = MonthWindow.of(date(2024, 3, 1))
_NAMES = st.sampled_from(
    [
        "summary",
        "notifications",
        "amount_accrued",
        "contracts_closed",
        "total_contracts_processed",
        "successful_accruals",
        "skipped_accruals",
        "invoices_processed",
        "clients_created",
        "created",
        "errors",
        "success",
        "contract_id",
        "message",
        "override",
        "overridden",
        "type",
        "",
    ]
)
_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["1.50", "NaN", "sNaN", "1e999"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES | st.text(), inner, max_size=4),
    max_leaves=8,
)
_RESULTS = st.dictionaries(_NAMES, _VALUES, max_size=6)
ODD_RESULTS: list[Any] = [
    {"period_start_date": "2024-03-01", "summary": {"total_contracts_processed": 4}, "processing_results": []},
    {"summary": "all is well", "notifications": {"count": 3}, "amount_accrued": None},
    {"summary": {}, "notifications": ["odd", 5, {"type": 7}], "amount_accrued": "many"},
    {"invoices_processed": "4", "clients_created": "none", "errors": ["one"]},
    {"processed": 5, "success": True, "n" * 5000: 10**400},
    {"summary": {}, "accrued_by_currency": {"EUR": [], "": "1e9"}},
    {"summary": {}, "accrued_by_currency": 5, "amount_accrued": "1.50"},
    {"summary": {}, "override": "yes"},
    {"summary": {}, "override": {"overridden": 5, "by": None}},
    ["a", "list"],
    "a text",
    0,
]


_STEPS = [("accruals", MARCH.start), ("accruals", None), ("invoices", MARCH.start), ("cleanup", None)]


def _executions(results: Sequence[Any]) -> list[SyncExecution]:
    return [
        SyncExecution(
            id=number,
            step_name=step,
            window_start=window,
            status="completed",
            started_at=NOON,
            completed_at=NOON,
            details={"result": result},
        )
        for number, result in enumerate(results)
        for step, window in _STEPS
    ]


def _describe_everywhere(results: Sequence[Any]) -> None:
    executions = _executions(results)
    console = Console(file=None, quiet=True, width=80)
    for table in (*grids(executions), counts_table(executions), accrual_table(executions)):
        console.print(table)
    for execution in executions:
        execution_row(execution)
        ExecutionAnswer.of(execution).model_dump_json()
        result = execution.result or {}
        recorded = RecordedResult(result)
        assert recorded.as_json() == result
        assert len(recorded.line) < 2_000
        assert recorded.changed_something in {True, False}
        assert recorded.override is None or len(recorded.override.reason) <= 500
        for note in recorded.notifications:
            assert len(note.message) <= 500
        for texts in TEXTS:
            outcome_text(texts, execution)
            dict(result_counts(texts, result))
            texts.step_run(execution.step_name, execution.window_start)
    _show_overrides(console, executions)
    outcome_of(executions).model_dump_json()
    sum_results([each.result or {} for each in executions])


@pytest.mark.parametrize("result", ODD_RESULTS, ids=lambda result: str(result)[:30])
def test_an_odd_result_is_described_everywhere(result: Any) -> None:
    _describe_everywhere([result, ODD_RESULTS[0]])


@pytest.mark.slow
@given(st.lists(_RESULTS, min_size=1, max_size=3))
@settings(deadline=None)
def test_whatever_a_result_holds_it_is_described_everywhere(results: list[Any]) -> None:
    _describe_everywhere(results)


_COUNT = st.integers(0, 3)


@given(st.builds(InvoicesResult, **dict.fromkeys(InvoicesResult.model_fields, _COUNT)))
def test_a_row_says_of_a_step_what_its_result_said(result: InvoicesResult) -> None:
    recorded = RecordedResult(result.as_json())

    assert recorded.changed_something == result.changed_something
    assert recorded.count("processed") == result.processed
    assert recorded.line == result.line


def test_a_history_of_odd_results_is_listed_by_command_line_and_api(
    database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for result in ODD_RESULTS:
        for step in ("accruals", "invoices", "cleanup"):
            add_executions(1, step_name=step, details={"result": result}, completed_at=NOON)
    add_executions(1, step_name="accruals", window_start=None, window_end=None, details={"result": None})
    add_executions(1, details=["no", "object"])
    api = local_client(create_app(SyncSettings(), RecordedRuns()))

    assert run_command(["history"]) == 0
    assert run_command(["history", "--json"]) == 0
    for path in ("/api/sync/executions", "/api/sync/executions/1", f"/api/sync/executions/{len(ODD_RESULTS) * 3 + 2}"):
        answer = api.get(path)
        assert answer.status_code == 200, answer.text
    assert run_command(["plan", "--year", "2024"]) == 0


def test_a_number_that_json_does_not_know_hides_no_history(monkeypatch: pytest.MonkeyPatch) -> None:
    """An earlier version stored a backend's 1e400 so, in SQLite."""
    add_executions(2, details={"result": {"errors": 1}})
    with tracking_session() as session:
        session.execute(text("""UPDATE sync_execution SET metadata = '{"result": {"share": Infinity}}' WHERE id = 1"""))
    api: TestClient = local_client(create_app(SyncSettings(), RecordedRuns()))

    answer = api.get("/api/sync/executions")

    assert answer.status_code == 200, answer.text
    assert [each["id"] for each in json.loads(answer.text)["executions"]] == [2, 1]
    assert run_command(["history"]) == 0


@pytest.mark.parametrize(
    ("result", "state"),
    [
        ({"success": True, "processed": 5, "skipped": 1}, StepRunState.completed),
        ({"success": True, "linked": 5}, StepRunState.stale),
        ({"created": 0, "updated": 2}, StepRunState.stale),
        ({"created": "many", "updated": None}, StepRunState.completed),
    ],
)
def test_what_a_backend_says_that_it_wrote_makes_stale_what_builds_on_it(
    database: str, result: dict[str, Any], state: StepRunState
) -> None:
    months = {"window_start": MARCH.start, "window_end": MARCH.end}
    add_executions(1, step_name=CRM_CLIENTS.id, started_at=NOON + 60 * 24 * 40 * MINUTE, **months)
    later = NOON + 60 * 24 * 41 * MINUTE
    add_executions(1, step_name=INVOICES.id, started_at=later, completed_at=later, details={"result": result}, **months)

    (found,) = assess([StepRun(CRM_CLIENTS, MARCH)], MADRID)

    assert found.state is state


def test_months_of_a_backend_that_accrued_something_make_the_next_month_stale(database: str) -> None:
    april = MonthWindow.of(date(2024, 4, 1))
    start = NOON + 60 * 24 * 100 * MINUTE
    add_executions(1, step_name=ACCRUALS.id, started_at=start, window_start=april.start, window_end=april.end)
    add_executions(
        1,
        step_name=ACCRUALS.id,
        started_at=start + MINUTE,
        completed_at=start + MINUTE,
        window_start=MARCH.start,
        window_end=MARCH.end,
        details={"result": {"summary": {"successful_accruals": 3}}},
    )

    (found,) = assess([StepRun(ACCRUALS, april)], MADRID)

    assert found.state is StepRunState.stale
