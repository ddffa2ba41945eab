"""Clients and the ids they have in each system (interfaces.md, How records are matched)."""

import re
from datetime import date
from enum import StrEnum

from sqlalchemy import Index, UniqueConstraint
from sqlmodel import Field, SQLModel

from tracking.sealed import FindableText, SealedText

_PART = re.compile(r"[^@\s,;<>]+")
_LONGEST_EMAIL = 254
"""RFC 5321, 4.5.3.1.3."""


class System(StrEnum):
    """Where an external id comes from."""

    HOLDED = "holded"
    FOURGEEKS = "fourgeeks"
    NOTION = "notion"


class Client(SQLModel, table=True):
    """A person or company that was invoiced. `identifier` is the email, trimmed and lower case."""

    __tablename__ = "client"

    id: int | None = Field(default=None, primary_key=True)
    identifier: str = Field(unique=True, sa_type=FindableText)
    name: str = Field(default="", sa_type=SealedText)


class ClientExternalId(SQLModel, table=True):
    """One id of a client in one system. The two `educational_` columns are Notion's."""

    __tablename__ = "client_external_id"
    __table_args__ = (
        UniqueConstraint("system", "external_id", name="uq_client_external_id"),
        Index("ix_client_external_id_client", "client_id", "system"),
    )

    id: int | None = Field(default=None, primary_key=True)
    client_id: int = Field(foreign_key="client.id")
    system: str
    external_id: str
    educational_status: str | None = None
    """Upper case, blanks as underscores."""
    educational_status_date: date | None = None


def normalize_email(value: str | None) -> str | None:
    """Trimmed and lower case; None when it is no address ("", "n/a", two in one field, an essay, lost characters)."""
    email = (value or "").strip().lower()
    if len(email) > _LONGEST_EMAIL or "\ufffd" in email:
        return None
    name, _, domain = email.partition("@")
    is_address = _PART.fullmatch(name) and _PART.fullmatch(domain) and "." in domain[1:-1]
    return email if is_address else None
