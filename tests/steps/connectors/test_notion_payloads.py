"""Notion's pages, one trap of the sheet each."""

from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from steps.settings import NotionSettings
from steps.vendors.notion import StudentPage, parse_student_page
from tests.steps.connectors.scripted_vendor import example

MADRID = ZoneInfo("Europe/Madrid")


def parsed(properties: dict[str, Any], **fields: Any) -> StudentPage:
    row = {
        "id": "1B2C3D4E00004000800000000000A001",
        "last_edited_time": "2025-03-02T18:25:00.000Z",
        "properties": properties,
        **fields,
    }
    return parse_student_page(NotionSettings(), MADRID, row)


def test_the_example_page_is_read_whole() -> None:
    page = parse_student_page(NotionSettings(), MADRID, example("notion_query")["results"][0])

    assert page.id == "1b2c3d4e-0000-4000-8000-00000000a001"
    assert page.email == "lucia.ferrer@example.org"
    assert (page.educational_status, page.drop_date, page.certified_at) == ("Dropped", date(2025, 3, 1), None)
    assert page.last_edited_time == datetime(2025, 3, 2, 18, 25, tzinfo=UTC)


def test_an_id_gets_its_dashes_and_lower_case() -> None:
    assert parsed({}).id == "1b2c3d4e-0000-4000-8000-00000000a001"


@pytest.mark.parametrize(
    ("value", "email"),
    [
        ({"type": "email", "email": " Ana.GIL@Example.org "}, "ana.gil@example.org"),
        ({"type": "email", "email": None}, None),
        (
            {"type": "rich_text", "rich_text": [{"plain_text": "ana.gil"}, {"plain_text": "@example.org"}]},
            "ana.gil@example.org",
        ),
        ({"type": "rich_text", "rich_text": []}, None),
        ({"type": "title", "title": [{"plain_text": "ana@example.org"}]}, "ana@example.org"),
        ({"type": "email", "email": "two@example.org, addresses@example.org"}, None),
    ],
)
def test_an_email_may_be_of_three_types(value: dict[str, Any], email: str | None) -> None:
    assert parsed({"Email": value}).email == email


@pytest.mark.parametrize(
    ("value", "status"),
    [
        ({"type": "select", "select": {"name": "Not Completing"}}, "Not Completing"),
        ({"type": "status", "status": {"name": "In progress"}}, "In progress"),
        ({"type": "select", "select": None}, None),
        ({"type": "status", "status": None}, None),
    ],
)
def test_a_status_is_a_select_or_a_status_as_written(value: dict[str, Any], status: str | None) -> None:
    assert parsed({"Educational Status": value}).educational_status == status


@pytest.mark.parametrize(
    ("value", "day"),
    [
        ({"start": "2025-03-01", "end": None, "time_zone": None}, date(2025, 3, 1)),
        ({"start": "2025-03-01", "end": "2025-03-31"}, date(2025, 3, 1)),
        ({"start": "2025-03-01T00:30:00.000+01:00"}, date(2025, 3, 1)),
        ({"start": "2025-02-28T23:30:00.000Z"}, date(2025, 3, 1)),
        ({"start": "2025-02-28T23:30:00.000", "time_zone": "Europe/Madrid"}, date(2025, 2, 28)),
        (None, None),
        ({"start": None}, None),
    ],
)
def test_a_date_is_its_local_day_and_a_range_its_start(value: object, day: date | None) -> None:
    assert parsed({"Certificated At": {"type": "date", "date": value}}).certified_at == day


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Email", {"type": "formula", "formula": {"type": "string", "string": "a@example.org"}}),
        ("Email", {"type": "rich_text", "rich_text": "a@example.org"}),
        ("Email", {"type": "rich_text", "rich_text": ["a@example.org"]}),
        ("Email", "a@example.org"),
        ("Educational Status", {"type": "multi_select", "multi_select": []}),
        ("Educational Status", {"type": "select", "select": "Dropped"}),
        ("Drop Date", {"type": "rich_text", "rich_text": []}),
        ("Drop Date", {"type": "date", "date": {"start": "1.3.2025"}}),
        ("Drop Date", {"type": "date", "date": {"start": 20250301}}),
        ("Certificated At", {"type": "date", "date": {"start": "0203-03-01"}}),
    ],
)
def test_a_property_that_cannot_hold_it_is_refused(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=r"Email|Status|Date|Certificated|select|object"):
        parsed({name: value})


@pytest.mark.parametrize(
    "fields", [{"id": "not-a-uuid"}, {"id": None}, {"last_edited_time": None}, {"last_edited_time": "now"}], ids=str
)
def test_a_page_without_id_or_time_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"id|last_edited_time"):
        parsed({}, **fields)
