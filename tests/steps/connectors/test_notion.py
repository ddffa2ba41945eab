"""Notion's query: cursors, its limits, databases of several sources, the trash (docs/vendors.md, Notion pages)."""

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import SecretStr

from steps.errors import ConfigError, VendorAuthError, VendorError, VendorNotFoundError, VendorPayloadError
from steps.settings import NotionSettings
from steps.vendors.http import HttpRules
from steps.vendors.notion import NotionConnector
from tests.steps.calls import progress_of
from tests.steps.connectors.scripted_vendor import Reply, ScriptedVendor, Sent, example

DATABASE = "1b2c3d4e00004000800000000000d001"
QUERY = f"/v1/databases/{DATABASE}/query"


@pytest.fixture
def notion(vendor: ScriptedVendor, impatient: HttpRules) -> Iterator[NotionConnector]:
    settings = NotionSettings(
        token=SecretStr("notion-test-token"), database_id=DATABASE, base_url=vendor.url, rate=1000
    )
    with NotionConnector(settings, impatient) as connector:
        yield connector


def page(number: int, **fields: Any) -> dict[str, Any]:
    return {
        "object": "page",
        "id": f"1b2c3d4e-0000-4000-8000-{number:012x}",
        "created_time": f"2025-01-12T{number % 24:02}:00:00.000Z",
        "last_edited_time": "2025-03-02T18:25:00.000Z",
        "properties": {"Email": {"type": "email", "email": f"student{number}@example.org"}},
        **fields,
    }


def answer(*pages: dict[str, Any], cursor: str | None = None, **fields: Any) -> dict[str, Any]:
    return {"object": "list", "results": list(pages), "has_more": cursor is not None, "next_cursor": cursor, **fields}


def refused(message: str, **additional: Any) -> Reply:
    body = {"object": "error", "status": 400, "code": "validation_error", "message": message}
    return Reply({**body, "additional_data": additional} if additional else body, status=400)


def numbers(vendor_pages: list[Any]) -> list[int]:
    return [int(found.id[-12:], 16) for found in vendor_pages]


def test_the_first_request_has_no_cursor_and_the_next_have_the_vendors(
    vendor: ScriptedVendor, notion: NotionConnector
) -> None:
    """Pages may be short, even empty, while more follow."""
    vendor.answers(answer(page(1), cursor="c1"), answer(cursor="c2"), answer(page(2), page(3)))

    read = notion.student_pages()

    assert numbers(read.records) == [1, 2, 3]
    sorts = [{"timestamp": "created_time", "direction": "ascending"}]
    assert [sent.body for sent in vendor.sent] == [
        {"page_size": 100, "sorts": sorts},
        {"page_size": 100, "sorts": sorts, "start_cursor": "c1"},
        {"page_size": 100, "sorts": sorts, "start_cursor": "c2"},
    ]
    sent = vendor.sent[0]
    assert (sent.method, sent.path) == ("POST", QUERY)
    assert sent.headers["notion-version"] == "2022-06-28"
    assert sent.headers["authorization"] == "Bearer notion-test-token"


def test_an_empty_database_is_empty(vendor: ScriptedVendor, notion: NotionConnector) -> None:
    vendor.answers(answer())

    assert notion.student_pages().records == []


def test_a_cursor_that_repeats_is_an_error(vendor: ScriptedVendor, notion: NotionConnector) -> None:
    vendor.answers(answer(page(1), cursor="c1"))

    with pytest.raises(VendorPayloadError, match="cursor repeats"):
        notion.student_pages()


@pytest.mark.parametrize("fields", [{"next_cursor": None}, {"next_cursor": ""}, {"next_cursor": 5}], ids=str)
def test_more_without_a_cursor_is_an_error(
    vendor: ScriptedVendor, notion: NotionConnector, fields: dict[str, Any]
) -> None:
    vendor.answers({**answer(page(1)), "has_more": True, **fields})

    with pytest.raises(VendorPayloadError, match="not whole"):
        notion.student_pages()


def test_an_expired_cursor_restarts_the_scan_once(vendor: ScriptedVendor, notion: NotionConnector) -> None:
    expired = refused("The start_cursor provided is invalid: c1")
    vendor.answers(answer(page(1), cursor="c1"), expired, answer(page(1), cursor="c2"), answer(page(2)))

    assert numbers(notion.student_pages().records) == [1, 2]

    vendor.answers(answer(page(1), cursor="c1"), expired, answer(page(1), cursor="c1"), expired)
    with pytest.raises(VendorError, match="start_cursor provided is invalid"):
        notion.student_pages()


def test_a_query_cut_at_its_limit_goes_on_by_creation_time(vendor: ScriptedVendor, notion: NotionConnector) -> None:
    incomplete = {"type": "incomplete", "incomplete_reason": "query_result_limit_reached"}
    vendor.answers(answer(page(1), page(2), request_status=incomplete), answer(page(2), page(3)))

    assert numbers(notion.student_pages().records) == [1, 2, 3]
    assert vendor.sent[1].body["filter"] == {
        "timestamp": "created_time",
        "created_time": {"on_or_after": "2025-01-12T02:00:00.000Z"},
    }
    assert "start_cursor" not in vendor.sent[1].body


