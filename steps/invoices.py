"""Step `invoices`: Holded invoices and credit notes of a month -> clients, contracts and the documents themselves.

The vendor is read first, then everything is applied in one short transaction. Which client a contact is, which contract
a document belongs to and what a contract is worth are rules of the ledger (`ledger/`).
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import ClassVar, TypeVar

from pydantic_core import to_jsonable_python
from sqlmodel import Session

from steps.catalog import INVOICES, Step
from steps.context import StepContext, StepReport, applying
from steps.errors import RecordRejectedError, RecordRepairedError, VendorAuthError, VendorError
from steps.ledger.client import Client, ContactCard, MatchedClients, linked_contacts, match_clients
from steps.ledger.contract import (
    DocumentKind,
    Invoice,
    LinkableDocument,
    clientless_documents,
    link_documents,
    recompute_contracts,
    relink_credit_notes,
)
from steps.ledger.missing_upstream import Upstream, find_gone, known_documents
from steps.ledger.months import MonthWindow
from steps.ledger.service import Service
from steps.ledger.upsert import Row, merge_rows, select_in, set_by_id
from steps.reports.reconciliation import Listed, Reconciliation, compare, keep
from steps.results import ImportResult
from steps.services import store_services
from steps.settings import SyncSettings
from steps.sources import DocumentsRead, VendorReads
from steps.task import step_task
from steps.vendors.holded import Document, IncomeAccount
from steps.vendors.parsing import REPLACEMENT, Listing
from tracking.database import read_session, write_session
from tracking.integration_errors import RecordKey, records_of_window
from tracking.models import utc_now
from tracking.redaction import redact_json


class InvoicesResult(ImportResult):
    """Received are the documents of the window; a document is in trouble if its contact or an account of its lines is.

    Created and updated are rows written, credit notes of other windows that followed their invoice too. Skipped are
    documents without a service line: stored without contract, and counted as created when they are new.
    """

    step: ClassVar[Step] = INVOICES
    clients_created: int = 0
    clients_updated: int = 0
    invoices_voided: int = 0
    """Documents that the vendor lists no more."""

    @property
    def changed_something(self) -> bool:
        """Whether documents or clients were written, or documents voided."""
        clients = self.clients_created or self.clients_updated
        return super().changed_something or bool(clients or self.invoices_voided)


@step_task(INVOICES)
def sync_invoices(context: StepContext, window: MonthWindow) -> InvoicesResult:
    """Import invoices and clients from Holded. A contract that has no document left is canceled and reported."""
    read = read_invoices(context, window)
    report = StepReport(InvoicesResult(), context)
    with applying(report) as session:
        apply_invoices(session, read.window, read, report)
    return report.result


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
    """Contacts and accounts on these documents that could not be read, and contacts without an id: anybody's."""
    accounts: set[str]
    """The income accounts on the lines, readable or not."""


def read_invoices(context: StepContext, window: MonthWindow) -> InvoicesRead:
    """Read a window's documents and what they name.

    A scope means its documents, and those of its contacts, wherever in the run's range they are dated: once mended, a
    date may be another month's, and a contact has documents in many.
    """
    scope, reads = context.scope, context.reads
    window = window if scope.is_everything else reads.span or window
    read, meant = reads.documents(window, _known), scope.ids("contact")
    listing = scope.narrow(
        read.documents, lambda each: each.contact_id in meant or scope.concerns(each.kind.value, each.id)
    )
    documents = listing.records
    named = {account for each in documents for account in each.line_accounts}
    accounts, faulty_accounts = _unknown_accounts(reads, named)
    contacts = reads.contacts() if documents else Listing[ContactCard]()
    cards = {contact.id: contact for contact in contacts.records}
    wanted = {each.contact_id for each in documents if each.contact_id}
    faulty = [error for error in contacts.rejected if not error.external_id or error.external_id in wanted]
    names = {each.contact_id: each.contact_name for each in documents if each.contact_id}
    unlisted = wanted - cards.keys()
    unlisted_cards, faulty_by_id = _unlisted_cards(reads, unlisted, {each.external_id for each in faulty}, names)
    cards |= unlisted_cards
    rejected = [*faulty, *faulty_by_id, *faulty_accounts]
    for card in (cards[each] for each in wanted & cards.keys()):
        if card.unreadable:
            message = f"contact {card.id}: {card.unreadable}"
            rejected.append(RecordRepairedError("contact", card.id, message, card.record))
    services = [each for each in accounts if context.settings.is_service(each.account_number, each.name)]
    return InvoicesRead(window, replace(read, documents=listing), services, cards, rejected, named)


