"""Clients, their ids at the vendors, their names and emails as contacts have them, and who is whom.

Which client a Holded contact, a CRM user or a Notion page is, and which clients a window is about. Of Notion's pages
one belongs to a client, by exact email (docs/vendors.md, Notion pages of clients).
"""

import hmac
import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, Column, Index, UniqueConstraint, delete, or_
from sqlmodel import Field, Session, SQLModel, col, select

from steps.errors import RecordRejectedError
from steps.ledger.accrual import AccrualStatus, ContractAccrual
from steps.ledger.contract import Invoice, ServiceContract
from steps.ledger.months import MonthWindow
from steps.ledger.upsert import Row, chunks, merge_rows, select_in, set_by_id
from tracking.encryption import DeterministicText, EncryptedText
from tracking.models import UtcDateTime, utc_now

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
    identifier: str = Field(unique=True, sa_type=DeterministicText("client.identifier"))
    name: str = Field(default="", sa_type=EncryptedText("client.name"))


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


class Erasure(SQLModel, table=True):
    """One client whose person was erased: the trail, which names nobody. Never deleted."""

    __tablename__ = "erasure"

    id: int | None = Field(default=None, primary_key=True)
    client_id: int = Field(foreign_key="client.id")
    who: str
    reason: str
    at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)
    changed: dict[str, int] = Field(sa_column=Column(JSON, nullable=False))
    """How many rows of each table."""
    secret: str = Field(sa_type=EncryptedText("erasure.secret"))
    """What pseudonyms are made with; the same in each row."""


ERASED_NAME = "(erased)"
ERASED = "erased-"
"""How pseudonyms begin."""


@dataclass(frozen=True)
class Erased:
    """The clients whose person was erased, and the pseudonyms that took the place of their ids at the vendors."""

    secret: str = ""
    emails: Mapping[tuple[str, str], str] = field(default_factory=dict)
    """By system and pseudonym: what stands for the client's email."""

    def pseudonym(self, kind: str, external_id: str) -> str:
        """The same for the same id; without the secret nobody can try ids out."""
        digest = hmac.new(self.secret.encode(), f"{kind}\0{external_id}".encode(), "sha256").hexdigest()
        return f"{ERASED}{digest[:32]}"

    def find(self, system: System, external_id: str | None) -> tuple[str, str] | None:
        """The pseudonyms of an id and of its client's email; None: it is nobody's who was erased."""
        if not self.emails or not external_id:
            return None
        name = self.pseudonym(system, external_id)
        email = self.emails.get((system, name))
        return (name, email) if email else None


def erased_email(client_id: int) -> str:
    """What stands for the email of a client who was erased; nobody can have it (RFC 2606)."""
    return f"{ERASED}{client_id}@erased.invalid"


def read_erased(session: Session) -> Erased:
    """Everybody who was erased."""
    first = session.exec(select(Erasure).order_by(col(Erasure.id)).limit(1)).first()
    if first is None:
        return Erased()
    links = select(ClientExternalId.system, ClientExternalId.external_id, ClientExternalId.client_id).where(
        col(ClientExternalId.external_id).startswith(ERASED)
    )
    return Erased(
        first.secret, {(system, name): erased_email(client_id) for system, name, client_id in session.exec(links)}
    )


def normalize_email(value: str | None) -> str | None:
    """Trimmed and lower case; None when it is no address ("", "n/a", two in one field, an essay, lost characters)."""
    email = (value or "").strip().lower()
    if len(email) > _LONGEST_EMAIL or "\ufffd" in email:
        return None
    name, _, domain = email.partition("@")
    is_address = _PART.fullmatch(name) and _PART.fullmatch(domain) and "." in domain[1:-1]
    return email if is_address else None


@dataclass(frozen=True, slots=True)
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
    """Of one without an email or name, as it came; the others' would fill the memory of a run."""
    unreadable: str = ""
    """What is wrong with its name, and what was done about it; empty when nothing is."""

    @property
    def as_read(self) -> Any:
        """The vendor's record, for people to look at; of one with email and name what was read of it."""
        return self.record or {"id": self.id, "name": self.name, "email": self.email}


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


@dataclass
class Settled:
    """Clients as they should be."""

    rows: list[Row] = field(default_factory=list)
    """One a client. Those that free an email come before those that take it: the database checks row by row."""
    circles: list[int] = field(default_factory=list)
    """Clients who change emails in a circle, such as two who swap theirs: all must give up theirs first."""
    refused: list[RecordRejectedError] = field(default_factory=list)
    """One for each email that another client has."""

    def settle(self, client: ClientDetails) -> None:
        """Give a client the email that it wants."""
        self.rows.append({"id": client.id, "identifier": client.wanted_email, "name": client.wanted_name})


