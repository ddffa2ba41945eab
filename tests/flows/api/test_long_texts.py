"""No text that somebody sends is endless, and none holds the server up."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from flows.api.app import create_app
from flows.api.middleware import LARGEST_HEADERS, LONGEST_ADDRESS
from steps.settings import SyncSettings
from tests.flows.api.recorded_runs import RecordedRuns

LONG = "a" * 1_000
LONGEST_SECONDS = 60
_STEP_OF_300000_LETTERS = """
import sys
from pathlib import Path
sys.path[:] = [path for path in sys.path if path]
from flows.api.app import create_app
from steps.settings import SyncSettings
from tests.flows.api.conftest import local_client
from tests.flows.api.recorded_runs import RecordedRuns

api = local_client(create_app(SyncSettings(), RecordedRuns()))
many_fields = {"a%d" % n: n for n in range(9_000)}
for body in ({"step_name": "a" * 300_000}, {"step_name": "services", "a" * 300_000: 1}, many_fields):
    answer = api.post("/api/sync/execute-step", json=body)
    print(answer.status_code, len(answer.text) < 10_000)
"""


@pytest.mark.slow
def test_a_step_name_of_300000_letters_is_refused_at_once(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _STEP_OF_300000_LETTERS],
        env={"PYTHONPATH": ":".join(sys.path), "SYNC_DATABASE_URL": f"sqlite:///{tmp_path / 'sync.db'}"},
        capture_output=True,
        text=True,
        timeout=LONGEST_SECONDS,
        check=False,
    )

    assert (done.returncode, done.stdout) == (0, "422 True\n" * 3), done.stderr


def _texts_of_the_document() -> list[tuple[str, str, str, str]]:
    """Method, path, place and name of each text that a request may hold."""
    document = create_app(SyncSettings(), RecordedRuns()).openapi()
    found = []
    for path, item in document["paths"].items():
        for method, operation in item.items():
            found += [
                (method, path, each["in"], each["name"])
                for each in operation.get("parameters", [])
                if _is_text(each["schema"])
            ]
            content = operation.get("requestBody", {}).get("content", {})
            for name, schema in _fields(document, content.get("application/json", {}).get("schema", {})).items():
                if _is_text(schema):
                    found.append((method, path, "body", name))
    return found


def _fields(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    for each in (schema, *schema.get("anyOf", [])):
        if name := each.get("$ref", "").rpartition("/")[2]:
            fields: dict[str, Any] = document["components"]["schemas"][name]["properties"]
            return fields
    return {}


def _is_text(schema: dict[str, Any]) -> bool:
    return any("$ref" in each or each.get("type") == "string" for each in (schema, *schema.get("anyOf", [])))


@pytest.mark.sqlite_first
@pytest.mark.parametrize(("method", "path", "place", "name"), _texts_of_the_document())
def test_a_text_that_is_too_long_is_refused_and_not_shown(
    api: TestClient, runs: RecordedRuns, method: str, path: str, place: str, name: str
) -> None:
    whole: dict[str, Any] = {"step_name": "services", "status": "resolved", "ids": [1]}
    taken = {"step_name"} if path.endswith("execute-step") else {"status", "ids"} if method == "patch" else set()
    body = {key: value for key, value in whole.items() if key in taken} | ({name: LONG} if place == "body" else {})
    answer = api.request(
        method,
        path.replace("{error_id}", "1").replace("{execution_id}", "1").replace("{year}", "2024"),
        params={name: LONG} if place == "query" else {},
        headers={name: LONG} if place == "header" else {},
        json=body if method in {"post", "patch"} and body else None,
    )

    assert answer.status_code == 422, answer.text
    assert LONG not in answer.text
    assert runs.asked == []


def test_there_are_texts_of_every_place() -> None:
    assert {place for _, _, place, _ in _texts_of_the_document()} == {"query", "header", "body"}


def test_an_endless_address_is_414_and_endless_headers_are_431(api: TestClient) -> None:
    long_query = api.get("/api/sync/executions", params={"cursor": "a" * LONGEST_ADDRESS})
    long_path = api.get(f"/api/sync/{'a' * LONGEST_ADDRESS}")
    long_header = api.get("/api/sync/executions", headers={"If-None-Match": "a" * LARGEST_HEADERS})

    for answer, status in ((long_query, 414), (long_path, 414), (long_header, 431)):
        assert answer.status_code == status
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["status"] == status
