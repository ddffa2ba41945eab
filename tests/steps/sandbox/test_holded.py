"""Holded's API against docs/vendors.md, Holded."""

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import httpx
import pytest

from steps.sandbox.records import MADRID, midnight
from steps.sandbox.server import SandboxServer
from steps.sandbox.world import build_world

EVER = {"starttmp": "0", "endtmp": "4102444800"}


@pytest.mark.parametrize(("key", "status"), [("wrong", 401), ("pat_v2", 400)])
def test_a_bad_key_is_refused(holded: httpx.Client, key: str, status: int) -> None:
    answer = holded.get("/contacts", headers={"key": key})

    assert (answer.status_code, answer.json()) == (status, {"status": 0, "info": "Invalid key"})


@pytest.mark.parametrize("path", ["/nothing", "/documents", "/documents/invoice/a/b", "/"])
def test_an_unknown_path_is_the_web_application_with_status_200(holded: httpx.Client, path: str) -> None:
    answer = holded.get(path)

    assert answer.status_code == 200
    assert answer.text.startswith("<!doctype html>")


def test_an_unknown_kind_of_document_is_400(holded: httpx.Client) -> None:
    assert holded.get("/documents/proforma").status_code == 400


def test_documents_come_500_at_a_time_even_if_more_are_asked_for(sandbox: SandboxServer, holded: httpx.Client) -> None:
    sandbox.world = build_world(clients=700)
    count = len(sandbox.world.invoices)

    pages = [holded.get("/documents/invoice", params={"limit": 9999, "page": page}).json() for page in (1, 2, 3, 9)]

    assert [len(page) for page in pages] == [500, min(500, count - 500), max(count - 1000, 0), 0]
    assert len({row["id"] for page in pages for row in page}) == count


def test_created_asc_is_the_order_of_creation(holded: httpx.Client, sandbox: SandboxServer) -> None:
    rows = holded.get("/documents/invoice", params={**EVER, "sort": "created-asc"}).json()
    reverse = holded.get("/documents/invoice", params={**EVER, "sort": "created-desc"}).json()

    assert [row["id"] for row in rows] == [invoice.id for invoice in sandbox.world.invoices]
    assert rows == reverse[::-1]
    assert [row["date"] for row in rows] != sorted(row["date"] for row in rows)


@pytest.mark.parametrize("alone", ["starttmp", "endtmp"])
def test_one_end_of_the_range_alone_is_silently_nothing(holded: httpx.Client, alone: str) -> None:
    assert holded.get("/documents/invoice", params={alone: EVER[alone]}).json() == []


def test_the_range_is_compared_with_the_dates_both_ends_included(sandbox: SandboxServer, holded: httpx.Client) -> None:
    first, last = midnight(date(2024, 3, 1)), midnight(date(2024, 3, 31))
    rows = holded.get("/documents/invoice", params={"starttmp": first, "endtmp": last}).json()

    expected = {d.id for d in sandbox.world.invoices if date(2024, 3, 1) <= d.date <= date(2024, 3, 31)}
    assert {row["id"] for row in rows} == expected


def test_a_date_is_midnight_in_madrid(holded: httpx.Client) -> None:
    """1735686000 is 2025-01-01 there, and the day before in UTC (docs/vendors.md, Holded time)."""
    assert midnight(date(2025, 1, 1)) == 1735686000
    rows = holded.get("/documents/invoice").json()
    assert {datetime.fromtimestamp(row["date"], MADRID).hour for row in rows} == {0}
    assert {datetime.fromtimestamp(row["date"], UTC).hour for row in rows} == {22, 23}


def test_unknown_parameters_are_ignored(sandbox: SandboxServer, holded: httpx.Client) -> None:
    assert len(holded.get("/documents/invoice", params={"per_page": 3, "email": "x"}).json()) == len(
        sandbox.world.invoices
    )


def test_awkward_documents_are_served_as_the_sheet_says(holded: httpx.Client) -> None:
    invoices = holded.get("/documents/invoice").json()
    notes = holded.get("/documents/creditnote").json()
    lines = [line for row in invoices for line in row["products"]]

    assert any("docNumber" not in row for row in invoices)
    assert any(row.get("docNumber") == "" for row in invoices)
    assert sum(row.get("docNumber") == "F-DUPLICADA" for row in invoices) == 2
    assert any(isinstance(row["total"], str) for row in invoices)
    assert any(line["units"] == -1 for line in lines)
    assert any("account" not in line for line in lines)
    assert any(line.get("account") == "" for line in lines)
    assert any(note["total"] < 0 for note in notes)
    assert any("from" not in note for note in notes)


def test_an_archived_account_is_only_found_by_id_and_an_orphan_not_at_all(
    sandbox: SandboxServer, holded: httpx.Client
) -> None:
    listed = {row["id"]: row for row in holded.get("/saleschannels").json()}
    used = {
        line["account"]
        for row in holded.get("/documents/invoice").json()
        for line in row["products"]
        if line.get("account")
    }
    archived = next(account.id for account in sandbox.world.accounts if account.archived)

    answers = {account: holded.get(f"/saleschannels/{account}") for account in used - set(listed)}

    assert answers[archived].json()["archived"] == 1
    assert sorted(answer.status_code for answer in answers.values()) == [200, 404]
    assert all(isinstance(row["accountNum"], int | None) for row in listed.values() if "accountNum" in row)


@pytest.mark.parametrize(("size", "rows"), [(500, [60, 0, 0]), (50, [50, 10, 0]), ("page ignored", [60, 60, 60])])
def test_contacts_page_as_the_mode_says(
    sandbox: SandboxServer, holded: httpx.Client, size: Any, rows: list[int]
) -> None:
    contacts = sandbox.world.contacts
    sandbox.world.contacts[:] = [replace(contact, listed=True, found_by_id=True) for contact in contacts]
    sandbox.modes.holded_page_size = size

    assert [len(holded.get("/contacts", params={"page": page}).json()) for page in (1, 2, 3)] == rows


def test_a_deleted_contact_is_found_by_id_labelled_as_html(sandbox: SandboxServer, holded: httpx.Client) -> None:
    deleted = next(contact for contact in sandbox.world.contacts if not contact.listed and contact.found_by_id)

    answer = holded.get(f"/contacts/{deleted.id}")

    assert answer.headers["content-type"].startswith("text/html")
    assert answer.json()["name"] == deleted.name
    assert deleted.id not in {row["id"] for row in holded.get("/contacts").json()}


@pytest.mark.parametrize("status", [404, 400])
def test_an_unknown_contact_is_not_found(sandbox: SandboxServer, holded: httpx.Client, status: int) -> None:
    sandbox.modes.holded_unknown_status = status
    gone = next(contact for contact in sandbox.world.contacts if not contact.found_by_id)

    answer = holded.get(f"/contacts/{gone.id}")

    assert (answer.status_code, answer.json()) == (status, {"status": 0, "info": "Contact not found"})


def test_emails_are_as_people_type_them(holded: httpx.Client) -> None:
    emails = [row["email"] for row in holded.get("/contacts").json()]
    typed = [email for email in emails if email]

    assert {"", None} <= set(emails)
    assert any(email.isupper() for email in typed)
    assert any(email != email.strip() for email in typed)
    assert len({email.strip().lower() for email in typed}) == len(typed) - 1
