"""From contacts to clients: by contact id, else by email, else a new one (interfaces.md, How records are matched)."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from sqlmodel import Session

from steps.domain.client import Client, ClientExternalId, System
from steps.domain.client_details import ClientDetails, ContactCard, settle_details
from steps.domain.rows import Row, merge_rows, select_in
from steps.errors import RecordRejectedError

Cards = Mapping[str, ContactCard]

_CLIENT = (Client.id, Client.identifier, Client.name)
_LINK = (ClientExternalId.external_id, ClientExternalId.client_id)
_OF_HOLDED = ClientExternalId.system == System.HOLDED


@dataclass
class MatchedClients:
    """The client of each contact that has one."""

    ids: dict[str, int] = field(default_factory=dict)
    created: int = 0
    updated: set[int] = field(default_factory=set)
    """Clients whose name or email was written."""
    contacts: set[str] = field(default_factory=set)
    """Every contact that was looked at: those on the documents, and the others of the same clients."""
    problems: list[RecordRejectedError] = field(default_factory=list)


def linked_contacts(session: Session, contact_ids: Iterable[str]) -> dict[str, int]:
    """The contacts that the ledger knows, with their clients."""
    rows = select_in(session, _LINK, ClientExternalId.external_id, contact_ids, _OF_HOLDED)
    return {row["external_id"]: row["client_id"] for row in rows}


def match_clients(session: Session, contact_ids: Collection[str], cards: Cards) -> MatchedClients:
    """Find or make the client of each contact, and bring names and emails up to date.

    Several contacts with one email are one client. A contact that is not linked yet and has no email has no client: it
    is a problem, and its documents are kept without one. Known clients get their present emails first, so that a new
    contact finds them by those.

    Args:
        session: an open write session.
        contact_ids: those on the documents at hand.
        cards: what is known of contacts, of these and of any other.
    """
    matched = MatchedClients(ids=linked_contacts(session, contact_ids), contacts=set(contact_ids))
    _refresh(session, matched, cards)
    by_email: dict[str, list[ContactCard]] = defaultdict(list)
    for contact_id in sorted(set(contact_ids) - matched.ids.keys()):
        card = cards[contact_id]
        if card.email is None:
            matched.problems.append(_no_email(card))
        else:
            by_email[card.email].append(card)
    client_ids = _clients_of_emails(session, by_email, matched)
    links = {card.id: client_ids[email] for email, with_email in by_email.items() for card in with_email}
    merge_rows(
        session,
        ClientExternalId,
        [
            {"client_id": client, "system": System.HOLDED.value, "external_id": contact}
            for contact, client in links.items()
        ],
        ("system", "external_id"),
    )
    matched.ids.update(links)
    matched.problems += _refresh(session, matched, cards)
    return matched


def _clients_of_emails(
    session: Session, by_email: Mapping[str, list[ContactCard]], matched: MatchedClients
) -> dict[str, int]:
    rows = select_in(session, _CLIENT, Client.identifier, by_email)
    known: dict[str, int] = {row["identifier"]: row["id"] for row in rows}
    new: list[Row] = [
        {"identifier": email, "name": min(with_email, key=lambda card: (not card.listed, card.id)).name}
        for email, with_email in by_email.items()
        if email not in known
    ]
    merge = merge_rows(session, Client, new, ("identifier",))
    matched.created = len(merge.created)
    return known | {key[0]: client_id for key, client_id in merge.ids.items()}


def _refresh(session: Session, matched: MatchedClients, cards: Cards) -> list[RecordRejectedError]:
    """Let the clients' names and emails follow their contacts. Returns the emails that another client has."""
    clients = select_in(session, _CLIENT, Client.id, matched.ids.values())
    contacts: dict[int, list[str]] = defaultdict(list)
    for row in select_in(session, _LINK, ClientExternalId.client_id, matched.ids.values(), _OF_HOLDED):
        contacts[row["client_id"]].append(row["external_id"])
        matched.contacts.add(row["external_id"])
    details = [
        ClientDetails(row["id"], row["identifier"], row["name"], _at_hand(contacts[row["id"]], cards))
        for row in clients
    ]
    new_emails = {each.wanted_email for each in details} - {each.identifier for each in details}
    holders = select_in(session, _CLIENT, Client.identifier, new_emails)
    rows, refused = settle_details(details, {row["identifier"]: row["id"] for row in holders})
    matched.updated |= {key[0] for key in merge_rows(session, Client, rows, ("id",)).updated}
    return refused


def _at_hand(contact_ids: list[str], cards: Cards) -> list[ContactCard]:
    """The contacts that may say what a client is called, first things first.

    Listed ones by id. A client whose contacts are all deleted follows the smallest id alone.
    """
    listed = [cards[each] for each in sorted(contact_ids) if each in cards and cards[each].listed]
    first = min(contact_ids)
    return listed or ([cards[first]] if first in cards else [])


def _no_email(card: ContactCard) -> RecordRejectedError:
    who = f" ({card.name})" if card.name else ""
    return RecordRejectedError(
        "contact",
        card.id,
        f"contact {card.id}{who} has no usable email: its documents are kept without client and contract",
        card.record,
    )
