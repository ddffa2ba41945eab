"""Whatever goes wrong is a problem document, and says nothing of the inside."""

import logging
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import text
from starlette.testclient import TestClient

from flows.api.app import create_app
from flows.api.middleware import LARGEST_BODY
from steps.errors import (
    AccrualError,
    ConfigError,
    SuspiciousEmptyError,
    UsageError,
    VendorAuthError,
    VendorUnavailableError,
)
from steps.settings import SyncSettings
from tests.flows.api.conftest import local_client
from tests.flows.api.recorded_runs import RecordedRuns
from tracking.database import dispose_engines, get_engine
from tracking.recorder import ExecutionEndedError, WindowBusyError
from tracking.redaction import register_secret

CALL = "/api/integrations/holded/sync-services"


def _assert_problem(answer: Any, status: int, title: str) -> str:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert (body["type"], body["title"], body["status"]) == ("about:blank", title, status)
    detail: str = body["detail"]
    return detail


@pytest.mark.parametrize(
    ("error", "status", "title"),
    [
        (VendorUnavailableError("holded", "GET /x", "no connection"), 502, "Bad Gateway"),
        (VendorAuthError("holded", "GET /x", "401"), 502, "Bad Gateway"),
        (SuspiciousEmptyError("holded", "GET /x", "gone"), 502, "Bad Gateway"),
        (WindowBusyError("run 7 is working on it"), 409, "Conflict"),
        (ExecutionEndedError("ended from outside"), 409, "Conflict"),
        (UsageError("2024-03 is not over"), 422, None),
        (ConfigError("HOLDED_API_KEY is not set"), 500, "Internal Server Error"),
        (AccrualError("does not add up"), 500, "Internal Server Error"),
        (ZeroDivisionError("oops"), 500, "Internal Server Error"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_a_failed_integration_call_has_the_status_of_its_error_and_the_reason(
    api: TestClient, runs: RecordedRuns, error: Exception, status: int, title: str | None
) -> None:
    def fail(_: object) -> dict[str, Any]:
        raise error

    runs.work = fail

    answer = api.post(CALL)

    assert str(error) in _assert_problem(answer, status, title or answer.json()["title"])


def test_nothing_there_and_another_method(api: TestClient) -> None:
    _assert_problem(api.get("/api/sync/nothing"), 404, "Not Found")
    answer = api.delete("/api/sync/execution-order")
    _assert_problem(answer, 405, "Method Not Allowed")
    assert answer.headers["allow"] == "GET"


def test_a_body_that_is_no_json(api: TestClient) -> None:
    answer = api.post("/api/sync/execute-step", content=b"{", headers={"Content-Type": "application/json"})

    assert "JSON decode error" in _assert_problem(answer, 422, answer.json()["title"])


def test_odd_characters_in_a_request_break_no_answer(api: TestClient) -> None:
    answer = api.post(
        "/api/sync/execute-step",
        content=b'{"step_name": "\\ud800\\u0000", "\\ud800": 1}',
        headers={"Content-Type": "application/json"},
    )

    _assert_problem(answer, 422, answer.json()["title"])


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_has_an_end(api: TestClient, runs: RecordedRuns, chunked: bool) -> None:
    body = b'{"step_name": "services"' + b" " * LARGEST_BODY + b"}"
    content = iter([body[: LARGEST_BODY // 2], body[LARGEST_BODY // 2 :]]) if chunked else body

    answer = api.post("/api/sync/execute-step", content=content, headers={"Content-Type": "application/json"})

    _assert_problem(answer, 413, answer.json()["title"])
    assert runs.asked == []


def test_what_nobody_foresaw_says_nothing_of_the_inside(
    api: TestClient, runs: RecordedRuns, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("the inside, and hunter2-secret")

    register_secret("hunter2-secret")
    monkeypatch.setattr(runs, "start", fail)

    with caplog.at_level(logging.ERROR, "flows.api"):
        answer = api.post(CALL)

    assert "inside" not in _assert_problem(answer, 500, "Internal Server Error")
    assert answer.headers["cache-control"] == "no-store"
    assert "the inside, and ***" in caplog.text
    assert "hunter2" not in caplog.text


def test_a_database_that_does_not_answer_is_503(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNC_DATABASE_URL", "postgresql://sync:pass-word-4711@127.0.0.1:1/sync")
    api = local_client(create_app(SyncSettings(), RecordedRuns()))

    for path in ("/api/health", "/api/sync/executions"):
        answer = api.get(path)

        detail = _assert_problem(answer, 503, "Service Unavailable")
        assert "4711" not in detail
        assert answer.headers["retry-after"] == "10"


def test_a_database_of_a_newer_version_is_503(app: FastAPI) -> None:
    with get_engine().begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    dispose_engines()

    detail = _assert_problem(local_client(app).get("/api/health"), 503, "Service Unavailable")

    assert "Update the program" in detail


def test_health_says_which_schema(api: TestClient) -> None:
    answer = api.get("/api/health")

    with get_engine().connect() as connection:
        version = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one()
    assert answer.json() == {"status": "ok", "database": "reachable", "schema_version": version}
