"""`execute-step`: what is refused, who waits, and that a request sent twice runs once."""

from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from flows.api.step_runs import OtherDatabaseError, StartedRun, TooManyRunsError
from steps.accruals.gate import Override
from steps.catalog import Step
from steps.domain.months import MonthWindow
from tests.flows.api.conftest import local_client
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
    first = api.post(PATH, json=MARCH, headers=key).json()
    lost: Future[str] = Future()
    lost.set_exception(OtherDatabaseError("in another database"))
    (execution,) = find_executions(HistoryFilter())
    runs.followed[execution.flow_run_id or ""] = StartedRun(execution.flow_run_id or "", lost)

    answer = api.post(PATH, json=MARCH, headers=key)

    assert first["status"] == "completed"
    assert (answer.status_code, answer.json()["detail"]) == (500, "in another database")


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
    def refuse(_step: Step, _span: MonthWindow, _override: Override | None) -> StartedRun:
        raise TooManyRunsError("full")

    key = {"Idempotency-Key": "k"}
    with monkeypatch.context() as patch:
        patch.setattr(runs, "start", refuse)
        refused = api.post(PATH, json=MARCH, headers=key)

    assert (refused.status_code, refused.headers["retry-after"]) == (503, "10")
    assert api.post(PATH, json=MARCH, headers=key).status_code == 200


class HeldRuns(RecordedRuns):
    """A run that is slow to begin and slow to end."""

    def __init__(self) -> None:
        super().__init__()
        self.let_go = Event()
        self.begun = Event()

    def start(self, step: Step, span: MonthWindow, override: Override | None = None) -> StartedRun:
        """Begin, and say so; go on when let go."""
        self.begun.set()
        assert self.let_go.wait(30)
        ended: Future[str] = super().start(step, span, override).ended
        return StartedRun(find_executions(HistoryFilter())[0].flow_run_id or "", ended)


def test_two_requests_at_once_with_one_key_run_once(app: FastAPI) -> None:
    runs = HeldRuns()
    app.state.runs = runs

    def ask() -> dict[str, Any]:
        answer: dict[str, Any] = local_client(app).post(PATH, json=MARCH, headers={"Idempotency-Key": "k"}).json()
        return answer

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(ask)
        assert runs.begun.wait(30)
        second = pool.submit(ask)
        runs.let_go.set()

    assert second.result() == first.result()
    assert first.result()["status"] == "completed"
    assert len(runs.asked) == 1
