"""Integration errors over the API: list, export, decide."""

import csv
from io import StringIO
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.flows.api.rows import MINUTE, NOON, add_errors
from tracking.integration_errors import recent_decisions

PATH = "/api/integrations/errors"
SHAPE = {
    "id",
    "integration_name",
    "operation",
    "entity_type",
    "entity_external_id",
    "error_message",
    "error_details",
    "status",
    "sync_execution_id",
    "occurrences",
    "first_seen_at",
    "last_seen_at",
    "created_at",
    "updated_at",
}


def _statuses(api: TestClient) -> dict[int, str]:
    return {each["id"]: each["status"] for each in api.get(PATH).json()["errors"]}


def test_an_error_has_its_columns_by_name(api: TestClient) -> None:
    add_errors(1, error_details={"id": "inv-0", "contactName": "Ana"})

    (error,) = api.get(PATH).json()["errors"]

    assert set(error) == SHAPE
    assert error["error_details"] == {"id": "inv-0", "contactName": "Ana"}


def test_an_error_says_how_often_and_when_it_was_met(api: TestClient) -> None:
    add_errors(1, occurrences=3, first_seen_at=NOON, last_seen_at=NOON + MINUTE)

    (error,) = api.get(PATH).json()["errors"]

    assert (error["occurrences"], error["first_seen_at"], error["last_seen_at"]) == (
        3,
        "2024-03-01T12:00:00Z",
        "2024-03-01T12:01:00Z",
    )


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ({}, [4, 3, 2, 1]),
        ({"integration_name": "notion"}, [3]),
        ({"operation": "notion-external-id"}, [3]),
        ({"entity_type": "contact"}, [4]),
        ({"status": "ignored"}, [4]),
        ({"status": "pending", "limit": 2}, [3, 2]),
    ],
)
def test_every_filter_keeps_what_fits(api: TestClient, query: dict[str, Any], ids: list[int]) -> None:
    add_errors(2)
    add_errors(1, integration_name="notion", operation="notion-external-id", entity_type="page")
    add_errors(1, entity_type="contact", status="ignored")

    assert [each["id"] for each in api.get(PATH, params=query).json()["errors"]] == ids


def test_pages_lead_through_everything_once(api: TestClient) -> None:
    add_errors(5)

    first = api.get(PATH, params={"limit": 3})
    second = api.get(first.links["next"]["url"])

    assert [each["id"] for each in first.json()["errors"]] == [5, 4, 3]
    assert [each["id"] for each in second.json()["errors"]] == [2, 1]
    assert second.json()["next_cursor"] is None


@pytest.mark.parametrize("status", ["resolved", "ignored"])
def test_one_error_gets_the_status_that_a_person_decided_on(api: TestClient, status: str) -> None:
    add_errors(2)

    answer = api.patch(f"{PATH}/1", json={"status": status})

    assert (answer.status_code, answer.json()["id"], answer.json()["status"]) == (200, 1, status)
    assert _statuses(api) == {1: status, 2: "pending"}


def test_who_decided_and_why_is_kept(api: TestClient) -> None:
    add_errors(1)

    api.patch(f"{PATH}/1", json={"status": "ignored", "by": "Ana", "reason": "a test of theirs"})

    (kept,) = recent_decisions()
    assert (kept.error_id, kept.made_by, kept.reason) == (1, "Ana", "a test of theirs")


def test_many_at_once_and_those_that_are_not_there_are_named(api: TestClient) -> None:
    add_errors(3)

    answer = api.patch(f"{PATH}/bulk-update", json={"ids": [3, 1, 9, 3], "status": "ignored"})

    assert answer.json() == {"status": "ignored", "updated": [3, 1], "unknown": [9]}
    assert _statuses(api) == {1: "ignored", 2: "pending", 3: "ignored"}


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("1", {"status": "pending"}, 422),
        ("1", {"status": "gone"}, 422),
        ("1", {}, 422),
        ("1", {"status": "resolved", "error_message": "x"}, 422),
        ("7", {"status": "resolved"}, 404),
        ("bulk-update", {"ids": [], "status": "resolved"}, 422),
        ("bulk-update", {"ids": ["1"], "status": "resolved"}, 422),
        ("bulk-update", {"ids": [2**31], "status": "resolved"}, 422),
        ("bulk-update", {"ids": list(range(1, 1002)), "status": "resolved"}, 422),
    ],
)
def test_what_makes_no_sense_changes_nothing(api: TestClient, path: str, body: object, status: int) -> None:
    add_errors(1)

    answer = api.patch(f"{PATH}/{path}", json=body)

    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert _statuses(api) == {1: "pending"}


def test_the_spreadsheet_has_what_fits_and_no_formula(api: TestClient) -> None:
    add_errors(1, error_message="=HYPERLINK(1)")
    add_errors(1, status="resolved")

    answer = api.get(f"{PATH}/export/csv", params={"status": "pending"})

    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="integration-errors.csv"'
    (row,) = csv.DictReader(StringIO(answer.text))
    assert (row["id"], row["error_message"]) == ("1", "'=HYPERLINK(1)")