def reconcile(context: StepContext, window: MonthWindow) -> Reconciliation:
    """Compare a month's documents at Holded with the ledger's, and keep what came out; nothing else is written.

    Raises:
        VendorError: the documents could not be read.
    """
    read = context.reads.documents(window, _known)
    rows = [
        _row(each, None) | {"contact": each.contact_id, "accounts": each.line_accounts}
        for each in read.documents.records
    ]
    with write_session() as session:
        found = compare(session, window, Listed(rows, read.documents.rejected, read.not_asked), context.settings)
        keep(session, found)
    return found


def _known(kind: DocumentKind, months: MonthWindow) -> dict[str, date]:
    with read_session() as session:
        return known_documents(session, kind, months)


def _unknown_accounts(
    reads: VendorReads, account_ids: set[str]
) -> tuple[list[IncomeAccount], list[RecordRejectedError]]:
    """The accounts on lines that are no service yet: from the list, else by id; and those that cannot be read so.

    One with lost characters in its name, as it was by id once, counts as unknown.
    """
    with read_session() as session:
        columns = Service.external_id, Service.name, Service.description
        rows = select_in(session, columns, Service.external_id, account_ids)
    unknown = account_ids - {row.pop("external_id") for row in rows if not any(map(_is_damaged, row.values()))}
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
            if account is not None and account.unreadable:
                message = f"service {account_id}: {account.unreadable}"
                rejected.append(RecordRepairedError("service", account_id, message, to_jsonable_python(account)))
    return found, rejected


def _is_damaged(text: str) -> bool:
    return REPLACEMENT in text


def _unlisted_cards(
    reads: VendorReads, contact_ids: set[str], faulty: set[str], names: dict[str, str]
) -> tuple[dict[str, ContactCard], list[RecordRejectedError]]:
    """Contacts that are missing from the list: nothing for those the ledger knows, the others by id.

    One that nobody knows, or that cannot be read, is a placeholder with the name that the document has for it. One
    whose client's name has lost characters, as it was by id once, is asked for again.
    """
    with read_session() as session:
        linked = linked_contacts(session, contact_ids)
        clients = select_in(session, (Client.id, Client.name), Client.id, linked.values())
    damaged = {row["id"] for row in clients if _is_damaged(row["name"])}
    unknown = contact_ids - linked.keys()
    cards = {each: ContactCard(each, names[each], None, listed=False) for each in unknown}
    rejected: list[RecordRejectedError] = []
    for contact_id in sorted(unknown | {each for each, client_id in linked.items() if client_id in damaged}):
        if contact_id in faulty:
            continue
        try:
            contact = _one("contact", contact_id, reads.contact)
        except RecordRejectedError as error:
            rejected.append(error)
        else:
            cards |= {contact_id: contact} if contact else {}
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


def apply_invoices(
    session: Session,
    window: MonthWindow,
    read: InvoicesRead,
    report: StepReport[InvoicesResult],
) -> None:
    """Bring the ledger to what the vendor says of a window.

    Raises:
        SuspiciousEmptyError: the vendor lost most of the documents that the ledger knows.
    """
    settings, scope = report.context.settings, report.context.scope
    documents, rejected = read.documents.documents.records, read.documents.documents.rejected
    upstream = Upstream(read.documents.span, read.documents.ids_in_span, read.documents.gone, read.documents.not_asked)
    void_unasked = settings.accept_loss and scope.is_everything
    gone = find_gone(session, window, upstream, accept_loss=settings.accept_loss, void_unasked=void_unasked)
    gone = gone.limited_to(scope.concerns)
    store_services(session, read.new_services)
    named = {document.contact_id for document in documents if document.contact_id}
    clients = match_clients(session, named, read.cards)
    linkable = _linkable(session, documents, clients, settings)
    linking = link_documents(session, linkable, read.documents.gone)
    rows = [each.row for each in linkable]
    merge = merge_rows(session, Invoice, rows, ("external_id",))
    touched = {row["service_contract_id"] for row in (*merge.before.values(), *rows)} - {None}
    invoices = [document.id for document in documents if document.kind is DocumentKind.INVOICE]
    relinked = relink_credit_notes(session, invoices)
    problems = [*linking.problems, *relinked.problems, *_without_contact(documents)]
    report.reject(_with_records(session, [*rejected, *read.rejected, *clients.problems, *problems]))
    report.report_gone(_with_records(session, gone.problems))
    set_by_id(session, Invoice, "voided_at", dict.fromkeys((row["id"] for row in gone.newly), utc_now()))
    touched |= linking.contract_ids | relinked.contract_ids | gone.contract_ids
    emptied = recompute_contracts(
        session, touched, lambda row: settings.amount_counted(total=row["total_amount"], net=row["net_amount"])
    )
    report.report_gone(emptied)
    report.checked("service_contract", map(str, touched))
    report.checked("service", read.accounts)
    report.checked("contact", clients.contacts)
    for each in documents:
        report.checked(each.kind.value, [each.id])
    _settle_others(session, read, report)
    # They name no service, and follow no invoice into a contract.
    unlinked = {
        each.row["external_id"]
        for each in linkable
        if each.service_id is None and each.row["service_contract_id"] is None
    }
    result = report.result
    report.count(read.documents.documents, _keys, lambda document: document.id in unlinked)
    result.created, result.updated = len(merge.created), len(merge.updated) + linking.moved + relinked.moved
    result.clients_created, result.clients_updated = clients.created, len(clients.updated)
    result.invoices_voided = len(gone.newly)


