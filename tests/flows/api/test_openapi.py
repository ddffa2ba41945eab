"""What the OpenAPI document must say; `test_generated_requests.py` holds the app to it."""

import re
from typing import Any

import pytest
from starlette.testclient import TestClient

from flows.api.app import create_app
from steps.catalog import STEPS
from steps.settings import SyncSettings
from tests.flows.api.recorded_runs import RecordedRuns


def _document() -> dict[str, Any]:
    return create_app(SyncSettings(), RecordedRuns()).openapi()


def _operations() -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (path, method, operation) for path, item in _document()["paths"].items() for method, operation in item.items()
    ]


@pytest.mark.parametrize(("path", "method", "operation"), _operations(), ids=lambda value: str(value)[:60])
def test_every_route_says_what_it_does_and_documents_its_problems(
    path: str, method: str, operation: dict[str, Any]
) -> None:
    assert operation["description"]
    problems = {status: answer for status, answer in operation["responses"].items() if int(status) >= 400}
    assert {"401", "403", "422", "500", "503"} <= set(problems)
    assert all(list(answer["content"]) == ["application/problem+json"] for answer in problems.values())


def test_every_operation_has_an_id_of_its_own_and_every_body_an_example() -> None:
    ids = [operation["operationId"] for _, _, operation in _operations()]
    assert len(set(ids)) == len(ids)
    assert "accruals-show_journal" in ids
    schemas = _document()["components"]["schemas"]
    bodies = [operation["requestBody"]["content"] for _, _, operation in _operations() if "requestBody" in operation]
    named = {match for body in bodies for match in re.findall(r"schemas/(\w+)", str(body))}
    assert {name for name in named if "examples" not in schemas[name]} <= {"Nothing"}


@pytest.mark.parametrize(
    ("path", "status", "names"),
    [
        ("/api/sync/executions", "200", {"ETag", "Link"}),
        ("/api/sync/executions", "304", {"ETag"}),
        ("/api/accruals/export/csv", "200", {"ETag", "Content-Disposition"}),
        ("/api/accruals/pack", "200", {"Content-Disposition"}),
        ("/api/audit", "401", {"WWW-Authenticate"}),
        ("/api/audit", "429", {"Retry-After"}),
    ],
)
def test_what_headers_an_answer_has_is_documented(path: str, status: str, names: set[str]) -> None:
    assert set(_document()["paths"][path]["get"]["responses"][status]["headers"]) == names


BALANCES = "opening-balances", "opening-balances/{row_id}/revert"


def test_each_steps_endpoint_is_a_route() -> None:
    posts = {path for path, method, _ in _operations() if method == "post"}

    books = {
        f"/api/accruals/{name}"
        for name in ("redo", "adjust", "dismiss", "close", "reopen", "reconciliation", *BALANCES)
    }
    assert posts == {"/api/sync/execute-step", *(step.endpoint for step in STEPS.values()), *books}


def test_health_is_open_and_the_rest_wants_the_token() -> None:
    document = _document()

    assert document["security"] == [{"token": []}]
    assert document["paths"]["/api/health"]["get"]["security"] == []


def test_the_examples_are_valid_requests(api: TestClient) -> None:
    for example in _document()["components"]["schemas"]["StepRequest"]["examples"]:
        assert api.post("/api/sync/execute-step", json=example).status_code == 200
