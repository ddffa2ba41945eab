"""Holded's lists: paging, loop guards, soft failures, single records (docs/vendors.md, Holded pages)."""

import json
from collections.abc import Iterator
from datetime import date
from functools import partial
from typing import Any
from weakref import ref
from zoneinfo import ZoneInfo

import pytest
from pydantic import SecretStr

from steps.errors import (
    ConfigError,
    RecordRejectedError,
    VendorAuthError,
    VendorError,
    VendorPayloadError,
    VendorRejectedError,
)
from steps.ledger.contract import DocumentKind
from steps.ledger.months import MonthWindow
from steps.settings import HoldedSettings
from steps.vendors.holded import HoldedConnector, parse_document
from steps.vendors.http import HttpRules
from steps.vendors.parsing import Rows
from tests.steps.connectors.scripted_vendor import Reply, ScriptedVendor, Sent

QUARTER = MonthWindow(date(2025, 1, 1), date(2025, 4, 1))
MADRID = ZoneInfo("Europe/Madrid")
MADRID_15_JANUARY = 1736895600


@pytest.fixture
def holded(vendor: ScriptedVendor, impatient: HttpRules) -> Iterator[HoldedConnector]:
    settings = HoldedSettings(api_key=SecretStr("holded-test-key"), base_url=vendor.url, rate=1000)
    with HoldedConnector(settings, rules=impatient) as connector:
        yield connector


def documents(first: int, count: int) -> list[dict[str, object]]:
    return [{"id": f"{number:024x}", "date": MADRID_15_JANUARY, "total": 1} for number in range(first, first + count)]


def test_the_key_travels_in_its_own_header(vendor: ScriptedVendor, holded: HoldedConnector) -> None:
    vendor.answers([])

    holded.contacts()

    assert vendor.sent[0].headers["key"] == "holded-test-key"
    assert vendor.sent[0].headers["accept"] == "application/json"
    assert "authorization" not in vendor.sent[0].headers


def test_a_range_is_asked_with_both_local_ends(vendor: ScriptedVendor, holded: HoldedConnector) -> None:
    """With one end alone the answer is a silent empty list; in UTC the year's first day would be missed."""
    vendor.answers([])

    holded.documents(DocumentKind.INVOICE, QUARTER)

    assert vendor.sent[0].path == "/v1/documents/invoice"
    assert vendor.sent[0].query == {
        "starttmp": "1735686000",
        "endtmp": "1743458399",
        "sort": "created-asc",
        "limit": "500",
        "page": "1",
    }


@pytest.mark.parametrize(("rows", "requests"), [(0, 1), (499, 2), (500, 2), (501, 3), (1000, 3)])
def test_documents_are_read_with_as_few_requests_as_prove_the_end(
    vendor: ScriptedVendor, holded: HoldedConnector, rows: int, requests: int
) -> None:
    every = documents(0, rows)
    vendor.script = lambda sent: Reply(every[(sent.page - 1) * 500 : sent.page * 500])

    read = holded.documents(DocumentKind.CREDIT_NOTE, QUARTER)

    assert len(read.records) == rows
    assert [sent.page for sent in vendor.sent] == list(range(1, requests + 1))
    assert vendor.sent[0].path == "/v1/documents/creditnote"


def test_a_full_document_page_that_repeats_is_an_error(vendor: ScriptedVendor, holded: HoldedConnector) -> None:
    vendor.answers(documents(0, 500))

    with pytest.raises(VendorPayloadError, match="page repeats"):
        holded.documents(DocumentKind.INVOICE, QUARTER)

    assert len(vendor.sent) == 2


def test_documents_of_other_days_than_asked_for_are_left_out(vendor: ScriptedVendor, holded: HoldedConnector) -> None:
    vendor.answers([*documents(0, 1), {"id": "other", "date": 1704106800, "total": 1}])

    assert len(holded.documents(DocumentKind.INVOICE, QUARTER).records) == 1


@pytest.mark.parametrize("page_size", [50, 100, 500])
def test_contacts_are_read_whatever_the_page_size(
    vendor: ScriptedVendor, holded: HoldedConnector, page_size: int
) -> None:
    every = [{"id": f"{number:024x}", "name": f"Contact {number}"} for number in range(120)]
    vendor.script = lambda sent: Reply(every[(sent.page - 1) * page_size : sent.page * page_size])

    assert len(holded.contacts().records) == 120


def test_contacts_end_when_the_vendor_ignores_the_page(vendor: ScriptedVendor, holded: HoldedConnector) -> None:
    vendor.answers([{"id": "a"}, {"id": "b"}])

    assert [contact.id for contact in holded.contacts().records] == ["a", "b"]
    assert len(vendor.sent) == 2


def test_an_id_used_twice_is_told_and_the_first_is_kept(vendor: ScriptedVendor, holded: HoldedConnector) -> None:
    vendor.answers([{"id": "a", "name": "One"}, {"id": "a", "name": "One"}, {"id": "a", "name": "Two"}], [])

    read = holded.contacts()

    assert [contact.name for contact in read.records] == ["One"]
    assert [error.external_id for error in read.rejected] == ["a"]
    assert read.rejected[0].record == {"kept": {"id": "a", "name": "One"}, "dropped": {"id": "a", "name": "Two"}}


