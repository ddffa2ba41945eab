"""The shapes of docs/interfaces.md, HTTP API, to the letter."""

from typing import Any

import pytest
from starlette.testclient import TestClient

from steps.errors import VendorUnavailableError
from tests.flows.api.recorded_runs import RecordedRuns

IMPORT_STEPS = [
    {"id": "services", "name": "Sync Services", "description": "Import services from Holded"},
    {"id": "invoices", "name": "Sync Invoices", "description": "Import invoices and clients from Holded"},
    {"id": "crm-clients", "name": "Sync CRM Clients", "description": "Import students from 4Geeks clients"},
    {"id": "service-periods", "name": "Sync Service Periods", "description": "Import enrollments from 4Geeks clients"},
    {
        "id": "notion-external-id",
        "name": "Sync Notion External IDs",
        "description": "Import page IDs from Notion clients",
    },
]
ACCRUAL_STEPS = [
    {
        "id": "accruals",
        "name": "Process Accruals",
        "description": "Process contract accruals for the specified period",
    }
]
EXECUTION = {
    "id",
    "step_name",
    "window_start",
    "window_end",
    "status",
    "started_at",
    "completed_at",
    "error_message",
    "result",
    "flow_run_id",
    "metadata",
    "created_at",
    "updated_at",
}
RESULT = {"invoices_processed": 150, "clients_created": 25, "clients_updated": 125}


def _run(api: TestClient, **body: Any) -> dict[str, Any]:
    answer = api.post("/api/sync/execute-step", json=body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_the_steps_to_choose_from(api: TestClient) -> None:
    answer = api.get("/api/sync/available-steps")

    assert answer.json() == {"import_steps": IMPORT_STEPS, "accrual_steps": ACCRUAL_STEPS}


def test_the_fixed_order(api: TestClient) -> None:
    answer = api.get("/api/sync/execution-order")

    assert answer.json() == ["services", "invoices", "crm-clients", "service-periods", "notion-external-id"]


def test_one_month_answers_exactly_the_six_fields(api: TestClient, runs: RecordedRuns) -> None:
    runs.work = lambda _: dict(RESULT)

    answer = _run(api, step_name="invoices", year=2024, start_date="2024-03-01", end_date="2024-04-01")

    started, completed = answer.pop("started_at"), answer.pop("completed_at")
    assert answer == {"step_name": "invoices", "status": "completed", "execution_id": 1, "result": RESULT}
    assert started.endswith("Z")
    assert started <= completed


def test_several_months_have_an_execution_each_and_the_sum_of_their_counts(api: TestClient) -> None:
    answer = _run(api, step_name="invoices", start_date="2024-03-01", end_date="2024-07-01")

    assert list(answer) == [
        "step_name",
        "status",
        "started_at",
        "completed_at",
        "execution_id",
        "result",
        "executions",
    ]
    assert answer["result"] == {"invoices_processed": 3 + 4 + 5 + 6, "invoices_created": 4, "errors": 0}
    assert [each["window_start"] for each in answer["executions"]] == [f"2024-0{month}-01" for month in (3, 4, 5, 6)]
    assert all(set(each) == EXECUTION for each in answer["executions"])
    assert answer["execution_id"] == answer["executions"][0]["id"]
    assert answer["started_at"] == answer["executions"][0]["started_at"]
    assert answer["completed_at"] == answer["executions"][-1]["completed_at"]


def test_a_failed_step_is_an_answer_that_says_why(api: TestClient, runs: RecordedRuns) -> None:
    def fail(_: object) -> dict[str, Any]:
        raise VendorUnavailableError("holded", "GET /saleschannels", "no connection")

    runs.work = fail

    answer = _run(api, step_name="services")

    assert (answer["status"], answer["result"]) == ("failed", None)
    assert answer["error_message"] == "services: holded: GET /saleschannels: no connection"


def test_the_accruals_of_several_months_are_one_result_of_the_same_shape(api: TestClient, runs: RecordedRuns) -> None:
    def accrue(cell: Any) -> dict[str, Any]:
        return {
            "period_start_date": cell.window.start.isoformat(),
            "summary": {"total_contracts_processed": 2, "failed_accruals": 0},
            "amount_accrued": "100.05",
            "notifications": [{"contract_id": cell.window.start.month}],
        }

    runs.work = accrue

    answer = _run(api, step_name="accruals", start_date="2024-03-01", end_date="2024-05-01")

    assert answer["result"] == {
        "period_start_date": "2024-03-01",
        "summary": {"total_contracts_processed": 4, "failed_accruals": 0},
        "amount_accrued": "200.10",
        "notifications": [{"contract_id": 3}, {"contract_id": 4}],
    }


POLICY = {
    "SYNC_ACCRUAL_BASIS": "net",
    "SYNC_ACCRUAL_METHOD": "prospective",
    "SYNC_RECENT_DAYS": "15",
    "SYNC_POSTPONED_MONTHS": "3",
    "SYNC_HOLIDAYS_COUNTRY": "",
    "SYNC_PREWORK_DAYS": "",
}
BASIS = {"as_of": None, "closed_to": None, "policy": POLICY}


@pytest.mark.parametrize(
    ("path", "shape"),
    [
        ("/api/sync/executions", {"executions": [], "next_cursor": None}),
        ("/api/integrations/errors", {"errors": [], "next_cursor": None}),
        (
            "/api/accruals/roll-forward?month=2024-03",
            {
                "month": "2024-03-01",
                "closed": False,
                "lines": [],
                "ties_out": True,
                "tie_out": {"accrued_to": None, "differences": [], "never_accrued": []},
                "basis": BASIS,
            },
        ),
        (
            "/api/accruals/monthly/2024",
            {
                "window": {"start_date": "2024-01-01", "end_date": "2025-01-01"},
                "rows": [],
                "totals": {},
                "basis": BASIS,
            },
        ),
    ],
)
def test_what_an_empty_database_answers(api: TestClient, path: str, shape: dict[str, Any]) -> None:
    assert api.get(path).json() == shape


def test_an_execution_with_its_errors(api: TestClient) -> None:
    execution = _run(api, step_name="services")["execution_id"]

    answer = api.get(f"/api/sync/executions/{execution}").json()

    assert set(answer) == {*EXECUTION, "integration_errors"}
    assert answer["integration_errors"] == []
    assert answer["metadata"]["attempts"] == 1
