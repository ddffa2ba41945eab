"""Every example answer of the vendor sheets is read as the sheets say, through the connectors and over HTTP."""

from typing import Any
from uuid import uuid4

import pytest
from pydantic import SecretStr

from steps.ledger.contract import DocumentKind
from steps.settings import FourgeeksSettings, HoldedSettings, NotionSettings, SyncSettings
from steps.vendors.fourgeeks import FourgeeksConnector, parse_student
from steps.vendors.holded import HoldedConnector, parse_document
from steps.vendors.http import HttpRules
from steps.vendors.notion import NotionConnector
from steps.vendors.parsing import Answer, Listing
from tests.steps.connectors.scripted_vendor import EXAMPLES, Reply, ScriptedVendor, Sent, example
from tests.steps.connectors.test_holded import QUARTER

READ_BY_NOBODY = {
    "holded_services", "fourgeeks_student_wrapper", "fourgeeks_cohorts", "fourgeeks_cohort", "notion_query_request",
    "notion_database", "notion_database_new_version", "notion_me",
}  # fmt: skip
"""Endpoints the floors leave out; here they only have to be JSON."""


def ids(listing: Listing[Any]) -> list[str]:
    assert listing.rejected == []
    return [record.id for record in listing.records]


def test_the_holded_examples(vendor: ScriptedVendor, impatient: HttpRules) -> None:
    answers = {
        "/v1/saleschannels": "holded_saleschannels",
        "/v1/contacts": "holded_contacts",
        "/v1/contacts/65b1d2e3f4a5b6c7d8e90001": "holded_contact",
        "/v1/documents/invoice": "holded_invoices",
        "/v1/documents/creditnote": "holded_creditnotes",
    }

    def script(sent: Sent) -> Reply:
        if sent.path not in answers:
            return Reply(example("holded_unknown_contact_404"), status=404)
        return Reply([] if sent.query.get("page", "1") != "1" else example(answers[sent.path]))

    vendor.script = script
    settings = HoldedSettings(api_key=SecretStr("holded-test-key"), base_url=vendor.url, rate=1000)

    with HoldedConnector(settings, rules=impatient) as holded:
        accounts, contacts = holded.income_accounts(), holded.contacts()
        contact, nobody = holded.contact("65b1d2e3f4a5b6c7d8e90001"), holded.contact("65b1d2e3f4a5b6c7d8e90009")
        invoices = holded.documents(DocumentKind.INVOICE, QUARTER)
        notes = holded.documents(DocumentKind.CREDIT_NOTE, QUARTER)

    assert [account.account_number for account in accounts.records] == ["70500001", "70500002", None]
    assert len(ids(contacts)) == 2
    assert contact is not None
    assert contact.email == "lucia.ferrer@example.org"
    assert nobody is None
    assert [str(document.net_amount) for document in invoices.records] == ["5850.00", "100.00"]
    assert [(str(note.total_amount), note.source_invoice_id) for note in notes.records] == [
        ("-1000.00", "65c2e3f4a5b6c7d8e9f00001")
    ]


def test_the_detail_of_a_document_reads_like_its_row_in_the_list() -> None:
    zone = SyncSettings().zone

    detail = parse_document(DocumentKind.INVOICE, zone, example("holded_invoice"))

    row = parse_document(DocumentKind.INVOICE, zone, example("holded_invoices")[1])
    assert (detail.id, detail.day, detail.total_amount) == (row.id, row.day, row.total_amount)


def test_the_fourgeeks_examples(vendor: ScriptedVendor, impatient: HttpRules) -> None:
    answers = {
        "/v1/auth/academy/student": "fourgeeks_students",
        "/v1/admissions/academy/cohort/user": "fourgeeks_enrollments",
    }
    login = {**example("fourgeeks_login"), "expires_at": "2099-04-08T09:15:30.412345Z"}
    vendor.script = lambda sent: Reply(login if sent.method == "POST" else example(answers[sent.path]))
    settings = FourgeeksSettings(
        username=uuid4().hex, password=SecretStr("fourgeeks-test"), base_url=vendor.url, rate=1000
    )

    with FourgeeksConnector(settings, impatient) as fourgeeks:
        students, enrollments = fourgeeks.students(), fourgeeks.enrollments()

    assert [student.profile_id for student in students.records] == ["5101", "5102"]
    assert ids(enrollments) == ["70001", "70002"]


@pytest.mark.parametrize("name", ["fourgeeks_student", "fourgeeks_member"])
def test_a_detail_reads_like_a_row(name: str) -> None:
    assert parse_student(example(name)).profile_id == str(example(name)["id"])


def test_the_member_list_reads_like_the_student_list() -> None:
    assert [parse_student(row).email for row in example("fourgeeks_members")["results"]] == ["tess.moreno@example.org"]


def test_the_notion_examples(vendor: ScriptedVendor, impatient: HttpRules) -> None:
    last = {**example("notion_query"), "results": [example("notion_trashed_page")]}
    vendor.answers(example("notion_query_data_source"), example("notion_query") | {"has_more": False}, last)
    settings = NotionSettings(
        token=SecretStr("notion-test-token"), database_id=uuid4().hex, base_url=vendor.url, rate=1000
    )

    with NotionConnector(settings, impatient) as notion:
        first, trashed = notion.student_pages(), notion.student_pages()

    assert [page_id[-4:] for page_id in ids(first)] == ["a002", "a001"]
    assert ids(trashed) == []


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("holded_unknown_contact_404", "Contact not found"),
        ("fourgeeks_login_refused_400", "Unable to log in with provided credentials."),
        ("fourgeeks_login_incomplete_400", "Enter a valid email address."),
        ("fourgeeks_login_not_validated_403", "You need to validate your email first"),
        ("notion_not_shared_404", "Could not find database"),
        ("notion_rate_limited_429", "You have been rate limited."),
    ],
)
def test_an_error_example_gives_its_reason(name: str, reason: str) -> None:
    body = (EXAMPLES / f"{name}.json").read_bytes()

    assert reason in Answer("acme", "GET /", int(name[-3:]), {}, body).reason()


def test_no_example_is_forgotten() -> None:
    source = "".join(path.read_text(encoding="utf-8") for path in EXAMPLES.parent.glob("test_*.py"))
    names = {path.stem for path in EXAMPLES.glob("*.json")}

    assert {name for name in names if f'"{name}"' not in source} == set()
    assert names >= READ_BY_NOBODY
    assert all(example(name) for name in names)
