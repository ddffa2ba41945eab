"""Notion's filters against docs/vendors.md, Notion pages."""

from typing import Any

import httpx
import pytest

from steps.sandbox.records import Page, notion_time
from steps.sandbox.server import SandboxServer

EMAIL = "inigo.sola.1@example.org"
OTHER = "begona.vidal.2@example.org"


def email_is(email: str) -> dict[str, Any]:
    """The condition that a lookup is made of."""
    return {"property": "Email", "email": {"equals": email}}


def found(client: httpx.Client, query: str, given: Any) -> list[str | None]:
    """The addresses that a filter brings."""
    rows = client.post(query, json={"filter": given}).json()["results"]
    return [row["properties"]["Email"]["email"] for row in rows]


def refused(client: httpx.Client, query: str, given: Any) -> str:
    """The message of a filter that is refused."""
    answer = client.post(query, json={"filter": given})
    assert (answer.status_code, answer.json()["code"]) == (400, "validation_error")
    return str(answer.json()["message"])


def test_or_brings_what_fits_one_condition_and_and_what_fits_all(notion: httpx.Client, query: str) -> None:
    dropped = {"property": "Educational Status", "select": {"equals": "Dropped"}}

    assert set(found(notion, query, {"or": [email_is(EMAIL), email_is(OTHER)]})) == {EMAIL, OTHER}
    assert found(notion, query, {"and": [{"or": [email_is(EMAIL), email_is(OTHER)]}, dropped]}) == [EMAIL]
    assert set(found(notion, query, {"or": [email_is(OTHER), dropped]})) > {EMAIL, OTHER}


def test_equals_minds_letter_case(notion: httpx.Client, query: str) -> None:
    assert found(notion, query, email_is(EMAIL.upper())) == []


def test_a_hundred_conditions_are_allowed_and_one_more_is_not(notion: httpx.Client, query: str) -> None:
    conditions = [email_is(f"{number}@example.org") for number in range(99)] + [email_is(EMAIL)]

    assert found(notion, query, {"or": conditions}) == [EMAIL]
    assert "≤ 100, instead was 101" in refused(notion, query, {"or": [*conditions, email_is(OTHER)]})


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"property": "Shoe", "email": {"equals": "x"}}, "Could not find property with name or id: Shoe"),
        ({"property": "Email", "rich_text": {"equals": "x"}}, "does not match filter"),
        ({"property": "Email", "email": {"resembles": "x"}}, "body failed validation"),
        ({"or": [{"and": [{"or": [email_is("x")]}]}]}, "nested"),
        ({"or": "x"}, "should be an array"),
        ("x", "should be an object"),
        ({"property": "Drop Date", "date": {"on_or_after": "soon"}}, "ISO 8601"),
        ({"timestamp": "death", "death": {"after": "2024-01-01"}}, "not a timestamp"),
    ],
    ids=["unknown", "wrong type", "operator", "depth", "no list", "no object", "no date", "no timestamp"],
)
def test_what_is_wrong_with_a_filter_is_said(notion: httpx.Client, query: str, given: Any, said: str) -> None:
    assert said in refused(notion, query, given)


def test_a_property_is_found_by_its_id_too(notion: httpx.Client, query: str) -> None:
    assert found(notion, query, {"property": "aB%3Ac", "email": {"equals": EMAIL}}) == [EMAIL]


def test_dates_are_compared_by_day_and_moments_in_utc(sandbox: SandboxServer, notion: httpx.Client, query: str) -> None:
    day = "2024-05-01"
    expected = {
        page.email
        for page in sandbox.world.pages
        if page.drop_date and page.drop_date.start.isoformat() >= day and not page.in_trash
    }

    assert set(found(notion, query, {"property": "Drop Date", "date": {"on_or_after": day}})) == expected
    empty = found(notion, query, {"property": "Drop Date", "date": {"is_empty": True}})
    full = found(notion, query, {"property": "Drop Date", "date": {"is_not_empty": True}})
    assert len(empty) + len(full) == sum(not page.in_trash for page in sandbox.world.pages)


def test_an_increment_by_last_edited_time_overlaps_by_its_minute(
    sandbox: SandboxServer, notion: httpx.Client, query: str
) -> None:
    def edited(page: Page) -> str:
        return notion_time(page.last_edited_at)

    pages = sorted((page for page in sandbox.world.pages if not page.in_trash), key=edited)
    since = edited(pages[-5])
    given = {"timestamp": "last_edited_time", "last_edited_time": {"on_or_after": since}}

    rows = notion.post(query, json={"filter": given}).json()["results"]

    assert {row["id"] for row in rows} == {page.id for page in pages if edited(page) >= since}
