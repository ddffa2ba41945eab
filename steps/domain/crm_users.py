"""Which client a user of the CRM is: by an id that is linked already, or by exact email (interfaces.md)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sqlmodel import Session

from steps.domain.client import Client, ClientExternalId, System, normalize_email
from steps.domain.rows import select_in


@dataclass(frozen=True)
class CrmUsers:
    """The users and emails by which clients are known."""

    emails: Mapping[str, int]
    """Email -> id of one of the clients looked for."""
    links: Mapping[str, int]
    """CRM user id -> client id: of the clients looked for, and of users who have the email of one."""

    def by_email(self, email: str | None) -> int | None:
        """The client looked for who has exactly this address."""
        return self.emails.get(normalize_email(email) or "")

    def of_enrollment(self, user_id: str | None, email: str | None) -> int | None:
        """The client of an enrollment's user: a link says more than an address, which can be changed."""
        linked = self.links.get(user_id or "")
        return self.by_email(email) if linked is None else linked


def crm_users(
    session: Session, clients: Mapping[int, str], people: Iterable[tuple[str | None, str | None]]
) -> CrmUsers:
    """What is known of the clients (id -> email) and of the CRM's people (user id and email).

    A user matters if a client looked for is linked with it, or has its email; the others are nobody's.
    """
    emails = {email: client_id for client_id, email in clients.items()}
    alike = {user_id for user_id, email in people if normalize_email(email) in emails} - {None}
    columns = ClientExternalId.external_id, ClientExternalId.client_id
    ours = ClientExternalId.system == System.FOURGEEKS
    rows = select_in(session, columns, ClientExternalId.external_id, alike, ours)
    rows += select_in(session, columns, ClientExternalId.client_id, clients, ours)
    return CrmUsers(emails, {row["external_id"]: row["client_id"] for row in rows})


def clients_of_people(session: Session, people: Iterable[tuple[str | None, str | None]]) -> dict[int, str]:
    """The clients (id -> email) that people of the CRM (user id and email) are: by a link, or by the same email."""
    listed = list(people)
    emails = {normalize_email(email) for _, email in listed} - {None}
    users = {user_id for user_id, _ in listed} - {None}
    ours = ClientExternalId.system == System.FOURGEEKS
    links = select_in(session, (ClientExternalId.client_id,), ClientExternalId.external_id, users, ours)
    columns = Client.id, Client.identifier
    rows = select_in(session, columns, Client.identifier, emails)
    rows += select_in(session, columns, Client.id, (row["client_id"] for row in links))
    return {row["id"]: row["identifier"] for row in rows}
