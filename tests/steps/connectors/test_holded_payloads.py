"""Holded's records, one trap of the sheet each."""

from datetime import date
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from steps.ledger.contract import DocumentKind
from steps.vendors.holded import Document, parse_contact, parse_document, parse_income_account
from steps.vendors.parsing import FieldError, plain
from tests.steps.connectors.scripted_vendor import example

MADRID = ZoneInfo("Europe/Madrid")


def invoice(**fields: Any) -> Document:
    row = {"id": "a", "date": 1736895600, "total": 121, "tax": 21, **fields}
    return parse_document(DocumentKind.INVOICE, MADRID, row)


def credit_note(**fields: Any) -> Document:
    row = {"id": "a", "date": 1736895600, "total": 121, "tax": 21, **fields}
    return parse_document(DocumentKind.CREDIT_NOTE, MADRID, row)


@pytest.mark.parametrize(
    ("seconds", "day"),
    [
        (1736895600, date(2025, 1, 15)),
        ("1736895600", date(2025, 1, 15)),
        (1735686000, date(2025, 1, 1)),
        (1735685999, date(2024, 12, 31)),
        (1719784800, date(2024, 7, 1)),
    ],
)
def test_a_date_is_the_local_day(seconds: object, day: date) -> None:
    assert invoice(date=seconds).day == day


@pytest.mark.parametrize(
    "value",
    [None, 0, -1, "", "2025-01-15", True, 1736895600000, 4133980800, 900000000, [], 10**30, "NaN", 1735685999.999],
)
def test_a_date_that_cannot_be_is_refused_by_name(value: object) -> None:
    with pytest.raises(ValueError, match="date"):
        invoice(date=value)


@pytest.mark.parametrize("value", [None, 0, "", []])
def test_a_due_date_may_be_missing(value: object) -> None:
    assert invoice(dueDate=value, multipledueDate={"date": 1744149600, "amount": 121}).due_day is None


@pytest.mark.parametrize(
    ("total", "expected"),
    [("121.50", "121.50"), (Decimal("0.005"), "0.01"), (0, "0.00"), (-7, "-7.00"), (" 12 ", "12.00")],
)
def test_a_total_is_a_number_or_a_numeric_text(total: object, expected: str) -> None:
    assert invoice(total=total, tax=0).total_amount == Decimal(expected)


@pytest.mark.parametrize(
    "total", [None, "", "1.234,56", True, [], {}, "12 EUR", "Infinity", "1_000", "\u0661\u0662", 10**15]
)
def test_a_total_that_is_no_amount_is_refused_by_name(total: object) -> None:
    with pytest.raises(ValueError, match="total"):
        invoice(total=total)


@pytest.mark.parametrize("tax", [None, ""])
def test_a_missing_tax_counts_nothing(tax: object) -> None:
    assert invoice(tax=tax).net_amount == Decimal("121.00")


@pytest.mark.parametrize(("total", "tax"), [(121, 21), (-121, -21), (-121, 21), (121, -21)])
def test_a_credit_note_is_negative_whatever_its_sign_upstream(total: int, tax: int) -> None:
    note = credit_note(total=total, tax=tax)

    assert (note.total_amount, note.net_amount) == (Decimal("-121.00"), Decimal("-100.00"))


def test_a_negative_invoice_stays_negative() -> None:
    document = invoice(total=-121, tax=-21)

    assert (document.total_amount, document.net_amount) == (Decimal("-121.00"), Decimal("-100.00"))


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ({"id": "inv", "docType": "invoice"}, "inv"),
        ({"id": "est", "docType": "estimate"}, None),
        ({"id": "", "docType": "invoice"}, None),
        (None, None),
        ([], None),
        (0, None),
        ("", None),
    ],
)
def test_only_an_invoice_is_a_source(source: object, expected: str | None) -> None:
    assert credit_note(**{"from": source}).source_invoice_id == expected


