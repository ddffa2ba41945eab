"""When a contact's documents are dated: whoever tries a contact again has to read those months."""

from collections.abc import Collection
from datetime import date

from sqlalchemy import select
from sqlmodel import Session, col

from steps.domain.invoice import Invoice


def days_of_clientless_documents(session: Session, contact_ids: Collection[str]) -> list[date]:
    """The days of the documents that name these contacts and are kept without a client.

    The vendor's record is looked at here, not in the database: there it may be sealed.
    """
    if not contact_ids:
        return []
    query = select(col(Invoice.invoice_date), col(Invoice.original_data)).where(col(Invoice.client_id).is_(None))
    return [day for day, record in session.execute(query) if record.get("contact") in contact_ids]