def test_copies_that_differ_in_what_is_not_read_are_one(vendor: ScriptedVendor, holded: HoldedConnector) -> None:
    ana = {"id": "a", "name": "Ana", "email": "ana@example.org"}
    vendor.answers([ana | {"phone": "1"}, ana | {"phone": "2"}, ana | {"name": "Eva"}], [])

    read = holded.contacts()

    assert [contact.name for contact in read.records] == ["Ana"]
    assert [(error.record["kept"]["name"], error.record["dropped"]["name"]) for error in read.rejected] == [
        ("Ana", "Eva")
    ]


class _Row(dict[str, Any]):
    """One that tells whether it is still held."""


def test_no_row_is_held_after_its_page() -> None:
    row = _Row(id="a", date=MADRID_15_JANUARY, total=121, tax=21, products=[{"name": "Course"}])
    held, rows = ref(row), Rows("invoice", partial(parse_document, DocumentKind.INVOICE, MADRID))

    rows.add([row])
    del row

    assert held() is None
    assert [json.loads(document.raw)["products"] for document in rows.listing().records] == [[{"name": "Course"}]]


@pytest.mark.parametrize("answer", [{"status": 0, "info": "Something went wrong"}, None, "text", 5])
def test_anything_but_a_list_is_an_error(vendor: ScriptedVendor, holded: HoldedConnector, answer: object) -> None:
    vendor.answers(answer)

    with pytest.raises(VendorPayloadError, match="a list was expected"):
        holded.income_accounts()


@pytest.mark.parametrize("status", [200, 400, 401])
def test_an_invalid_key_names_the_variable(vendor: ScriptedVendor, holded: HoldedConnector, status: int) -> None:
    vendor.answers(Reply({"status": 0, "info": "Invalid key"}, status=status))

    for read in (holded.contacts, lambda: holded.contact("65b1d2e3f4a5b6c7d8e90001")):
        with pytest.raises(VendorAuthError, match="HOLDED_API_KEY"):
            read()


def test_an_unpaid_subscription_is_said_as_such(vendor: ScriptedVendor, holded: HoldedConnector) -> None:
    vendor.answers(Reply({"status": 0, "info": "Account has been blocked. Reason: Unpaid"}, status=402))

    with pytest.raises(VendorRejectedError, match=r"Unpaid.*subscription"):
        holded.contacts()


@pytest.mark.parametrize("status", [400, 404])
def test_an_unknown_single_record_is_none(vendor: ScriptedVendor, holded: HoldedConnector, status: int) -> None:
    vendor.answers(Reply({"status": 0, "info": "Contact not found"}, status=status))

    assert holded.contact("65b1d2e3f4a5b6c7d8e90009") is None
    assert holded.income_account("65a0c1f2e4b0a1d2c3f40009") is None


def test_a_single_record_with_a_strange_id_stays_inside_its_path(
    vendor: ScriptedVendor, holded: HoldedConnector
) -> None:
    vendor.answers(Reply({}, status=404))

    holded.contact("../documents?x=1")

    assert holded.contact(" ") is None
    assert [sent.path for sent in vendor.sent] == ["/v1/contacts/..%2Fdocuments%3Fx%3D1"]


def test_another_record_than_asked_for_is_an_error(vendor: ScriptedVendor, holded: HoldedConnector) -> None:
    vendor.answers({"id": "b", "name": "Somebody else"})

    with pytest.raises(RecordRejectedError, match="another record") as caught:
        holded.contact("a")
    assert caught.value.record == {"id": "b", "name": "Somebody else"}


def test_a_deleted_income_account_still_answers_by_id(vendor: ScriptedVendor, holded: HoldedConnector) -> None:
    vendor.answers(Reply({"id": "a", "name": "Old", "archived": 1}, headers={"Content-Type": "text/html"}))

    account = holded.income_account("a")

    assert account is not None
    assert account.archived


def test_a_missing_key_names_the_variable() -> None:
    with pytest.raises(ConfigError, match="HOLDED_API_KEY is not set"):
        HoldedConnector(HoldedSettings())


@pytest.mark.parametrize("key", ["two\nlines", "“quoted”", "tab\tbed"])
def test_a_key_that_no_header_carries_is_not_shown(key: str) -> None:
    with pytest.raises(ConfigError, match="HOLDED_API_KEY") as caught:
        HoldedConnector(HoldedSettings(api_key=SecretStr(key)))

    assert key not in str(caught.value)


@pytest.mark.parametrize("url", ["api.holded.com", "ftp://api.holded.com", "https://", "http://a b"])
def test_an_address_that_is_none_names_the_variable(url: str) -> None:
    with pytest.raises(ConfigError, match="HOLDED_BASE_URL"):
        HoldedConnector(HoldedSettings(api_key=SecretStr("holded-test-key"), base_url=url))


def test_a_page_that_fails_for_good_fails_the_list(vendor: ScriptedVendor, holded: HoldedConnector) -> None:
    """Half a list must never pass for a whole one."""

    def script(sent: Sent) -> Reply:
        return Reply(documents(0, 500)) if sent.page == 1 else Reply(text="<html>bad gateway</html>", status=502)

    vendor.script = script

    with pytest.raises(VendorError, match="502"):
        holded.documents(DocumentKind.INVOICE, QUARTER)
