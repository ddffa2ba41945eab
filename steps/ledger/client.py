"""Clients, their ids at the vendors, and their names and emails as contacts have them."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any

from sqlalchemy import Index, UniqueConstraint
from sqlmodel import Field, SQLModel

from steps.errors import RecordRejectedError
from steps.ledger.upsert import Row
from tracking.encryption import DeterministicText, EncryptedText

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
    identifier: str = Field(unique=True, sa_type=DeterministicText)
    name: str = Field(default="", sa_type=EncryptedText)


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


@dataclass(frozen=True)
class ContactCard:
    """What is known of one contact at the moment."""

    id: str
    name: str
    email: str | None
    """Normalized; None when it is no address."""
    listed: bool = True
    """Whether the vendor still lists it. What was asked for by id once is not asked for again, so only listed contacts
    have a lasting say in what a client is called: else its name would depend on which window ran last."""
    record: Any = None
    """Of one without an email, for people to look at; the others' would fill the memory of a run."""


@dataclass(frozen=True)
class ClientDetails:
    """A client as the ledger has it, and its contacts as the vendor has them, the deciding one first."""

    id: int
    identifier: str
    name: str
    contacts: Sequence[ContactCard]

    @property
    def wanted_name(self) -> str:
        """The first contact's, unless that has none."""
        return (self.contacts[0].name if self.contacts else "") or self.name

    @property
    def deciding(self) -> ContactCard | None:
        """The first contact with an email."""
        return next((card for card in self.contacts if card.email), None)

    @property
    def wanted_email(self) -> str:
        """The one it has while any of its contacts still has it, else the deciding contact's."""
        if self.deciding is None or self.identifier in {card.email for card in self.contacts}:
            return self.identifier
        return self.deciding.email or self.identifier


def settle_details(
    clients: Sequence[ClientDetails], holders: Mapping[str, int]
) -> tuple[list[Row], list[RecordRejectedError]]:
    """The clients' rows as they should be, and a problem for each email that another client has.

    Rows that free an email come before those that take it: the database checks uniqueness row by row.

    Args:
        clients: those to settle.
        holders: who has the wanted emails now, whether among `clients` or not.
    """
    held = {**holders, **{client.identifier: client.id for client in clients}}
    settled: list[Row] = []
    waiting = sorted(clients, key=lambda client: client.id)
    progress = True
    while progress:
        free = [client for client in waiting if held.get(client.wanted_email, client.id) == client.id]
        for client in free:
            if held.setdefault(client.wanted_email, client.id) != client.id:
                continue  # two want the same free email: the smaller id was first
            if client.wanted_email != client.identifier:
                del held[client.identifier]
            settled.append({"id": client.id, "identifier": client.wanted_email, "name": client.wanted_name})
        done = {row["id"] for row in settled}
        progress = any(client.id in done for client in waiting)
        waiting = [client for client in waiting if client.id not in done]
    settled += [{"id": client.id, "identifier": client.identifier, "name": client.wanted_name} for client in waiting]
    return settled, [_taken(client) for client in waiting]


def _taken(client: ClientDetails) -> RecordRejectedError:
    contact = client.deciding
    return RecordRejectedError(
        "contact",
        contact.id if contact else client.identifier,
        f"contact changed its email to {client.wanted_email}, which another client has: client {client.id} keeps"
        f" {client.identifier}",
    )
