"""A broken import over HTTP: the accruals are refused, unless the request overrides that with a reason."""

from typing import Any

import pytest
from starlette.testclient import TestClient

from steps.accruals.gate import LONGEST_REASON, Override
from steps.errors import BrokenImportError
from tests.flows.api.recorded_runs import RecordedRuns

EXECUTE = "/api/sync/execute-step"
PROCESS = "/api/accruals/process-contracts"
MARCH = {"step_name": "accruals", "start_date": "2024-03-01", "end_date": "2024-04-01"}
MONTH = {"period_start_date": "2024-03-01"}
WHY = {"override": "the CRM is gone for good"}


@pytest.mark.parametrize(("path", "months"), [(EXECUTE, MARCH), (PROCESS, MONTH)])
@pytest.mark.parametrize(
    ("said", "override"),
    [
        ({}, None),
        (WHY, Override("the CRM is gone for good", "api")),
        ({**WHY, "by": "Ana"}, Override("the CRM is gone for good", "Ana")),
    ],
)
def test_an_override_reaches_the_run_with_reason_and_person(
    api: TestClient, runs: RecordedRuns, path: str, months: dict[str, str], said: dict[str, str], override: Any
) -> None:
    assert api.post(path, json=months | said).status_code == 200
    assert runs.overrides == [override]


def test_an_override_may_stand_in_the_query_too(api: TestClient, runs: RecordedRuns) -> None:
    assert api.post(PROCESS, params={**MONTH, **WHY, "by": "Ana"}).status_code == 200
    assert runs.overrides == [Override("the CRM is gone for good", "Ana")]


@pytest.mark.parametrize(
    ("path", "body", "line"),
    [
        (EXECUTE, {**MARCH, "override": ""}, "override: the reason is empty"),
        (PROCESS, {**MONTH, "override": " "}, "override: the reason is empty"),
        (EXECUTE, {**MARCH, **WHY, "step_name": "invoices"}, "override is for accruals alone: it says nothing about"),
        (EXECUTE, {**MARCH, "override": "x" * (LONGEST_REASON + 1)}, "should have at most 500 characters"),
        (PROCESS, {**MONTH, **WHY, "by": "x" * (LONGEST_REASON + 1)}, "should have at most 500 characters"),
        (PROCESS, WHY, "period_start_date is missing"),
    ],
)
def test_an_override_that_makes_no_sense_is_a_422_of_one_line_and_runs_nothing(
    api: TestClient, runs: RecordedRuns, path: str, body: dict[str, str], line: str
) -> None:
    answer = api.post(path, json=body)

    assert answer.status_code == 422
    assert line in answer.json()["detail"]
    assert runs.asked == []


def test_a_broken_import_is_a_409_with_the_repair(api: TestClient, runs: RecordedRuns) -> None:
    def refuse(_: Any) -> dict[str, Any]:
        raise BrokenImportError("2024-03 is not accrued, because its import is broken: ...")

    runs.work = refuse

    answer = api.post(PROCESS, json=MONTH)

    assert answer.status_code == 409
    assert "because its import is broken" in answer.json()["detail"]


def test_the_overrides_of_several_months_are_told_as_one_and_a_reason_is_never_added_up(
    api: TestClient, runs: RecordedRuns
) -> None:
    runs.work = lambda cell: {
        "amount_accrued": "1.00",
        "override": {"reason": "5", "by": "7", "overridden": [cell.name]},
    }

    answer = api.post(EXECUTE, json={**MARCH, "end_date": "2024-05-01", "override": "5", "by": "7"}).json()

    assert answer["result"] == {
        "amount_accrued": "2.00",
        "override": {"reason": "5", "by": "7", "overridden": ["accruals 2024-03", "accruals 2024-04"]},
    }
