"""Odd values in every place of every route, and a disk that is full: one clear line, never an unexplained 500."""

import base64
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from sqlalchemy import Connection, event, text
from starlette.testclient import TestClient

from flows.api.app import create_app
from steps.settings import SyncSettings
from tests.flows.api.recorded_runs import RecordedRuns
from tests.flows.api.rows import add_errors, add_executions
from tests.steps.accruals.database_ledger import Stored, accrue_months, store
from tracking.database import get_engine

pytestmark = pytest.mark.slow

LONGEST_DETAIL = 500
Request = tuple[str, str, dict[str, Any], Any]
"""Method, path, query, body."""


def _cursor(*parts: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")


_END_OF_TIME, _BEGIN_OF_TIME = "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00"
_OF_THE_END = _cursor(1, _END_OF_TIME)
_ODD = ("a\0b", "9999-12", "9999-12-01", "0001-01-01", _END_OF_TIME, "2147483648", "9" * 400, "1e400", _OF_THE_END)
_OF_BODIES: tuple[Any, ...] = (*_ODD, None, 10**400, float("nan"), "\ud800", [], {}, [2**70])
_BODIES = (b"null", b"[]", b"\xff\xfe", b"[" * 20_000, b'{"a":' * 20_000, b"9" * 5_000)
_QUICK = {"/api/accruals/redo": {"preview": True}, "/api/sync/execute-step": {"end_date": "2024-04-01"}}
_THERE = {"year": "2024", "error_id": "1", "execution_id": "1", "row_id": "1"}


def _requests() -> Iterator[Request]:
    """Each is good but for one value, of one parameter or field."""
    document = create_app(SyncSettings(), RecordedRuns()).openapi()
    for path, item in document["paths"].items():
        for method, operation in item.items():
            schema = _body_of(document, operation)
            body = schema.get("examples", [{}])[0] | _QUICK.get(path, {})
            places = operation.get("parameters", [])
            needed = {each["name"] for each in places if each["in"] == "query" and each["required"]}
            query = {name: "1" if name == "contract_id" else "2024-02" for name in needed}
            for each in places:
                for odd in _ODD:
                    name, is_path = each["name"], each["in"] == "path"
                    there = path.format_map(_THERE | ({name: odd} if is_path else {}))
                    yield method, there, query if is_path else query | {name: odd}, body
            for name in schema.get("properties", {}):
                yield from ((method, path.format_map(_THERE), query, body | {name: odd}) for odd in _OF_BODIES)
            yield from ((method, path.format_map(_THERE), query, odd) for odd in _BODIES if schema)
    for odd in (_OF_THE_END, _cursor(1, _BEGIN_OF_TIME)):
        yield "get", "/api/sync/executions", {"started_after": "2024-01-01", "cursor": odd}, {}


def _body_of(document: dict[str, Any], operation: dict[str, Any]) -> dict[str, Any]:
    schema = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    for each in (schema, *schema.get("anyOf", [])):
        if name := each.get("$ref", "").rpartition("/")[2]:
            found: dict[str, Any] = document["components"]["schemas"][name]
            return found
    return {}


def _ask(api: TestClient, request: Request) -> Any:
    method, path, query, body = request
    content = None if method == "get" else body if isinstance(body, bytes) else json.dumps(body).encode()
    return api.request(method, quote(path), params=query, headers={"Content-Type": "application/json"}, content=content)


@pytest.fixture
def some_rows(database: str) -> None:
    store(Stored())
    accrue_months("2024-01", "2024-02")
    add_executions(2)
    add_errors(2)


@pytest.mark.sqlite_first
def test_no_odd_value_is_an_unexplained_500(api: TestClient, some_rows: None) -> None:
    wrong, refused = [], 0
    for request in _requests():
        answer = _ask(api, request)
        if answer.status_code >= 400:
            refused += 1
            is_problem = answer.headers["content-type"] == "application/problem+json"
            detail = answer.json()["detail"]
            if answer.status_code >= 500 or not is_problem or "\n" in detail or len(detail) > LONGEST_DETAIL:
                wrong.append((answer.status_code, request, answer.text[:LONGEST_DETAIL]))

    assert wrong == []
    assert refused > 500


@pytest.mark.parametrize("month", ["9999-12", "2101-01", "1999-12", "0001-01"])
def test_a_month_that_no_ledger_has_is_refused_with_the_years_that_are_allowed(api: TestClient, month: str) -> None:
    answer = api.get("/api/accruals/roll-forward", params={"month": month})

    assert answer.status_code == 422
    assert answer.json()["detail"] == f"month {month} is not allowed: from 2000-01 to 2100-12 is expected"


def test_a_full_disk_is_503_and_says_so(api: TestClient, some_rows: None) -> None:
    body = {"step_name": "invoices", "year": 2024, "override": None}
    before = api.get("/api/accruals/closings").json()

    _fill_the_disk()

    answers = (api.post("/api/sync/execute-step", json=body) for _ in range(50))  # until the last page is used up
    refused = next(each for each in answers if each.status_code != 200)

    assert refused.status_code == 503, refused.text
    assert refused.json()["detail"] == "the disk of the database is full: nothing was changed"
    assert refused.headers["retry-after"] == "10"
    assert api.get("/api/accruals/closings").json() == before


def _fill_the_disk() -> None:
    engine = get_engine()
    if engine.dialect.name == "sqlite":
        event.listen(engine, "begin", _no_page_more)
        return
    with engine.begin() as connection:
        connection.execute(text(_FULL))


def _no_page_more(connection: Connection) -> None:
    pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
    connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")


_FULL = """
CREATE FUNCTION no_space() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = 'disk_full'; END $$;
CREATE TRIGGER full_disk BEFORE INSERT ON sync_execution EXECUTE FUNCTION no_space();
"""
