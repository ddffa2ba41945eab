"""What a vendor still sends of somebody who was erased here: it comes in under pseudonyms, without anything personal.

Done where lists come from the vendors (`sources.py`), so that no step, error or log sees more.
"""

from dataclasses import replace
from functools import singledispatch
from typing import Any

from steps.errors import RecordRejectedError
from steps.ledger.client import ERASED, ERASED_NAME, ContactCard, Erased, System
from steps.vendors.fourgeeks import Enrollment, Student
from steps.vendors.holded import Document, DocumentPages
from steps.vendors.notion import StudentPage, page_id
from steps.vendors.parsing import FieldError, Listing, id_of, pack


@singledispatch
def without_erased(value: Any, _erased: Erased) -> Any:
    """What was read, as it may be used."""
    return value


@without_erased.register
def _(value: Listing, erased: Erased) -> Any:  # type: ignore[type-arg]
    for error in value.rejected:
        mask_error(error, erased)
    return Listing([without_erased(each, erased) for each in value.records], value.rejected)


@without_erased.register
def _(value: DocumentPages, erased: Erased) -> Any:
    return replace(value, listing=without_erased(value.listing, erased))


@without_erased.register
def _(value: ContactCard, erased: Erased) -> Any:
    found = erased.find(System.HOLDED, value.id)
    if not found:
        return value
    return replace(value, id=found[0], name=ERASED_NAME, email=found[1], record=None, unreadable="")


@without_erased.register
def _(value: Document, erased: Erased) -> Any:
    found = erased.find(System.HOLDED, value.contact_id)
    if not found:
        return value
    raw = pack(erased_record(value.id, found[0]))
    return replace(value, contact_id=found[0], contact_name=ERASED_NAME, raw=raw, unreadable="")


@without_erased.register
def _(value: Student, erased: Erased) -> Any:
    found = erased.find(System.FOURGEEKS, value.user_id)
    if not found:
        return value
    name = erased.pseudonym("student", value.profile_id)
    return replace(value, profile_id=name, user_id=found[0], email=found[1], raw=pack(erased_record(name)))


@without_erased.register
def _(value: Enrollment, erased: Erased) -> Any:
    found = erased.find(System.FOURGEEKS, value.user_id)
    if not found:
        return value
    return replace(value, user_id=found[0], email=found[1], raw=value.raw and pack(erased_record(value.id)))


@without_erased.register
def _(value: StudentPage, erased: Erased) -> Any:
    found = erased.find(System.NOTION, value.id)
    return replace(value, id=found[0], email=found[1]) if found else value


def erased_record(record_id: str, contact: str | None = None) -> dict[str, Any]:
    """What is kept in the place of a vendor's record."""
    return {"id": record_id, **({"contact": contact} if contact else {}), "erased": True}


def person_of(entity_type: str, record: Any) -> tuple[System, str] | None:
    """Whom a vendor's record, as it came, is about."""
    row = record.get("kept", record) if isinstance(record, dict) else None
    if not isinstance(row, dict):
        return None
    if entity_type in {"invoice", "credit_note"}:
        return System.HOLDED, id_of({"id": row.get("contact")})
    if entity_type in {"student", "enrollment"}:
        return System.FOURGEEKS, id_of(row.get("user"))
    if entity_type == "page":
        try:
            return System.NOTION, page_id(id_of(row))
        except FieldError:
            return None
    return (System.HOLDED, id_of(row)) if entity_type == "contact" else None


def mask_error(error: RecordRejectedError, erased: Erased) -> None:
    """A record that cannot be read says in its error what is in it."""
    person = person_of(error.entity_type, error.record) if erased.emails else None
    if person and erased.find(*person):
        error.external_id = masked_id(erased, error.entity_type, error.external_id)
        error.record = erased_record(error.external_id)
        error.args = (f"{error.entity_type} {error.external_id}: {ERASED_NAME}",)


def masked_id(erased: Erased, entity_type: str, external_id: str) -> str:
    """What stands for the id of a record about a person; those of documents and enrollments stay."""
    if entity_type in {"invoice", "credit_note", "enrollment"} or external_id.startswith(ERASED):
        return external_id
    return erased.pseudonym(_SYSTEMS.get(entity_type, entity_type), external_id)


_SYSTEMS = {"contact": System.HOLDED, "page": System.NOTION}
"""Records whose id is that of a client in this system."""