def test_a_query_that_stays_cut_at_one_minute_is_an_error(vendor: ScriptedVendor, notion: NotionConnector) -> None:
    vendor.answers(answer(page(1), page(2), request_status={"type": "incomplete"}))

    with pytest.raises(VendorPayloadError, match="more rows than one query gives"):
        notion.student_pages()


def test_a_database_of_several_sources_is_read_source_by_source(
    vendor: ScriptedVendor, notion: NotionConnector
) -> None:
    """It happens when somebody adds a source in the UI, with no change on our side."""
    several = refused(
        "no", error_type="multiple_data_sources_for_database", child_data_source_ids=["source-1", "source-2"]
    )

    def script(sent: Sent) -> Reply:
        if sent.path == QUERY:
            return several
        return Reply(answer(page(1) if "source-1" in sent.path else page(2)))

    vendor.script = script

    assert numbers(notion.student_pages().records) == [1, 2]
    assert [sent.path for sent in vendor.sent[1:]] == [f"/v1/data_sources/source-{n}/query" for n in (1, 2)]
    assert {sent.headers["notion-version"] for sent in vendor.sent[1:]} == {"2025-09-03"}


def test_any_other_bad_request_is_an_error(vendor: ScriptedVendor, notion: NotionConnector) -> None:
    vendor.answers(refused("body failed validation"))

    with pytest.raises(VendorError, match="body failed validation"):
        notion.student_pages()

    assert len(vendor.sent) == 1


def test_a_database_that_is_not_shared_is_said_as_such(vendor: ScriptedVendor, notion: NotionConnector) -> None:
    vendor.answers(Reply(example("notion_not_shared_404"), status=404))

    with pytest.raises(VendorNotFoundError, match=r"share the database with the integration.*NOTION_DATABASE_ID"):
        notion.student_pages()


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_token_names_the_variable(vendor: ScriptedVendor, notion: NotionConnector, status: int) -> None:
    vendor.answers(
        Reply({"object": "error", "code": "unauthorized", "message": "API token is invalid."}, status=status)
    )

    with pytest.raises(VendorAuthError, match=r"API token is invalid.*NOTION_TOKEN"):
        notion.student_pages()


@pytest.mark.parametrize(
    "fault",
    [
        Reply(example("notion_rate_limited_429"), status=429, headers={"Retry-After": "49"}),
        Reply({"code": "service_overload"}, status=529, headers={"Retry-After": "1"}),
        Reply(text="<html>Bad gateway</html>", status=502),
        Reply({"code": "conflict_error"}, status=409),
    ],
    ids=["429", "529", "502", "409"],
)
def test_a_query_only_reads_and_is_tried_again(vendor: ScriptedVendor, notion: NotionConnector, fault: Reply) -> None:
    vendor.answers(answer(page(1), cursor="c1"), fault, answer(page(2)))

    assert numbers(notion.student_pages().records) == [1, 2]


def test_pages_in_the_trash_and_other_objects_are_left_out(vendor: ScriptedVendor, notion: NotionConnector) -> None:
    vendor.answers(answer(page(1, in_trash=True), page(2, archived=True), page(3, object="data_source"), page(4)))

    assert numbers(notion.student_pages().records) == [4]


def test_a_page_edited_while_the_list_was_read_counts_as_it_is_now(
    vendor: ScriptedVendor, notion: NotionConnector
) -> None:
    edited = page(
        1, last_edited_time="2025-03-02T18:26:00.000Z", properties={"Email": {"type": "email", "email": None}}
    )
    vendor.answers(answer(page(1), cursor="c1"), answer(edited))

    read = notion.student_pages()

    assert [found.email for found in read.records] == [None]
    assert read.rejected == []


def test_a_renamed_email_property_is_an_error_and_not_a_database_without_emails(
    vendor: ScriptedVendor, notion: NotionConnector
) -> None:
    vendor.answers(answer(page(1, properties={"E-mail": {"type": "email", "email": "a@example.org"}})))

    with pytest.raises(VendorPayloadError, match=r"no page has the property 'Email'.*NOTION_EMAIL_PROPERTY"):
        notion.student_pages()


def test_another_property_that_no_page_has_is_said(
    vendor: ScriptedVendor, notion: NotionConnector, caplog: pytest.LogCaptureFixture
) -> None:
    vendor.answers(answer(page(1)))

    notion.student_pages()

    assert any("'Drop Date'" in each and "NOTION_DROP_DATE_PROPERTY" in each for each in progress_of(caplog))


@pytest.mark.parametrize("body", [[], {"object": "list"}, {"results": {}}, None])
def test_anything_but_a_list_object_is_an_error(vendor: ScriptedVendor, notion: NotionConnector, body: object) -> None:
    vendor.answers(body)

    with pytest.raises(VendorPayloadError, match="results"):
        notion.student_pages()


def test_a_missing_credential_names_its_variable() -> None:
    with pytest.raises(ConfigError, match="NOTION_TOKEN is not set"):
        NotionConnector(NotionSettings())
    with pytest.raises(ConfigError, match="NOTION_DATABASE_ID is not set"):
        NotionConnector(NotionSettings(token=SecretStr("notion-test-token")))
    with pytest.raises(ConfigError, match="NOTION_DATABASE_ID is no id"):
        NotionConnector(NotionSettings(token=SecretStr("notion-test-token"), database_id="https://notion.so/x"))
