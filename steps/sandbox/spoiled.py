"""Records that no importer can apply, for those who ask for them: each must end as an error that names it."""

from dataclasses import replace
from typing import Any

from steps.sandbox.cast import Records
from steps.sandbox.names import hex_id, uuid_id

SPOILED_DOCUMENTS: tuple[dict[str, Any], ...] = (
    {"total": "1.234,56"},
    {"date": 0},
    {"date": "2024-03-05"},
    {"total": None},
    {"contact": ""},
    {"products": "none"},
    {"id": ""},
    {"currency": 978},
    {"total": 1e300},
)
SPOILED_CONTACTS: tuple[dict[str, Any], ...] = ({"email": 12345}, {"name": None})
SPOILED_ENROLLMENTS: tuple[dict[str, Any], ...] = (
    {"educational_status": 7},
    {"updated_at": "yesterday"},
    {"user": None},
    {"cohort": None},
)
SPOILED_PAGES: tuple[dict[str, Any], ...] = (
    {"Drop Date": {"id": "dr01", "type": "date", "date": {"start": "soon", "end": None, "time_zone": None}}},
    {"Email": {"id": "aB%3Ac", "type": "number", "number": 5}},
)


def spoil(seed: int, records: Records) -> None:
    """Add a spoiled copy of the first records of each kind, with ids of their own, and one id used twice."""
    invoices = [document for document in records.documents if document.kind == "invoice"]
    for number, (invoice, raw) in enumerate(zip(invoices, SPOILED_DOCUMENTS, strict=False)):
        records.documents.append(replace(invoice, id=hex_id(seed, "spoiled document", number), raw=raw))
    if invoices:
        records.documents.append(replace(invoices[0], number="F-TWICE", subtotal=invoices[0].subtotal + 1))
    for number, (contact, raw) in enumerate(zip(list(records.contacts), SPOILED_CONTACTS, strict=False)):
        records.contacts.append(replace(contact, id=hex_id(seed, "spoiled contact", number), raw=raw))
    first_free = max((enrollment.id for enrollment in records.enrollments), default=0) + 1
    for number, (seat, raw) in enumerate(zip(list(records.enrollments), SPOILED_ENROLLMENTS, strict=False)):
        records.enrollments.append(replace(seat, id=first_free + number, raw=raw))
    for number, (page, raw) in enumerate(zip(list(records.pages), SPOILED_PAGES, strict=False)):
        records.pages.append(replace(page, id=uuid_id(seed, "spoiled page", number), raw=raw))
