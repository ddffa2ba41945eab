"""Notion's API against docs/vendors.md, Notion: versions, errors, cursors, pages."""

from typing import Any

import httpx
import pytest

from steps.sandbox.notion import DATABASE_ID, OTHER_SOURCE_ID, SOURCE_ID
from steps.sandbox.records import notion_time
from steps.sandbox.server import SandboxServer
from steps.sandbox.world import build_world

NEW = {"Notion-Version": "2025-09-03"}
BY_CREATION = {"sorts": [{"timestamp": "created_time", "direction": "ascending"}]}


def scan(client: httpx.Client, path: str, **body: Any) -> list[dict[str, Any]]:
    """Every row, page after page."""
    rows: list[dict[str, Any]] = []
    while True:
        answer = client.post(path, json=body).json()
        rows += answer["results"]
        if not answer["has_more"]:
            return rows
        body["start_cursor"] = answer["next_cursor"]


def refusal(answer: httpx.Response) -> tuple[int, str]:
    """Status and code of an error, whose shape is checked on the way."""
    body = answer.json()
    assert set(body) - {"additional_data"} == {"object", "status", "code", "message", "request_id"}
    assert body["status"] == answer.status_code
    assert answer.headers["x-notion-request-id"] == body["request_id"]
    return answer.status_code, body["code"]


def test_a_query_leads_through_all_pages_but_trashed_ones(
    sandbox: SandboxServer, notion: httpx.Client, query: str
) -> None:
    sandbox.world = build_world(clients=300)
    rows = scan(notion, query, **BY_CREATION)

    assert {row["id"] for row in rows} == {page.id for page in sandbox.world.pages if not page.in_trash}
    assert len(rows) == len({row["id"] for row in rows}) > 200
    assert [row["created_time"] for row in rows] == sorted(row["created_time"] for row in rows)


def test_a_page_may_be_short_though_there_is_more(sandbox: SandboxServer, notion: httpx.Client, query: str) -> None:
    sandbox.modes.notion_page_rows = 7

    first = notion.post(query, json={"page_size": 100}).json()

    assert (len(first["results"]), first["has_more"], first["next_cursor"] is not None) == (7, True, True)
    assert len(scan(notion, query)) == sum(not page.in_trash for page in sandbox.world.pages)


@pytest.mark.parametrize(
    "body",
    [
        {"page_size": 101},
        {"start_cursor": "not-a-cursor"},
        {"start_cursor": None},
        {"shoe_size": 1},
        {"sorts": [{"property": "Shoe", "direction": "ascending"}]},
        {"filter": {"property": "Shoe", "email": {"equals": "x"}}},
        {"filter": {"timestamp": "created_time", "created_time": {"on_or_after": "soon"}}},
        [],
    ],
    ids=str,
)
def test_bad_bodies_are_validation_errors(notion: httpx.Client, query: str, body: Any) -> None:
    assert refusal(notion.post(query, json=body)) == (400, "validation_error")


def test_more_than_100_rows_are_refused_in_the_words_of_the_sheet(notion: httpx.Client, query: str) -> None:
    message = notion.post(query, json={"page_size": 101}).json()["message"]

    assert message == "body failed validation: body.page_size should be ≤ 100, instead was 101."


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"Authorization": "Bearer wrong"}, (401, "unauthorized")),
        ({"Notion-Version": "2020-01-01"}, (400, "validation_error")),
        (NEW, (400, "invalid_request_url")),
    ],
)
def test_wrong_headers_are_refused(
    notion: httpx.Client, query: str, headers: dict[str, str], expected: tuple[int, str]
) -> None:
    assert refusal(notion.post(query, json={}, headers=headers)) == expected


def test_a_missing_version_and_a_missing_capability_are_refused(
    sandbox: SandboxServer, notion: httpx.Client, query: str
) -> None:
    version = notion.headers.pop("Notion-Version")
    assert refusal(notion.post(query, json={})) == (400, "missing_version")
    notion.headers["Notion-Version"] = version
    sandbox.modes.notion_forbidden = True
    assert refusal(notion.post(query, json={})) == (403, "restricted_resource")


def test_a_body_that_is_no_json_is_refused(notion: httpx.Client, query: str) -> None:
    assert refusal(notion.post(query, content=b"{nope")) == (400, "invalid_json")


