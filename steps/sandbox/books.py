"""What the academy keeps in Holded, in its own terms: income accounts, contacts, invoices and credit notes."""

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, Literal

DocumentKind = Literal["invoice", "creditnote"]
NOTHING: Decimal = Decimal("0.00")


@dataclass(frozen=True)
class Account:
    """An income account (sales channel)."""

    id: str
    name: str
    number: int | None
    description: str | None = ""
    """`None`: the key is absent, as in most live answers."""
    archived: bool = False
    """Deleted: not in the list, found by id, still on documents."""
    number_key: str = "accountNum"
    """`accNum` in the documentation's spelling."""


@dataclass(frozen=True)
class Contact:
    """A client as the book-keeper typed it."""

    id: str
    name: str
    email: str | None
    """As typed: capitals, spaces, "" or null."""
    created_on: datetime.date
    is_person: bool = True
    tax_id: str = ""
    listed: bool = True
    """False: deleted, so absent from the list."""
    found_by_id: bool = True
    """False: even `contacts/{id}` says not found."""
    raw: Mapping[str, Any] = field(default_factory=dict)
    """Served instead of what the fields say (spoiled worlds)."""

    def as_of(self, day: datetime.date) -> "Contact | None":
        """The contact at the end of that day; `None` before it was made."""
        return self if self.created_on <= day else None


@dataclass(frozen=True)
class Line:
    """One line of a document; net is price x units x (1 - discount/100)."""

    name: str
    account_id: str | None
    """`None`: no key at all; "" happens too."""
    price: Decimal
    units: Decimal = Decimal(1)
    discount: Decimal = Decimal(0)
    tax_percent: Decimal = Decimal(0)


@dataclass(frozen=True)
class Payment:
    """Money received for a document."""

    paid_on: datetime.date
    amount: Decimal


@dataclass(frozen=True)
class Document:
    """An invoice or a credit note, amounts as the vendor shows them: a credit note's are usually positive."""

    id: str
    kind: DocumentKind
    contact_id: str
    contact_name: str
    date: datetime.date
    lines: tuple[Line, ...]
    account_id: str | None
    """The service account of its first service line; `None`: it sells no listed service."""
    subtotal: Decimal
    tax: Decimal
    number: str | None
    """`None`: the key is absent."""
    sequence: int = 0
    """Order of creation, which is not that of the dates."""
    due_on: datetime.date | None = None
    payments: tuple[Payment, ...] = ()
    source_invoice_id: str | None = None
    """The invoice a credit note was made from."""
    currency: str = "eur"
    exchange_rate: Decimal = Decimal(1)
    status: int = 1
    amounts_as_text: bool = False
    raw: Mapping[str, Any] = field(default_factory=dict)
    """Served instead of what the fields say (spoiled worlds)."""

    @property
    def total(self) -> Decimal:
        """With tax, signed as the vendor shows it."""
        return self.subtotal + self.tax

    @property
    def signed_total(self) -> Decimal:
        """What it adds to the books: a credit note always takes away."""
        return -abs(self.total) if self.kind == "creditnote" else self.total

    @property
    def signed_net(self) -> Decimal:
        """`signed_total` less tax."""
        return -abs(self.subtotal) if self.kind == "creditnote" else self.subtotal

    @property
    def paid(self) -> Decimal:
        """What was received so far."""
        return sum((payment.amount for payment in self.payments), NOTHING)

    def as_of(self, day: datetime.date) -> "Document | None":
        """The document at the end of that day, without payments to come; `None` before its date."""
        if self.date > day:
            return None
        known = tuple(payment for payment in self.payments if payment.paid_on <= day)
        return self if known == self.payments else replace(self, payments=known)
