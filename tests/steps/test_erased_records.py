"""What a vendor still sends of an erased person: nothing that could name them comes in."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from steps.erased_records import without_erased
from steps.ledger.client import ContactCard, Erased, System
from steps.ledger.contract import DocumentKind
from steps.vendors.holded import Document

NOBODY = Erased("a secret")
ERASED = Erased("a secret", {(System.HOLDED, NOBODY.pseudonym(System.HOLDED, "c-1")): "erased-7@erased.invalid"})
TOLD = "contactName 'Ana Gil'... has 1,200 characters: it is no name"


DOCUMENT = Document(
    id="d-1",
    kind=DocumentKind.INVOICE,
    contact_id="c-1",
    contact_name="Ana Gil",
    number="F-1",
    day=date(2024, 3, 1),
    due_day=None,
    total=Decimal(121),
    tax=Decimal(21),
    currency="EUR",
    status="1",
    line_accounts=(),
    source_invoice_id=None,
    raw='{"id": "d-1", "contactName": "Ana Gil"}',
    unreadable=TOLD,
)
CONTACT = ContactCard("c-1", "Ana Gil", "ana@example.org", record={"name": "Ana Gil"}, unreadable=TOLD)


@pytest.mark.parametrize("record", [DOCUMENT, CONTACT], ids=["document", "contact"])
def test_the_faults_of_a_record_name_nobody_who_was_erased(record: Any) -> None:
    assert without_erased(record, NOBODY) is record
    assert "Ana Gil" in repr(record)

    masked = without_erased(record, ERASED)

    assert "Ana" not in repr(masked)
    assert "ana@" not in repr(masked)
    assert masked.unreadable == ""
