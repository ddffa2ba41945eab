"""From Notion pages to clients: one page a client, by exact email (docs/vendors.md, Notion pages of clients)."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from sqlalchemy import delete
from sqlmodel import Session, col, select

from steps.errors import RecordRejectedError
from steps.ledger.client import Client, ClientExternalId, System
from steps.ledger.upsert import Row, chunks, merge_rows, select_in


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
        matched.doubles += [_double(page, candidates[0]) for page in candidates[1:]]
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
    rows = [_row(client_id, page) for client_id, page in chosen.items()]
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


def lost_pages(links: Mapping[str, int], chosen: Iterable[int], listed: set[str]) -> list[RecordRejectedError]:
    """Linked pages whose client has no page now: the link is kept, with the status it had."""
    with_page = set(chosen)
    return [
        RecordRejectedError(
            "page",
            page_id,
            f"page {page_id} of client {client_id} "
            + ("no longer has the client's email" if page_id in listed else "is gone from Notion")
            + ": the link is kept",
            {"client_id": client_id},
        )
        for page_id, client_id in links.items()
        if client_id not in with_page
    ]


def _row(client_id: int, page: PageCard) -> Row:
    return {
        "client_id": client_id,
        "system": System.NOTION.value,
        "external_id": page.id,
        "educational_status": page.status,
        "educational_status_date": page.status_date,
    }


def _double(page: PageCard, better: PageCard) -> RecordRejectedError:
    return RecordRejectedError(
        "page",
        page.id,
        f"page {page.id} has the same email as page {better.id}, which was edited last",
        {"email": page.email, "chosen": better.id},
    )
