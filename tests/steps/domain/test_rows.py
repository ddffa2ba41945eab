"""The one piece through which every import writes: only differences, in as many statements for many rows as for few."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from sqlmodel import Session, col, select

from steps.ledger.client import Client, ClientExternalId
from steps.ledger.contract import Invoice
from steps.ledger.service import Service
from steps.ledger.upsert import CHUNK, Row, merge_rows, select_in, set_by_id
from tests.steps.statements import counting_statements
from tracking.database import read_session, write_session


def people(count: int) -> list[Row]:
    return [{"identifier": f"p{number}@example.org", "name": f"P {number}"} for number in range(count)]


def document(number: int, **changes: Any) -> Row:
    return {
        "external_id": f"d{number}",
        "kind": "invoice",
        "invoice_date": date(2024, 3, 5),
        "total_amount": Decimal("121.10"),
        "net_amount": Decimal("100.10"),
        "currency": "EUR",
        "status": "1",
        "voided_at": datetime(2024, 3, 6, 12, tzinfo=UTC),
        "original_data": {"id": f"d{number}", "total": 121.1, "products": [{"price": 5}], "note": None},
        **changes,
    }


def test_new_rows_are_created_with_the_defaults_of_columns_that_are_not_given(database: str) -> None:
    with write_session() as session:
        merge = merge_rows(session, Service, [{"external_id": "a", "name": "A"}], ("external_id",))

    with read_session() as session:
        service = session.exec(select(Service)).one()
    assert merge.created == [("a",)]
    assert merge.ids == {("a",): service.id}
    assert (service.total_sessions, service.description, service.class_weekdays) == (60, "", None)


def test_only_rows_that_differ_are_written(database: str) -> None:
    with write_session() as session:
        first = merge_rows(session, Client, people(3), ("identifier",))

    changed = people(3)
    changed[1]["name"] = "Another"
    with write_session() as session, counting_statements() as statements:
        second = merge_rows(session, Client, changed, ("identifier",))

    assert (second.created, second.updated) == ([], [("p1@example.org",)])
    assert second.unchanged == [("p0@example.org",), ("p2@example.org",)]
    assert second.ids == first.ids
    assert [each.split()[0] for each in statements] == ["SELECT", "INSERT"]


def test_columns_that_are_not_given_keep_what_they_have(database: str) -> None:
    with write_session() as session:
        session.add(Service(external_id="a", name="A", total_sessions=10, class_weekdays=[0, 2]))

    with write_session() as session:
        merge = merge_rows(session, Service, [{"external_id": "a", "name": "B"}], ("external_id",))

    with read_session() as session:
        service = session.exec(select(Service)).one()
    assert merge.updated == [("a",)]
    assert (service.name, service.total_sessions, service.class_weekdays) == ("B", 10, [0, 2])


def test_money_times_dates_and_json_compare_as_equal_after_the_database(database: str) -> None:
    with write_session() as session:
        merge_rows(session, Invoice, [document(1)], ("external_id",))

    with write_session() as session:
        again = merge_rows(session, Invoice, [document(1)], ("external_id",))
        cent = merge_rows(session, Invoice, [document(1, total_amount=Decimal("121.11"))], ("external_id",))

    assert again.unchanged == [("d1",)]
    assert cent.updated == [("d1",)]


def test_a_key_of_several_columns_is_found_as_a_whole(database: str) -> None:
    with write_session() as session:
        ids = merge_rows(session, Client, people(2), ("identifier",)).ids
    first, second = ids.values()
    links = [
        {"client_id": first, "system": "holded", "external_id": "1"},
        {"client_id": second, "system": "notion", "external_id": "1"},
    ]

    with write_session() as session:
        created = merge_rows(session, ClientExternalId, links, ("system", "external_id"))
    links[1]["client_id"] = first
    with write_session() as session:
        merge = merge_rows(session, ClientExternalId, links, ("system", "external_id"))

    assert created.created == [("holded", "1"), ("notion", "1")]
    assert merge.updated == [("notion", "1")]


def test_rows_can_be_merged_by_id(database: str) -> None:
    with write_session() as session:
        client_id = merge_rows(session, Client, people(1), ("identifier",)).ids["p0@example.org",]

    with write_session() as session:
        merge = merge_rows(session, Client, [{"id": client_id, "identifier": "new@example.org", "name": "N"}], ("id",))

    with read_session() as session:
        assert session.exec(select(Client.identifier)).all() == ["new@example.org"]
    assert (merge.created, merge.updated) == ([], [(client_id,)])


@pytest.mark.parametrize("count", [2, CHUNK])
def test_new_rows_take_three_statements_however_many_they_are(database: str, count: int) -> None:
    with write_session() as session, counting_statements() as statements:
        merge_rows(session, Client, people(count), ("identifier",))

    assert len(statements) == 3  # what is there, the rows, and their ids


def test_more_rows_than_a_chunk_are_merged_whole(database: str) -> None:
    rows = people(2 * CHUNK + 1)

    with write_session() as session:
        created = merge_rows(session, Client, rows, ("identifier",))
    with write_session() as session:
        again = merge_rows(session, Client, rows, ("identifier",))

    assert len(created.created) == len(again.unchanged) == len(created.ids) == len(rows)


def test_nothing_to_merge_asks_nothing(database: str) -> None:
    with write_session() as session, counting_statements() as statements:
        merge = merge_rows(session, Client, [], ("identifier",))

    assert (merge.created, merge.ids, statements) == ([], {}, [])


def test_one_column_of_many_rows_gets_a_value_each_nulls_included(database: str) -> None:
    with write_session() as session:
        ids = merge_rows(session, Invoice, [document(1), document(2), document(3)], ("external_id",)).ids
    when = datetime(2024, 5, 1, tzinfo=UTC)

    with write_session() as session, counting_statements() as statements:
        set_by_id(session, Invoice, "voided_at", {ids["d1",]: None, ids["d2",]: when})

    assert len(statements) == 1
    with read_session() as session:
        assert _voided(session) == {"d1": None, "d2": when, "d3": datetime(2024, 3, 6, 12, tzinfo=UTC)}


def test_one_column_can_become_null_everywhere(database: str) -> None:
    with write_session() as session:
        ids = merge_rows(session, Invoice, [document(1)], ("external_id",)).ids

    with write_session() as session:
        set_by_id(session, Invoice, "service_contract_id", {ids["d1",]: None})
        set_by_id(session, Invoice, "voided_at", {ids["d1",]: None})

    with read_session() as session:
        assert _voided(session) == {"d1": None}


def _voided(session: Session) -> dict[str, datetime | None]:
    return dict(session.exec(select(Invoice.external_id, Invoice.voided_at)).all())


def test_rows_are_selected_in_one_statement_and_under_a_condition(database: str) -> None:
    with write_session() as session:
        merge_rows(session, Client, people(CHUNK + 10), ("identifier",))

    with read_session() as session, counting_statements() as statements:
        emails = (row["identifier"] for row in people(CHUNK + 10))
        rows = select_in(session, (Client.name,), Client.identifier, emails, col(Client.name) != "P 7")

    assert len(rows) == CHUNK + 9
    assert len(statements) == 1