def test_lines_without_an_account_are_left_out_and_order_is_kept() -> None:
    lines = [{"account": "b"}, {"account": ""}, {}, {"account": 0}, {"account": None}, {"account": "a"}]

    assert invoice(products=lines).line_accounts == ("b", "a")
    assert invoice(products=0).line_accounts == ()


@pytest.mark.parametrize(
    "fields",
    [
        {"products": "x"},
        {"products": [5]},
        {"products": {"0": {}}},
        {"products": [{"account": {"id": "x"}}]},
        {"from": "inv"},
        {"contact": {"id": "x"}},
        {"currency": "EURO"},
        {"currency": ["eur"]},
        {"status": False},
        {"id": ""},
        {"id": None},
        {"tax": "21%"},
    ],
    ids=str,
)
def test_a_field_of_a_wrong_type_is_refused(fields: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(fields)) if "products" not in fields else "products|account"):
        invoice(**fields)


def test_fields_that_decide_about_no_money_are_left_out() -> None:
    found = invoice(dueDate="soon", contactName=True, docNumber=["F1"])

    assert (found.total, found.due_day, found.contact_name, found.number) == (invoice().total, None, "", None)
    assert all(name in found.unreadable for name in ("dueDate 'soon'", "contactName True", "docNumber ['F1']"))


@pytest.mark.parametrize(("value", "number"), [("F250013", "F250013"), ("", None), (None, None), (17, "17")])
def test_a_number_may_be_missing(value: object, number: str | None) -> None:
    assert invoice(docNumber=value).number == number


@pytest.mark.parametrize(
    ("value", "currency"), [("eur", "EUR"), ("usd", "USD"), ("", "EUR"), (None, "EUR"), (0, "EUR")]
)
def test_a_currency_is_upper_case_and_euro_by_default(value: object, currency: str) -> None:
    assert invoice(currency=value).currency == currency


@pytest.mark.parametrize(("value", "status"), [(0, "0"), (1, "1"), ("2", "2"), (None, "")])
def test_a_status_is_kept_raw(value: object, status: str) -> None:
    assert invoice(status=value).status == status


def test_an_account_of_which_nothing_is_said_is_refused_rather_than_taken_for_no_service() -> None:
    with pytest.raises(FieldError, match="name and accountNum are missing"):
        parse_income_account({"id": "a"})


@pytest.mark.parametrize(
    ("fields", "number"),
    [
        ({"accountNum": 70500001}, "70500001"),
        ({"accNum": "70500002"}, "70500002"),
        ({"accountNum": None, "accNum": 70500003}, "70500003"),
        ({"accountNum": None}, None),
        ({}, None),
    ],
)
def test_an_account_number_is_text_under_either_name(fields: dict[str, object], number: str | None) -> None:
    account = parse_income_account({"id": "a", "name": "Data Science", **fields})

    assert (account.account_number, account.description, account.archived) == (number, "", False)


@pytest.mark.parametrize(
    ("email", "expected"),
    [(" Ana.GIL@Example.org ", "ana.gil@example.org"), ("", None), (None, None), (0, None), ("n/a", None)],
)
def test_an_email_is_trimmed_and_lower_case_or_none(email: object, expected: str | None) -> None:
    assert parse_contact({"id": "a", "name": 0, "email": email}).email == expected


@pytest.mark.parametrize("email", [12345, True, ["ana@example.org"]])
def test_an_email_of_a_wrong_type_is_refused(email: object) -> None:
    with pytest.raises(ValueError, match="email"):
        parse_contact({"id": "a", "email": email})


def test_a_contact_with_php_empties_is_read() -> None:
    company = parse_contact(example("holded_contacts")[1])

    assert (company.id, company.name, company.email) == ("65b1d2e3f4a5b6c7d8e90002", "Formación Norte SL", None)


def test_the_raw_record_is_plain_json_with_the_same_digits() -> None:
    row = {"price": Decimal("6500.10"), "units": Decimal("1.0"), "list": [{"rate": Decimal("1.08345")}], "id": "a"}

    assert plain(row) == {"price": 6500.1, "units": 1, "list": [{"rate": 1.08345}], "id": "a"}