def _settle_others(session: Session, read: InvoicesRead, report: StepReport[InvoicesResult]) -> None:
    """Let errors pass of what this window met once and has no longer: a document was deleted, or names another contact.

    What is listed elsewhere in the range is that window's; a contact is in trouble as long as a document names it.
    """
    if not report.context.scope.is_everything:
        return
    known = records_of_window(session, report.context.execution_id)
    named = {each for _, each in clientless_documents(session, {each for kind, each in known if kind == "contact"})}
    others = {"contact": named, "service": set(), **dict.fromkeys(map(str, DocumentKind), read.documents.ids_in_span)}
    for kind, external_id in known:
        if kind in others and external_id not in others[kind]:
            report.checked(kind, [external_id])


def _linkable(
    session: Session, documents: Sequence[Document], clients: MatchedClients, settings: SyncSettings
) -> list[LinkableDocument]:
    accounts = {account for document in documents for account in document.line_accounts}
    columns = Service.id, Service.external_id, Service.account_identifier, Service.name
    services = {
        row["external_id"]: row["id"]
        for row in select_in(session, columns, Service.external_id, accounts)
        if settings.is_service(row["account_identifier"], row["name"])
    }
    return [
        LinkableDocument(
            _row(document, clients.ids.get(document.contact_id or "")),
            next((services[account] for account in document.line_accounts if account in services), None),
        )
        for document in documents
    ]


def _row(document: Document, client_id: int | None) -> Row:
    return {
        "external_id": document.id,
        "kind": document.kind.value,
        "client_id": client_id,
        "service_contract_id": None,  # found by link_documents
        "source_external_id": document.source_invoice_id,
        "invoice_number": document.number,
        "invoice_date": document.day,
        "due_date": document.due_day,
        "total_amount": document.total_amount,
        "net_amount": document.net_amount,
        "currency": document.currency,
        "status": document.status,
        "voided_at": None,  # it is listed, so it counts (again)
        "original_data": json.loads(document.raw),
    }


def _without_contact(documents: Sequence[Document]) -> list[RecordRejectedError]:
    return [
        RecordRejectedError(
            document.kind.value,
            document.id,
            f"{document.kind.value} {document.id} names no contact: kept without client and contract",
            json.loads(document.raw),
        )
        for document in documents
        if document.contact_id is None
    ]


def _with_records(session: Session, errors: Sequence[RecordRejectedError]) -> Sequence[RecordRejectedError]:
    """The errors; those of documents that are not at hand get the vendor's record as the ledger has it."""
    without = [error for error in errors if error.record is None and error.entity_type in set(DocumentKind)]
    columns = Invoice.external_id, Invoice.original_data
    rows = select_in(session, columns, Invoice.external_id, (error.external_id for error in without))
    kept = {row["external_id"]: row["original_data"] for row in rows}
    for error in without:
        error.record = redact_json(kept.get(error.external_id))
    return errors


def _keys(document: Document) -> list[RecordKey]:
    """Of the document and of what it names: with one of them in trouble it is not applied whole."""
    named = [("contact", document.contact_id or ""), *(("service", account) for account in document.line_accounts)]
    return [(document.kind.value, document.id), *named]
