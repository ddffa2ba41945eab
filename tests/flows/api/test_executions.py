"""The history: filters, pages, tags."""

from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.flows.api.rows import add_errors, add_executions
from tracking.locks import run_lock
from tracking.models import ExecutionStatus

PATH = "/api/sync/executions"


def _ids(api: TestClient, **query: Any) -> list[int]:
    answer = api.get(PATH, params=query)
    assert answer.status_code == 200, answer.text
    return [each["id"] for each in answer.json()["executions"]]


def test_the_newest_come_first_a_hundred_at_once(api: TestClient) -> None:
    add_executions(120)

    assert _ids(api) == list(range(120, 20, -1))


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ({"step_name": "services"}, [5, 4]),
        ({"status": "failed"}, [6]),
        ({"step_name": "invoices", "status": "completed"}, [3, 2, 1]),
        ({"flow_run_id": "run-7"}, [7]),
        ({"limit": 2}, [7, 6]),
        ({"started_after": "2024-03-01T12:01:00Z"}, [3]),
        ({"started_before": "2024-03-01T12:01:00Z"}, [6, 5, 4, 1]),
        ({"started_after": "2024-03-01T12:59:59+01:00", "started_before": "2024-03-01T12:01:30Z"}, [2, 6, 5, 4, 1]),
        ({"started_after": "2024-03-01T13:00:30", "step_name": "invoices"}, [3, 2]),
    ],
)
def test_every_filter_keeps_what_fits(api: TestClient, query: dict[str, Any], ids: list[int]) -> None:
    add_executions(3)
    add_executions(1, step_name="services")
    add_executions(1, step_name="services")
    add_executions(1, status=ExecutionStatus.FAILED, step_name="accruals")
    add_executions(1, status=ExecutionStatus.PENDING, started_at=None, step_name="crm-clients", flow_run_id="run-7")

    with run_lock("run-7"):  # the run lives: its execution waits for its turn
        assert _ids(api, **query) == ids


@pytest.mark.parametrize("query", [{}, {"started_after": "2000-01-01"}, {"step_name": "invoices"}])
def test_pages_lead_through_everything_once(api: TestClient, query: dict[str, str]) -> None:
    add_executions(10)
    address, seen = api.build_request("GET", PATH, params={**query, "limit": 4}).url.raw_path.decode(), []
    sizes = []

    while address:
        answer = api.get(address)
        page = [each["id"] for each in answer.json()["executions"]]
        sizes.append(len(page))
        seen += page
        address = answer.links.get("next", {}).get("url", "")
        assert bool(address) == (answer.json()["next_cursor"] is not None)

    assert seen == list(range(10, 0, -1))
    assert sizes == [4, 4, 2]


def test_what_begins_while_somebody_pages_shifts_nothing(api: TestClient) -> None:
    add_executions(6)
    first = api.get(PATH, params={"limit": 3}).json()
    add_executions(3)

    assert [each["id"] for each in first["executions"]] == [6, 5, 4]
    assert _ids(api, cursor=first["next_cursor"]) == [3, 2, 1]


@pytest.mark.parametrize("cursor", ["abc", "e30", "WzBd", "Wy0xXQ", "WzEsIngiXQ", "WzEsIjIwMjQtMDMtMDFUMTI6MDA6MDAiXQ"])
def test_a_cursor_that_is_none_is_refused(api: TestClient, cursor: str) -> None:
    answer = api.get(PATH, params={"cursor": cursor, "started_after": "2024-01-01"})

    assert answer.status_code == 422
    assert "cursor is none of this list" in answer.json()["detail"]


@pytest.mark.parametrize(
    "query",
    [
        {"limit": 0},
        {"limit": 1001},
        {"limit": "all"},
        {"status": "done"},
        {"step_name": "invoice"},
        {"started_after": "yesterday"},
        {"started_after": "2024-13-01"},
        {"stauts": "failed"},
        {"flow_run_id": "' OR 1=1"},
    ],
)
def test_a_filter_that_makes_no_sense_is_refused_rather_than_passed_over(
    api: TestClient, query: dict[str, Any]
) -> None:
    answer = api.get(PATH, params=query)

    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"


def test_whoever_polls_gets_304_until_something_changes(api: TestClient) -> None:
    add_executions(2)
    first = api.get(PATH)
    tag = {"If-None-Match": f'"another", W/{first.headers["etag"]}'}

    unchanged = api.get(PATH, headers=tag)
    add_executions(1)
    changed = api.get(PATH, headers=tag)

    assert (unchanged.status_code, unchanged.content, unchanged.headers["etag"]) == (304, b"", first.headers["etag"])
    assert changed.status_code == 200
    assert changed.headers["etag"] != first.headers["etag"]


def test_one_execution_has_the_errors_it_met_and_no_others(api: TestClient) -> None:
    add_executions(2)
    add_errors(2, sync_execution_id=2)
    add_errors(1, sync_execution_id=1)

    errors = api.get(f"{PATH}/2").json()["integration_errors"]

    assert [each["id"] for each in errors] == [2, 1]


@pytest.mark.parametrize(("number", "status"), [("3", 404), ("0", 422), ("99999999999999", 422), ("x", 422)])
def test_one_that_is_not_there_is_a_problem(api: TestClient, number: str, status: int) -> None:
    answer = api.get(f"{PATH}/{number}")

    assert answer.status_code == status
    assert answer.json()["status"] == status
