"""Invoices and credit notes, as the vendor sent them and as they count."""

from collections.abc import Collection
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from sqlalchemy import Column, Index, select
from sqlmodel import Field, Session, SQLModel, col

from tracking.encryption import EncryptedJson
from tracking.models import UtcDateTime, money


class DocumentKind(StrEnum):
    """Two document types of Holded; a credit note counts negative."""

    INVOICE = "invoice"
    CREDIT_NOTE = "credit_note"


class Invoice(SQLModel, table=True):
    """One document. Without a contract it still counts in the totals, as a line of its own."""

    __tablename__ = "invoice"
    __table_args__ = (
        Index("ix_invoice_date", "invoice_date"),
        Index("ix_invoice_contract", "service_contract_id"),
        Index("ix_invoice_source", "source_external_id"),
    )

    id: int | None = Field(default=None, primary_key=True)
    external_id: str = Field(unique=True)
    kind: str
    client_id: int | None = Field(default=None, foreign_key="client.id")
    service_contract_id: int | None = Field(default=None, foreign_key="service_contract.id")
    source_external_id: str | None = None
    """For a credit note, the id of the invoice it was made from (which may come later, or never)."""
    invoice_number: str | None = None
    invoice_date: date
    due_date: date | None = None
    total_amount: Decimal = Field(sa_type=money())
    net_amount: Decimal = Field(sa_type=money())
    """Total less tax; credit notes negative in both."""
    currency: str
    """Upper case, such as `EUR`."""
    status: str
    """The vendor's own, raw: its meaning is disputed (docs/vendors.md, Holded)."""
    voided_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    """Since when the vendor no longer lists it; a void document counts nowhere."""
    original_data: dict[str, Any] = Field(sa_column=Column(EncryptedJson, nullable=False))


def days_of_clientless_documents(session: Session, contact_ids: Collection[str]) -> list[date]:
    """The days of the documents that name these contacts and are kept without a client.

    The vendor's record is looked at here, not in the database: there it may be sealed.
    """
    if not contact_ids:
        return []
    query = select(col(Invoice.invoice_date), col(Invoice.original_data)).where(col(Invoice.client_id).is_(None))
    return [day for day, record in session.execute(query) if record.get("contact") in contact_ids]
