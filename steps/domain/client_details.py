"""What a client is called, and which email it goes by, when it has several contacts or they change."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from steps.domain.rows import Row
from steps.errors import RecordRejectedError


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
