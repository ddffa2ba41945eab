"""`execute-step`: what is refused, who waits and for what, and that a request sent twice runs once."""

from typing import Any

import pytest
from starlette.testclient import TestClient

from flows.runs import NotSetUpError, RunGoneError, RunRequest, RunStatus, Stage
from tests.flows.api.recorded_runs import RecordedRuns
from tracking.history import HistoryFilter, find_executions

PATH = "/api/sync/execute-step"
MARCH = {"step_name": "invoices", "start_date": "2024-03-01", "end_date": "2024-04-01"}


@pytest.mark.parametrize(
    ("body", "line"),
    [
        ({"step_name": "invoice"}, "step 'invoice' is not known: one of services, invoices"),
        ({"step_name": "invoices", "year": 1999}, "a year from 2000 to 2100 is expected"),
        ({"step_name": "invoices", "start_date": "2024-03-01"}, "start date without end date: give both"),
        ({**MARCH, "start_date": "2024-03-15"}, "start date 2024-03-15 is not the first day of a month"),
        ({**MARCH, "end_date": "2024-03-01"}, "end date 2024-03-01 is not after start date"),
        ({**MARCH, "start_date": "March"}, "start date 'March' is no date: YYYY-MM-01 is expected"),
        ({}, "body.step_name: Field required"),
        ({"step_name": "invoices", "year": "2024"}, "body.year: Input should be a valid integer"),
        ({"step_name": "invoices", "month": 3}, "body.month: Extra inputs are not permitted"),
        ([], "body: Input should be a valid dictionary"),
    ],
)
def test_nonsense_is_a_422_of_one_line_and_runs_nothing(
    api: TestClient, runs: RecordedRuns, body: object, line: str
) -> None:
    answer = api.post(PATH, json=body)

    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert line in answer.json()["detail"]
    assert "\n" not in answer.json()["detail"]
    assert runs.asked == []


@pytest.mark.parametrize(
    ("body", "months"),
    [
        ({"step_name": "invoices"}, "2024-01..2024-12"),
        ({"step_name": "invoices", "year": 2023}, "2023-01..2023-12"),
        ({**MARCH, "year": 2023}, "2024-03"),
        ({**MARCH, "year": 1066}, "2024-03"),
    ],
)
def test_dates_win_over_the_year_and_the_year_over_the_default(
    api: TestClient, runs: RecordedRuns, body: dict[str, Any], months: str
) -> None:
    api.post(PATH, json=body)

    assert runs.asked == [("invoices", months)]


def test_a_step_that_is_called_once_takes_no_notice_of_months(api: TestClient) -> None:
    answer = api.post(PATH, json={**MARCH, "step_name": "services"}).json()

    assert "executions" not in answer
    assert api.get(f"/api/sync/executions/{answer['execution_id']}").json()["window_start"] is None


def test_who_does_not_wait_is_told_where_to_look(api: TestClient) -> None:
    answer = api.post(PATH, json=MARCH, headers={"Prefer": "respond-async"})

    assert answer.status_code == 202
    assert answer.headers["preference-applied"] == "respond-async"
    found = api.get(answer.headers["location"]).json()
    assert [found["id"]] == answer.json()["execution_ids"]
    assert found["step_name"] == "invoices"


def test_who_does_not_wait_for_several_months_is_told_where_all_of_them_are(api: TestClient) -> None:
    api.post(PATH, json={"step_name": "services"})
    answer = api.post(PATH, json={"step_name": "invoices"}, headers={"Prefer": "wait=5, respond-async"})

    assert answer.status_code == 202
    found = api.get(answer.headers["location"]).json()["executions"]
    assert sorted(each["id"] for each in found) == answer.json()["execution_ids"]
    assert len(found) == 12


def test_the_same_key_and_body_answers_the_same_and_runs_nothing(api: TestClient, runs: RecordedRuns) -> None:
    key = {"Idempotency-Key": "march-4711"}
    first, second = (api.post(PATH, json=MARCH, headers=key) for _ in range(2))

    assert first.status_code == 200
    assert second.json() == first.json()
    assert len(runs.asked) == 1
    assert len(find_executions(HistoryFilter())) == 1


