"""Which client a user of the CRM is: by an id that is linked already, or by exact email (interfaces.md)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sqlmodel import Session

from steps.domain.client import ClientExternalId, System, normalize_email
from steps.domain.rows import select_in


@dataclass(frozen=True)
class CrmUsers:
    """The users and emails by which clients are known."""

    emails: Mapping[str, int]
    """Email -> id of one of the clients looked for."""
    links: Mapping[str, int]
    """CRM user id -> client id, of any client."""

    def by_email(self, email: str | None) -> int | None:
        """The client looked for who has exactly this address."""
        return self.emails.get(normalize_email(email) or "")

    def of_enrollment(self, user_id: str | None, email: str | None) -> int | None:
        """The client of an enrollment's user: a link says more than an address, which can be changed."""
        linked = self.links.get(user_id or "")
        return self.by_email(email) if linked is None else linked


def crm_users(session: Session, clients: Mapping[int, str], user_ids: Iterable[str]) -> CrmUsers:
    """What is known of the clients (id -> email) and of these CRM users."""
    columns, ours = (
        (ClientExternalId.external_id, ClientExternalId.client_id),
        ClientExternalId.system == System.FOURGEEKS,
    )
    rows = select_in(session, columns, ClientExternalId.external_id, user_ids, ours)
    rows += select_in(session, columns, ClientExternalId.client_id, clients, ours)
    links = {row["external_id"]: row["client_id"] for row in rows}
    return CrmUsers({email: client_id for client_id, email in clients.items()}, links)