def test_a_database_that_is_not_shared_is_404_and_nonsense_400(notion: httpx.Client) -> None:
    unknown = DATABASE_ID.replace("d001", "d999")

    answer = notion.post(f"/databases/{unknown}/query", json={})

    assert refusal(answer) == (404, "object_not_found")
    assert answer.json()["message"].startswith(f"Could not find database with ID: {unknown}. Make sure")
    assert refusal(notion.post("/databases/students/query", json={})) == (400, "validation_error")
    assert refusal(notion.get("/nothing")) == (400, "invalid_request_url")


def test_several_data_sources_need_the_new_version(sandbox: SandboxServer, notion: httpx.Client, query: str) -> None:
    sandbox.modes.notion_several_sources = True

    old = notion.post(query, json={})
    new = notion.post(f"/data_sources/{SOURCE_ID}/query", json={}, headers=NEW).json()

    assert refusal(old) == (400, "validation_error")
    assert old.json()["additional_data"] == {
        "error_type": "multiple_data_sources_for_database",
        "database_id": DATABASE_ID,
        "child_data_source_ids": [SOURCE_ID, OTHER_SOURCE_ID],
        "minimum_api_version": "2025-09-03",
    }
    assert new["type"] == "page_or_data_source"
    assert new["results"][0]["parent"]["data_source_id"] == SOURCE_ID
    assert notion.post(f"/data_sources/{OTHER_SOURCE_ID}/query", json={}, headers=NEW).json()["results"] == []


def test_a_query_ends_incomplete_at_the_row_limit(sandbox: SandboxServer, notion: httpx.Client, query: str) -> None:
    sandbox.modes.notion_query_limit = 30

    first = notion.post(query, json={"page_size": 20}).json()
    last = notion.post(query, json={"page_size": 20, "start_cursor": first["next_cursor"]}).json()

    assert (len(last["results"]), last["has_more"], last["next_cursor"]) == (10, False, None)
    assert last["request_status"] == {"type": "incomplete", "incomplete_reason": "query_result_limit_reached"}


def test_times_are_rounded_down_to_the_minute(notion: httpx.Client, query: str, sandbox: SandboxServer) -> None:
    shown = {row["id"]: row["last_edited_time"] for row in scan(notion, query)}

    assert all(time.endswith(":00.000Z") for time in shown.values())
    assert all(shown[p.id] == notion_time(p.last_edited_at) for p in sandbox.world.pages if not p.in_trash)


def test_properties_may_be_renamed_and_retyped(sandbox: SandboxServer, notion: httpx.Client, query: str) -> None:
    sandbox.modes.notion_property_names["Educational Status"] = "Estado"
    sandbox.modes.notion_email_type = "rich_text"

    row = notion.post(query, json={"page_size": 1}).json()["results"][0]["properties"]

    assert "Educational Status" not in row
    assert row["Estado"]["id"] == "q%7Dx1"
    assert row["Email"]["type"] == "rich_text"


def test_pages_are_awkward_where_people_are(notion: httpx.Client, query: str) -> None:
    rows = [row["properties"] for row in scan(notion, query)]
    emails = [row["Email"]["email"] for row in rows]
    starts = [row["Drop Date"]["date"]["start"] for row in rows if row["Drop Date"]["date"]]
    ranges = [row["Certificated At"]["date"]["end"] for row in rows if row["Certificated At"]["date"]]

    assert None in emails
    assert len(emails) > len(set(emails))
    assert any(email and email.isupper() for email in emails)
    assert any(email and email.startswith(" ") for email in emails)
    assert {len(start) for start in starts} == {len("2025-03-01"), len("2025-03-01T10:00:00.000+01:00")}
    assert any(ranges)
    assert any(row["Educational Status"]["select"] is None for row in rows)


def test_a_query_by_creation_overlaps_by_its_minute(sandbox: SandboxServer, notion: httpx.Client, query: str) -> None:
    made = {page.id: notion_time(page.created_at) for page in sandbox.world.pages if not page.in_trash}
    since = sorted(made.values())[-5]

    rows = scan(notion, query, filter={"timestamp": "created_time", "created_time": {"on_or_after": since}})

    assert {row["id"] for row in rows} == {page_id for page_id, at in made.items() if at >= since}