def settle_details(clients: Iterable[ClientDetails]) -> Settled:
    """What becomes of clients' names and emails; whoever has an email that one of them wants is among them."""
    held = {client.identifier: client.id for client in clients}
    settled = Settled()
    waiting = sorted(clients, key=lambda client: client.id)
    progress = True
    while progress:
        free = [client for client in waiting if held.get(client.wanted_email, client.id) == client.id]
        for client in free:
            if held.setdefault(client.wanted_email, client.id) != client.id:
                continue  # two want the same free email: the smaller id was first
            if client.wanted_email != client.identifier:
                del held[client.identifier]
            settled.settle(client)
        done = {row["id"] for row in settled.rows}
        progress = any(client.id in done for client in waiting)
        waiting = [client for client in waiting if client.id not in done]
    for client in _in_circles(waiting, held):
        settled.settle(client)
        settled.circles.append(client.id)
    for client in waiting:
        if client.id not in settled.circles:
            settled.rows.append({"id": client.id, "identifier": client.identifier, "name": client.wanted_name})
            settled.refused.append(_taken(client))
    return settled


def _in_circles(waiting: Sequence[ClientDetails], held: Mapping[str, int]) -> list[ClientDetails]:
    """Those of whom each wants the email of the next, and the last that of the first."""
    by_id, seen, found = {client.id: client for client in waiting}, set[int](), list[ClientDetails]()
    for first in waiting:
        path, client = list[ClientDetails](), by_id.get(first.id)
        while client is not None and client.id not in seen:
            seen.add(client.id)
            path.append(client)
            client = by_id.get(held[client.wanted_email])
        if client in path:
            found += path[path.index(client) :]
    return found


