"""Everything that a window of documents needs from Holded, read before the ledger's transaction opens.

The lists do not hold everything: in a real tenant 40 % of the lines point at deleted income accounts, and 33 % of the
contacts on documents are deleted (vendors/holded.md). Those are asked for by id, once a run, and only if the ledger
does not know them yet.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import date
from typing import TypeVar

from steps.connectors.holded_payloads import Contact, Document, IncomeAccount
from steps.connectors.listing import Listing
from steps.domain.client_details import ContactCard
from steps.domain.client_matching import linked_contacts
from steps.domain.document_gone import known_documents
from steps.domain.invoice import DocumentKind
from steps.domain.months import MonthWindow
from steps.domain.rows import select_in
from steps.domain.service import Service
from steps.errors import RecordRejectedError, VendorAuthError, VendorError
from steps.income_accounts import is_service
from steps.scope import EVERYTHING, Scope
from steps.settings import SyncSettings
from steps.vendor_reads import DocumentsRead, VendorReads, current_reads
from tracking.database import read_session

Found = TypeVar("Found")


@dataclass(frozen=True)
class InvoicesRead:
    """A window's documents, with the contacts and accounts they name."""

    window: MonthWindow
    """Where the documents are dated: the window, or all that was read when just some are wanted."""
    documents: DocumentsRead
    new_services: list[IncomeAccount]
    """Accounts on lines that fit the settings and are no service yet."""
    cards: dict[str, ContactCard]
    """By contact id: all listed contacts, and whatever the documents name besides."""
    rejected: list[RecordRejectedError]
    """Contacts and accounts on these documents that could not be read."""
    accounts: set[str]
    """The income accounts on the lines, readable or not."""


def read_invoices(window: MonthWindow, settings: SyncSettings, scope: Scope = EVERYTHING) -> InvoicesRead:
    """Read a window's documents and what they name.

    A scope means its documents, and those of its contacts, wherever in the run's range they are dated: once mended, a
    date may be another month's, and a contact has documents in many.
    """
    with current_reads(window) as reads:
        window = window if scope.is_everything else reads.span or window
        read = _narrow(reads.documents(window, _known), scope)
        documents = read.documents.records
        named = {account for each in documents for account in each.line_accounts}
        accounts, faulty_accounts = _unknown_accounts(reads, named)
        contacts = reads.contacts() if documents else Listing[Contact]()
        cards = {contact.id: _card(contact, listed=True) for contact in contacts.records}
        wanted = {each.contact_id for each in documents if each.contact_id}
        faulty = [error for error in contacts.rejected if error.external_id in wanted]
        names = {each.contact_id: each.contact_name for each in documents if each.contact_id}
        unlisted = wanted - cards.keys()
        unlisted_cards, faulty_by_id = _unlisted_cards(reads, unlisted, {each.external_id for each in faulty}, names)
        cards |= unlisted_cards
    rejected = [*faulty, *faulty_by_id, *faulty_accounts]
    return InvoicesRead(window, read, [each for each in accounts if is_service(each, settings)], cards, rejected, named)


def _known(kind: DocumentKind, months: MonthWindow) -> dict[str, date]:
    with read_session() as session:
        return known_documents(session, kind, months)


def _narrow(read: DocumentsRead, scope: Scope) -> DocumentsRead:
    contacts = scope.ids("contact")
    documents = scope.narrow(
        read.documents, lambda each: each.contact_id in contacts or scope.concerns(each.kind.value, each.id)
    )
    return replace(read, documents=documents)


def _card(contact: Contact, *, listed: bool) -> ContactCard:
    return ContactCard(contact.id, contact.name, contact.email, listed, contact.raw)


def _unknown_accounts(
    reads: VendorReads, account_ids: set[str]
) -> tuple[list[IncomeAccount], list[RecordRejectedError]]:
    """The accounts on lines that are no service yet: from the list, else by id; and those that cannot be read so."""
    with read_session() as session:
        rows = select_in(session, (Service.external_id,), Service.external_id, account_ids)
    unknown = account_ids - {row["external_id"] for row in rows}
    if not unknown:
        return [], []
    listed = {account.id: account for account in reads.income_accounts().records}
    found = [listed[account_id] for account_id in sorted(unknown & listed.keys())]
    rejected: list[RecordRejectedError] = []
    for account_id in sorted(unknown - listed.keys()):
        try:
            account = _one("service", account_id, reads.income_account)
        except RecordRejectedError as error:
            rejected.append(error)
        else:
            found += [account] if account is not None else []
    return found, rejected


def _unlisted_cards(
    reads: VendorReads, contact_ids: set[str], faulty: set[str], names: dict[str, str]
) -> tuple[dict[str, ContactCard], list[RecordRejectedError]]:
    """Contacts that are missing from the list: nothing for those the ledger knows, the others by id.

    One that nobody knows, or that cannot be read, is a placeholder with the name that the document has for it.
    """
    with read_session() as session:
        unknown = sorted(contact_ids - linked_contacts(session, contact_ids).keys())
    cards = {each: ContactCard(each, names[each], None, listed=False) for each in unknown}
    rejected: list[RecordRejectedError] = []
    for contact_id in unknown:
        if contact_id in faulty:
            continue
        try:
            contact = _one("contact", contact_id, reads.contact)
        except RecordRejectedError as error:
            rejected.append(error)
        else:
            cards |= {contact_id: _card(contact, listed=False)} if contact else {}
    return cards, rejected


def _one(entity_type: str, external_id: str, read: Callable[[str], Found | None]) -> Found | None:
    """One record by id; None when the vendor has none.

    Raises:
        RecordRejectedError: no answer that can be used, which costs the record its documents, not the month.
        VendorAuthError: the credential was refused, which concerns every record.
    """
    try:
        return read(external_id)
    except VendorAuthError:
        raise
    except VendorError as error:
        raise RecordRejectedError(entity_type, external_id, f"{entity_type} {external_id}: {error}") from error


def contact_ids(documents: Iterable[Document]) -> set[str]:
    """The contacts that documents name."""
    return {document.contact_id for document in documents if document.contact_id}
