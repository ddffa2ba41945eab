"""A contract is found by what people know of it, told day by day, and adds up to the roll-forward."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from sqlalchemy import insert, update

from steps.closing import Signature
from steps.corrections import Adjustment, adjust
from steps.errors import UsageError
from steps.ledger.client import Client, ClientExternalId
from steps.ledger.contract import Invoice
from steps.ledger.months import MonthWindow
from steps.reports.contracts import EntryKind, contract_movements, contract_story, find_contracts
from steps.reports.outside import outside_documents, read_stakes, total_stakes
from steps.reports.roll_forward import roll_forwards
from tests.steps.accruals.builders import document
from tests.steps.accruals.database_ledger import Stored, accrue_months, add_document, store
from tests.steps.accruals.reports.books import LATER, SETTINGS
from tracking.database import read_session, write_session
from tracking.models import IntegrationError

FIRST_QUARTER = MonthWindow(date(2024, 1, 1), date(2024, 4, 1))


def found(text: str) -> list[int]:
    with read_session() as session:
        return [line.name.id for line in find_contracts(session, text)]


@pytest.fixture
def named(ledger: None) -> None:
    """Contract 1 is Zoë's, whose invoice has a number; contract 2 is of somebody else."""
    store(Stored(2))
    with write_session() as session:
        session.execute(update(Client).where(Client.id == 1).values(name="Zoë Peña"))  # type: ignore[arg-type]
        session.execute(
            update(Invoice).where(Invoice.service_contract_id == 1).values(invoice_number="F24-0017")  # type: ignore[arg-type]
        )
        session.execute(insert(ClientExternalId), {"client_id": 1, "system": "holded", "external_id": "abc123"})


@pytest.mark.parametrize(
    "text", ["zoe", "PEÑA", "p1@example.org", " P1@Example.org ", "f24-00", "abc123", "doc-1-0", "1"]
)
def test_a_contract_is_found_by_name_email_number_or_id(named: None, text: str) -> None:
    assert found(text) == [1]


@pytest.mark.parametrize("text", ["p1@example", "24-0017", "abc12", "%", "99999999999999999999"])
def test_what_is_only_a_part_of_an_email_or_id_finds_nothing(named: None, text: str) -> None:
    assert found(text) == []


def test_nothing_asked_finds_all(named: None) -> None:
    assert found(" ") == [2, 1]  # in order of name: the second has none


def test_the_story_tells_documents_enrollment_and_postings_and_what_is_deferred_after_each(ledger: None) -> None:
    accrue_months("2024-01", "2024-02")
    adjust(Adjustment(1, Decimal("-10.00")), Signature("Eva", "twice"), LATER)

    with read_session() as session:
        story = contract_story(session, 1, SETTINGS)

    kinds = [entry.kind for entry in story.entries]
    assert kinds[:4] == [EntryKind.PERIOD_STARTS, EntryKind.INVOICE, EntryKind.POSTED, EntryKind.ADJUSTED]
    told = {entry.kind: (str(entry.amount), str(entry.deferred)) for entry in story.entries[1:4]}
    assert told[EntryKind.INVOICE] == ("600.00", "600.00")
    assert told[EntryKind.POSTED] == ("-80.00", "520.00")
    assert told[EntryKind.ADJUSTED] == ("10.00", "530.00")
    assert story.deferred == {"EUR": story.line.remaining}
    assert next(entry.note for entry in story.entries if entry.kind is EntryKind.ADJUSTED) == "Eva: twice"


def test_a_void_document_is_told_and_moves_nothing(ledger: None) -> None:
    add_document(1, "2024-02-02", "50.00", voided_at=datetime(2024, 3, 1, tzinfo=UTC))

    with read_session() as session:
        voided = [each for each in contract_story(session, 1, SETTINGS).entries if each.kind is EntryKind.VOIDED]

    assert [(each.amount, each.deferred) for each in voided] == [(None, None)]


def test_a_contract_that_is_not_there_is_refused(ledger: None) -> None:
    with read_session() as session, pytest.raises(UsageError, match="there is no contract 7"):
        contract_story(session, 7, SETTINGS)


def test_contract_by_contract_adds_up_to_the_roll_forward(ledger: None) -> None:
    store(Stored(2, documents=(document("2024-02-01", "300.00"), document("2024-03-05", "-20.00"))))
    accrue_months("2024-01", "2024-02", "2024-03")
    adjust(Adjustment(1, Decimal("5.00")), Signature("Eva", "twice"), LATER)

    with read_session() as session:
        lines = contract_movements(session, FIRST_QUARTER, SETTINGS)
        total = roll_forwards(session, FIRST_QUARTER, SETTINGS).summary("EUR")

    for name in ("opening", "invoiced", "credited", "accrued", "adjusted", "closing"):
        assert sum(getattr(line, name) for line in lines) == getattr(total, name), name


def _add_error(entity: str, external_id: str, operation: str = "invoices", **details: object) -> IntegrationError:
    error = IntegrationError(
        integration_name="holded",
        operation=operation,
        entity_type=entity,
        entity_external_id=external_id,
        error_message=f"{external_id} is in trouble",
        error_details=details,
    )
    with write_session() as session:
        session.add(error)
        session.flush()
        session.refresh(error)
        session.expunge(error)
    return error


def test_documents_without_a_contract_are_listed_with_their_reason_and_are_the_money_of_their_contact(
    ledger: None,
) -> None:
    outside = {"service_contract_id": None, "client_id": None}
    record = {"contact": "con-9", "contactName": "Nobody"}
    add_document(1, "2024-02-02", "50.00", **outside, original_data=record)
    add_document(1, "2024-02-03", "7.00", **outside, original_data=record, currency="USD")
    add_document(1, "2024-05-03", "9.00", **outside, original_data={})
    contact, failed = _add_error("contact", "con-9"), _add_error("service_contract", "1", "accruals")
    enrollment = _add_error("enrollment", "44", "service-periods", client_id=1)

    with read_session() as session:
        listed = outside_documents(session, SETTINGS, FIRST_QUARTER)
        stakes = read_stakes(session, [contact, failed, enrollment], SETTINGS)

    assert [(each.client, str(each.amount), each.reason) for each in listed] == [
        ("Nobody", "50.00", "con-9 is in trouble"),
        ("Nobody", "7.00", "con-9 is in trouble"),
    ]
    eur, usd = Decimal("50.00"), Decimal("7.00")
    assert (stakes[contact.id or 0].client, dict(stakes[contact.id or 0].amounts)) == (
        "Nobody",
        {"EUR": eur, "USD": usd},
    )
    assert (stakes[failed.id or 0].contract_id, dict(stakes[failed.id or 0].amounts)) == (1, {"EUR": Decimal("600.00")})
    assert dict(stakes[enrollment.id or 0].amounts) == {"EUR": Decimal("600.00")}
    assert total_stakes(stakes.values()) == {"EUR": Decimal("1250.00"), "USD": usd}
