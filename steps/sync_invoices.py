"""Holded invoices and credit notes of a month -> clients, contracts and the documents themselves.

The vendor is read first (`invoice_reading.py`), then everything is applied in one short transaction. Who is whose
client, which document belongs to which contract, and what a contract is worth are rules of the ledger (`domain/`).
"""

from collections.abc import Sequence
from typing import Any

from sqlmodel import Session

from steps.applying import applying
from steps.catalog import INVOICES
from steps.connectors.holded_payloads import Document
from steps.domain.client_matching import MatchedClients, match_clients
from steps.domain.contract_linking import LinkableDocument, link_documents, relink_credit_notes
from steps.domain.contract_totals import recompute_contracts
from steps.domain.document_gone import Upstream, find_gone, mark_void
from steps.domain.invoice import DocumentKind, Invoice
from steps.domain.months import MonthWindow
from steps.domain.rows import Merge, Row, merge_rows, select_in
from steps.domain.service import Service
from steps.errors import RecordRejectedError
from steps.income_accounts import store_services
from steps.invoice_reading import InvoicesRead, contact_ids, read_invoices
from steps.report import StepReport
from steps.scope import EVERYTHING, Scope
from steps.settings import SyncSettings
from tracking.columns import utc_now


def sync_invoices(window: MonthWindow, execution_id: int | None = None, scope: Scope = EVERYTHING) -> dict[str, Any]:
    """Import invoices and clients from Holded.

    Processed are the documents of the window, unreadable ones included; created and updated are rows written, credit
    notes of other windows that followed their invoice too; voided are documents that the vendor lists no more. A
    contract that has no document left is canceled and reported.
    Skipped are documents without a service line: stored without contract, and counted as created when they are new.
    """
    settings = scope.ease(SyncSettings.load())
    read = read_invoices(window, settings, scope)
    report = StepReport(INVOICES, scope)
    with applying(report, settings, execution_id) as session:
        apply_invoices(session, read.window, read, settings, report)
    return report.as_result()


def apply_invoices(
    session: Session, window: MonthWindow, read: InvoicesRead, settings: SyncSettings, report: StepReport
) -> None:
    """Bring the ledger to what the vendor says of a window.

    Raises:
        SuspiciousEmptyError: the vendor lost most of the documents that the ledger knows.
    """
    documents, rejected = read.documents.documents.records, read.documents.documents.rejected
    upstream = Upstream(read.documents.span, read.documents.ids_in_span, read.documents.gone, read.documents.not_asked)
    void_unasked = settings.accept_loss and report.scope.is_everything
    gone = find_gone(session, window, upstream, accept_loss=settings.accept_loss, void_unasked=void_unasked)
    gone = gone.limited_to(report.scope.concerns)
    store_services(session, read.new_services)
    clients = match_clients(session, contact_ids(documents), read.cards)
    linkable = _linkable(session, documents, clients)
    linking = link_documents(session, linkable)
    report.reject([*rejected, *read.rejected, *clients.problems, *linking.problems])
    merge, touched = _store_documents(session, linkable)
    relinked = relink_credit_notes(session, _invoice_ids(documents))
    report.reject([*relinked.problems, *_without_contact(documents)])
    report.report_gone(gone.problems)
    mark_void(session, gone, utc_now())
    touched |= linking.contract_ids | relinked.contract_ids | gone.contract_ids
    emptied = recompute_contracts(
        session, touched, lambda row: settings.amount_counted(total=row["total_amount"], net=row["net_amount"])
    )
    report.report_gone(emptied)
    report.checked("service_contract", map(str, touched))
    _count(report, linkable, merge, clients)
    report.checked("service", read.accounts)
    report.processed = read.documents.documents.count
    report.updated += linking.moved + relinked.moved
    report.extra["invoices_voided"] = len(gone.newly)


def _linkable(session: Session, documents: Sequence[Document], clients: MatchedClients) -> list[LinkableDocument]:
    accounts = {account for document in documents for account in document.line_accounts}
    services = {
        row["external_id"]: row["id"]
        for row in select_in(session, (Service.id, Service.external_id), Service.external_id, accounts)
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
        "original_data": document.raw,
    }


def _store_documents(session: Session, linkable: Sequence[LinkableDocument]) -> tuple[Merge, set[int]]:
    """Write the documents. Returns the merge, and every contract that has or had one of them."""
    rows = [each.row for each in linkable]
    columns = (Invoice.external_id, Invoice.service_contract_id)
    before = select_in(session, columns, Invoice.external_id, (row["external_id"] for row in rows))
    merge = merge_rows(session, Invoice, rows, ("external_id",))
    return merge, {row["service_contract_id"] for row in (*before, *rows)} - {None}


def _invoice_ids(documents: Sequence[Document]) -> list[str]:
    return [document.id for document in documents if document.kind is DocumentKind.INVOICE]


def _without_contact(documents: Sequence[Document]) -> list[RecordRejectedError]:
    return [
        RecordRejectedError(
            document.kind.value,
            document.id,
            f"{document.kind.value} {document.id} names no contact: kept without client and contract",
            document.raw,
        )
        for document in documents
        if document.contact_id is None
    ]


def _count(report: StepReport, linkable: Sequence[LinkableDocument], merge: Merge, clients: MatchedClients) -> None:
    report.created, report.updated = len(merge.created), len(merge.updated)
    report.skipped = sum(each.service_id is None and each.row["service_contract_id"] is None for each in linkable)
    report.extra |= {"clients_created": clients.created, "clients_updated": len(clients.updated)}
    for each in linkable:
        report.checked(each.row["kind"], [each.row["external_id"]])
    report.checked("contact", clients.contacts)