def _taken(client: ClientDetails) -> RecordRejectedError:
    contact = client.deciding
    return RecordRejectedError(
        "contact",
        contact.id if contact else client.identifier,
        f"contact changed its email to {client.wanted_email}, which another client has: client {client.id} keeps"
        f" {client.identifier}",
        contact.as_read if contact else None,
    )


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
    """
    matched = MatchedClients(ids=linked_contacts(session, contact_ids), contacts=set(contact_ids))
    by_email: dict[str, list[ContactCard]] = defaultdict(list)
    for contact_id in sorted(set(contact_ids) - matched.ids.keys()):
        card = cards[contact_id]
        if card.email is not None:
            by_email[card.email].append(card)
            continue
        who = f"contact {card.id} ({card.name})" if card.name else f"contact {card.id}"
        message = f"{who} has no usable email: its documents are kept without client and contract"
        matched.problems.append(RecordRejectedError("contact", card.id, message, card.as_read))
    refused = _refresh(session, matched, cards, by_email)
    if by_email:
        _link_contacts(session, by_email, matched)
        refused = _refresh(session, matched, cards)
    matched.problems += refused
    return matched


def _link_contacts(session: Session, by_email: Mapping[str, list[ContactCard]], matched: MatchedClients) -> None:
    """Link contacts with the clients of their emails, made if missing."""
    client_ids = {row["identifier"]: row["id"] for row in select_in(session, _CLIENT, Client.identifier, by_email)}
    new: list[Row] = [
        {"identifier": email, "name": min(with_email, key=lambda card: (not card.listed, card.id)).name}
        for email, with_email in by_email.items()
        if email not in client_ids
    ]
    merge = merge_rows(session, Client, new, ("identifier",))
    matched.created = len(merge.created)
    client_ids |= {key[0]: client_id for key, client_id in merge.ids.items()}
    links = {card.id: client_ids[email] for email, with_email in by_email.items() for card in with_email}
    rows = [
        {"client_id": client, "system": System.HOLDED.value, "external_id": contact}
        for contact, client in links.items()
    ]
    merge_rows(session, ClientExternalId, rows, ("system", "external_id"))
    matched.ids.update(links)


def _refresh(
    session: Session, matched: MatchedClients, cards: Cards, emails: Iterable[str] = ()
) -> list[RecordRejectedError]:
    """Let names and emails follow contacts. Returns the emails that another client keeps.

    Whose: the matched clients', theirs who have one of `emails`, and theirs who have an email that one of these takes.
    """
    details: dict[int, ClientDetails] = {}
    found = select_in(session, _CLIENT, Client.id, matched.ids.values())
    found += select_in(session, _CLIENT, Client.identifier, emails)
    while new := {row["id"]: row for row in found if row["id"] not in details}:
        contacts: dict[int, list[str]] = defaultdict(list)
        for row in select_in(session, _LINK, ClientExternalId.client_id, new, _OF_HOLDED):
            contacts[row["client_id"]].append(row["external_id"])
            matched.contacts.add(row["external_id"])
        for row in new.values():
            details[row["id"]] = ClientDetails(**row, contacts=_at_hand(contacts[row["id"]], cards))
        wanted = {each.wanted_email for each in details.values()} - {each.identifier for each in details.values()}
        found = select_in(session, _CLIENT, Client.identifier, wanted)
    settled = settle_details(details.values())
    set_by_id(session, Client, "identifier", {each: f"gives its email up: {each}" for each in settled.circles})
    columns = "id", "identifier", "name"
    stored = {(each.id,): {name: getattr(each, name) for name in columns} for each in details.values()}
    matched.updated |= {key[0] for key in merge_rows(session, Client, settled.rows, ("id",), stored).updated}
    return settled.refused


def _at_hand(contact_ids: list[str], cards: Cards) -> list[ContactCard]:
    """The contacts that may say what a client is called, first things first.

    Listed ones by id. A client whose contacts are all deleted follows the smallest id alone; an opening balance's
    has none.
    """
    listed = [cards[each] for each in sorted(contact_ids) if each in cards and cards[each].listed]
    first = min(contact_ids, default="")
    return listed or ([cards[first]] if first in cards else [])


@dataclass(frozen=True)
class CrmUsers:
    """The users and emails by which clients are known."""

    emails: Mapping[str, int]
    """Email -> id of the client who has it: of the clients looked for, and of others whose email a linked user has."""
    links: Mapping[str, int]
    """CRM user id -> client id: of the clients looked for, and of users who have the email of one."""

    def by_email(self, email: str | None) -> int | None:
        """The client who has exactly this address."""
        return self.emails.get(email or "")

    def client_of(self, user_id: str | None, email: str | None) -> int | None:
        """The client that a user is: by its email, else by the link of before."""
        by_email = self.by_email(email)
        return self.links.get(user_id or "") if by_email is None else by_email


def crm_users(
    session: Session, clients: Mapping[int, str], people: Iterable[tuple[str | None, str | None]]
) -> CrmUsers:
    """What is known of the clients (id -> email) and of the CRM's people (user id and normalized email).

    A user matters if a client looked for is linked with it, or has its email; the others are nobody's. A linked user
    whose email is another client's by now is that one, looked for or not.
    """
    listed = list(people)
    emails = {email: client_id for client_id, email in clients.items()}
    alike = {user_id for user_id, email in listed if email in emails} - {None}
    columns = ClientExternalId.external_id, ClientExternalId.client_id
    ours = ClientExternalId.system == System.FOURGEEKS
    rows = select_in(session, columns, ClientExternalId.client_id, clients, ours)
    others = alike - {row["external_id"] for row in rows}
    rows += select_in(session, columns, ClientExternalId.external_id, others, ours)
    links = {row["external_id"]: row["client_id"] for row in rows}
    changed = {email for user_id, email in listed if user_id in links and email} - emails.keys()
    holders = select_in(session, (Client.id, Client.identifier), Client.identifier, changed)
    return CrmUsers(emails | {row["identifier"]: row["id"] for row in holders}, links)


def clients_of_people(session: Session, people: Iterable[tuple[str | None, str | None]]) -> dict[int, str]:
    """The clients (id -> email) that people of the CRM (user id, normalized email) are: by a link, or by that email."""
    listed = list(people)
    emails = {email for _, email in listed} - {None}
    users = {user_id for user_id, _ in listed} - {None}
    ours = ClientExternalId.system == System.FOURGEEKS
    links = select_in(session, (ClientExternalId.client_id,), ClientExternalId.external_id, users, ours)
    columns = Client.id, Client.identifier
    rows = select_in(session, columns, Client.identifier, emails)
    rows += select_in(session, columns, Client.id, (row["client_id"] for row in links))
    return {row["id"]: row["identifier"] for row in rows}


def billed(session: Session, clients: Mapping[int, str]) -> dict[int, str]:
    """Those of the clients (id -> email) who have a document that counts."""
    rows = select_in(session, (Invoice.client_id,), Invoice.client_id, clients, col(Invoice.voided_at).is_(None))
    return {row["client_id"]: clients[row["client_id"]] for row in rows}


def clients_of_window(session: Session, window: MonthWindow) -> dict[int, str]:
    """The window's clients, as id -> email: those with a document in it, and those whose contracts are still running.

    A running contract began before the window's end and is not accrued to its end: so a drop in March is seen when
    March is read, even if the last document was January's.
    """
    invoiced = select(Invoice.client_id).where(
        col(Invoice.invoice_date) >= window.start,
        col(Invoice.invoice_date) < window.end,
        col(Invoice.voided_at).is_(None),
    )
    running = (
        select(ServiceContract.client_id)
        .join(ContractAccrual, col(ContractAccrual.contract_id) == ServiceContract.id, isouter=True)
        .where(
            col(ServiceContract.contract_date) < window.end,
            or_(
                col(ContractAccrual.id).is_(None),
                col(ContractAccrual.accrual_status) != AccrualStatus.COMPLETED,
            ),
        )
    )
    query = select(Client.id, Client.identifier).where(or_(col(Client.id).in_(invoiced), col(Client.id).in_(running)))
    return dict(session.connection().execute(query).all())


@dataclass(frozen=True)
class PageCard:
    """What counts of a page."""

    id: str
    email: str
    """Normalized."""
    edited_at: datetime
    status: str | None
    """Normalized."""
    status_date: date | None
    as_read: Callable[[], Any]
    """The vendor's record, as far as it was read."""


