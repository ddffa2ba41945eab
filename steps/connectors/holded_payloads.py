"""What Holded sends, as the steps read it (vendors/holded.md)."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from steps.connectors.fields import amount, child, children, code, identifier, is_empty, reference, text, unix_day
from steps.connectors.json_value import plain
from steps.domain.client import normalize_email
from steps.domain.invoice import DocumentKind

DOC_TYPES = {DocumentKind.INVOICE: "invoice", DocumentKind.CREDIT_NOTE: "creditnote"}
"""Credit notes are a document type of their own: `documents/invoice` never contains them."""
_CURRENCY_LENGTH = 3


@dataclass(frozen=True)
class IncomeAccount:
    """A sales channel: the account a document's line is booked to."""

    id: str
    account_number: str | None
    """An integer in the answers, text here: nobody calculates with it."""
    name: str
    description: str
    archived: bool
    """Deleted ones drop out of the list and still answer by id."""
    raw: dict[str, Any]


@dataclass(frozen=True)
class Contact:
    """Who a document was written to."""

    id: str
    name: str
    email: str | None
    """Trimmed and lower case; two contacts may share one."""
    raw: dict[str, Any]


@dataclass(frozen=True)
class Document:
    """One invoice or credit note with its lines."""

    id: str
    kind: DocumentKind
    contact_id: str | None
    contact_name: str
    number: str | None
    """Not unique, missing on drafts: `id` is the key."""
    day: date
    due_day: date | None
    total: Decimal
    """As sent: use `total_amount`, which has the sign."""
    tax: Decimal
    currency: str
    status: str
    line_accounts: tuple[str, ...]
    """Ids of income accounts in the order of the lines; lines without one are left out."""
    source_invoice_id: str | None
    """For a credit note: the invoice it was made from."""
    raw: dict[str, Any]

    @property
    def total_amount(self) -> Decimal:
        """With tax. A credit note is negative whatever its sign upstream; an invoice keeps its sign."""
        return -abs(self.total) if self.kind is DocumentKind.CREDIT_NOTE else self.total

    @property
    def net_amount(self) -> Decimal:
        """Total less tax; a credit note's amounts may come with either sign, so both are taken by size."""
        if self.kind is DocumentKind.CREDIT_NOTE:
            return abs(self.tax) - abs(self.total)
        return self.total - self.tax


def parse_income_account(row: dict[str, Any]) -> IncomeAccount:
    """`accountNum` in live answers, `accNum` in the documentation."""
    return IncomeAccount(
        id=identifier(row),
        account_number=code(row, "accountNum") or code(row, "accNum") or None,
        name=code(row, "name"),
        description=text(row, "desc"),
        archived=not is_empty(row.get("archived")) and row["archived"] not in (False, "0"),
        raw=plain(row),
    )


def parse_contact(row: dict[str, Any]) -> Contact:
    """Empty objects may be 0 or [], texts may be 0 (PHP)."""
    return Contact(
        id=identifier(row), name=code(row, "name"), email=normalize_email(text(row, "email")), raw=plain(row)
    )


def parse_document(kind: DocumentKind, zone: ZoneInfo, row: dict[str, Any]) -> Document:
    """One row of a document list: it carries the full document with its lines.

    Raises:
        FieldError: a field that is needed is missing or unreadable.
    """
    return Document(
        id=identifier(row),
        kind=kind,
        contact_id=reference(row, "contact") or None,
        contact_name=text(row, "contactName"),
        number=code(row, "docNumber") or None,
        day=unix_day(row, "date", zone),
        due_day=None if is_empty(row.get("dueDate")) else unix_day(row, "dueDate", zone),
        total=amount(row, "total"),
        tax=amount(row, "tax", optional=True),
        currency=_currency(row),
        status=_status(row),
        line_accounts=tuple(account for line in children(row, "products") if (account := reference(line, "account"))),
        source_invoice_id=_source_invoice(row),
        raw=plain(row),
    )


def _currency(row: dict[str, Any]) -> str:
    currency = text(row, "currency").upper() or "EUR"
    if len(currency) != _CURRENCY_LENGTH or not (currency.isascii() and currency.isalpha()):
        raise ValueError(f"currency {currency!r} is no currency code")
    return currency


def _status(row: dict[str, Any]) -> str:
    """Raw, 0 included: the meaning of the numbers is disputed (vendors/holded.md, Status)."""
    return "0" if row.get("status") == 0 and row.get("status") is not False else code(row, "status")


def _source_invoice(row: dict[str, Any]) -> str | None:
    source = child(row, "from")
    return (reference(source) or None) if text(source, "docType") == "invoice" else None