def test_the_same_key_waits_for_the_end_of_a_run_that_a_worker_has_not_begun(
    api: TestClient, runs: RecordedRuns
) -> None:
    key = {"Idempotency-Key": "march-4711"}
    first = api.post(PATH, json=MARCH, headers=key)
    runs.statuses = [RunStatus(Stage.waits_for_run, detail="import 2024-03"), RunStatus(Stage.starting)]

    second = api.post(PATH, json=MARCH, headers=key)

    assert runs.statuses == []
    assert second.json() == first.json()


def test_the_same_key_with_another_body_is_refused(api: TestClient, runs: RecordedRuns) -> None:
    key = {"Idempotency-Key": "march-4711"}
    api.post(PATH, json=MARCH, headers=key)

    answer = api.post(PATH, json={"step_name": "services"}, headers=key)

    assert answer.status_code == 422
    assert "another request" in answer.json()["detail"]
    assert len(runs.asked) == 1


def test_another_key_runs_again(api: TestClient, runs: RecordedRuns) -> None:
    for key in ("a", "b"):
        api.post(PATH, json=MARCH, headers={"Idempotency-Key": key})

    assert len(runs.asked) == 2


def test_a_key_of_which_no_run_could_be_started_is_free_again(
    api: TestClient, runs: RecordedRuns, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_request: RunRequest, _key: str | None) -> str:
        raise NotSetUpError("the Prefect server has no deployment execute-step/on-demand")

    key = {"Idempotency-Key": "k"}
    with monkeypatch.context() as patch:
        patch.setattr(runs, "start", refuse)
        refused = api.post(PATH, json=MARCH, headers=key)

    assert (refused.status_code, refused.headers["retry-after"]) == (503, "10")
    assert api.post(PATH, json=MARCH, headers=key).status_code == 200


NO_WORKER = RunStatus(Stage.waits_for_worker)
WAITS = "a worker: none is online in the work pool sync"


def test_who_waits_for_a_run_that_no_worker_takes_is_told_so_and_where_to_look(
    api: TestClient, runs: RecordedRuns, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "status", lambda _: NO_WORKER)
    monkeypatch.setattr("flows.api.runs._LONGEST_ANSWER_SECONDS", 0.0)

    for prefer in ({}, {"Prefer": "respond-async"}):
        answer = api.post(PATH, json=MARCH, headers=prefer)

        assert answer.status_code == 202
        told = answer.json()
        assert (told["status"], told["execution_ids"], told["waits_for"]) == ("pending", [], WAITS)
        assert answer.headers["location"] == f"/api/sync/executions?flow_run_id={told['flow_run_id']}"


def test_nothing_comes_later_of_an_integration_call_that_no_worker_took(
    api: TestClient, runs: RecordedRuns, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "status", lambda _: NO_WORKER)

    answer = api.post("/api/integrations/holded/sync-services")

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "10")
    assert answer.json()["detail"] == f"nothing was run: it waited for {WAITS}"
    assert len(runs.cancelled) == 1


def test_a_run_that_ended_before_it_began_is_a_500_with_the_final_message(api: TestClient, runs: RecordedRuns) -> None:
    runs.statuses = [RunStatus(Stage.ended, detail="Crashed: its worker was gone before it began")]

    answer = api.post(PATH, json=MARCH)

    assert answer.status_code == 500
    assert answer.json()["detail"] == "the run ended before it began: Crashed: its worker was gone before it began"


def test_a_run_that_is_in_another_database_is_said_to_be(
    api: TestClient, runs: RecordedRuns, monkeypatch: pytest.MonkeyPatch
) -> None:
    def tell(_flow_run_id: str) -> RunStatus:
        raise RunGoneError("give the worker the same SYNC_DATABASE_URL as the API server")

    monkeypatch.setattr(runs, "status", tell)

    answer = api.post(PATH, json=MARCH)

    assert answer.status_code == 500
    assert "same SYNC_DATABASE_URL" in answer.json()["detail"]