@dataclass
class MatchedPages:
    """The page of each client that has one."""

    chosen: dict[int, PageCard] = field(default_factory=dict)
    doubles: list[RecordRejectedError] = field(default_factory=list)
    """Further pages with an email that has a better one."""


def match_pages(session: Session, pages: Sequence[PageCard]) -> MatchedPages:
    """The page of each client. Of several with one email the one edited last, then the smallest id."""
    rows = select_in(session, (Client.id, Client.identifier), Client.identifier, (page.email for page in pages))
    clients = {row["identifier"]: row["id"] for row in rows}
    by_client: dict[int, list[PageCard]] = defaultdict(list)
    for page in sorted(sorted(pages, key=lambda page: page.id), key=lambda page: page.edited_at, reverse=True):
        if page.email in clients:
            by_client[clients[page.email]].append(page)
    matched = MatchedPages()
    for client_id, candidates in by_client.items():
        matched.chosen[client_id] = candidates[0]
        matched.doubles += [_double_page(page, candidates[0]) for page in candidates[1:]]
    return matched


def notion_links(session: Session) -> dict[str, int]:
    """Every linked page, with its client."""
    query = select(ClientExternalId.external_id, ClientExternalId.client_id).where(
        ClientExternalId.system == System.NOTION
    )
    return dict(session.exec(query).all())


def store_pages(session: Session, chosen: Mapping[int, PageCard], links: Mapping[str, int]) -> tuple[int, int]:
    """Keep one link for each of these clients. Returns how many are new, and how many were changed.

    A client whose page is another one now has a changed link, not a new one. Links are found by page and not by client,
    so that two clients whose pages were swapped do not stand in each other's way.
    """
    rows = [_page_link(client_id, page) for client_id, page in chosen.items()]
    merge = merge_rows(session, ClientExternalId, rows, ("system", "external_id"))
    keep = {page.id for page in chosen.values()}
    replaced = [page_id for page_id, client_id in links.items() if client_id in chosen and page_id not in keep]
    for page_ids in chunks(replaced):
        session.execute(
            delete(ClientExternalId).where(
                col(ClientExternalId.system) == System.NOTION, col(ClientExternalId.external_id).in_(page_ids)
            )
        )
    linked = set(links.values())
    written = {key[1] for key in (*merge.created, *merge.updated)}
    created = sum(page.id in written and client_id not in linked for client_id, page in chosen.items())
    return created, len(written) - created


def lost_pages(
    links: Mapping[str, int], chosen: Iterable[int], listed: Mapping[str, Callable[[], Any]]
) -> list[RecordRejectedError]:
    """Linked pages (id -> client) whose client has no page now, as those `chosen` have: the link stays as it was."""
    with_page = set(chosen)
    return [
        RecordRejectedError(
            "page",
            page_id,
            f"page {page_id} of client {client_id} "
            + ("no longer has the client's email" if page_id in listed else "is gone from Notion")
            + ": the link is kept",
            listed[page_id]() if page_id in listed else None,
            client_id=client_id,
        )
        for page_id, client_id in links.items()
        if client_id not in with_page
    ]


def _page_link(client_id: int, page: PageCard) -> Row:
    return {
        "client_id": client_id,
        "system": System.NOTION.value,
        "external_id": page.id,
        "educational_status": page.status,
        "educational_status_date": page.status_date,
    }


def _double_page(page: PageCard, better: PageCard) -> RecordRejectedError:
    return RecordRejectedError(
        "page",
        page.id,
        f"page {page.id} has the same email as page {better.id}, which was edited last",
        page.as_read(),
    )
