"""When a contact's documents are dated: whoever tries a contact again has to read those months."""

from collections.abc import Iterable
from datetime import date

from sqlalchemy import func
from sqlmodel import Session, col

from steps.domain.invoice import Invoice
from steps.domain.rows import select_in


def days_of_contacts(session: Session, contact_ids: Iterable[str]) -> list[date]:
    """The first and the last day of these contacts' documents in the ledger, with or without a client."""
    contact = col(Invoice.original_data)["contact"].as_string()
    first, last = func.min(Invoice.invoice_date), func.max(Invoice.invoice_date)
    rows = select_in(session, (first.label("first"), last.label("last")), contact, contact_ids)
    return [day for row in rows for day in (row["first"], row["last"]) if day is not None]
