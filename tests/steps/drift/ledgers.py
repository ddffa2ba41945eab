"""What is compared: the whole ledger by content, but for what history leaves in it by design."""

from decimal import Decimal
from uuid import uuid4

from sqlalchemy import ColumnElement, delete, exists, select
from sqlmodel import SQLModel, col

from steps.catalog import CRM_CLIENTS, INVOICES, SERVICE_PERIODS
from steps.ledger.accrual import AccruedPeriod, ContractAccrual
from steps.ledger.client import Client, ClientExternalId
from steps.ledger.contract import Invoice, ServiceContract
from steps.ledger.money import ZERO
from steps.ledger.months import MonthWindow
from steps.ledger.service import Service, ServicePeriod
from steps.sandbox.records import World
from steps.settings import SyncSettings
from tests.kill_matrix.ledger_content import Content, ledger_content
from tests.steps.accruals.recorded_imports import end_as
from tests.steps.calls import (
    one_run,
    process_accruals,
    sync_crm_clients,
    sync_invoices,
    sync_notion_external_ids,
    sync_service_periods,
    sync_services,
)
from tests.steps.drift.changes import FIRST_MONTH, LAST_MONTH
from tests.steps.records import month
from tracking.database import get_engine, read_session, write_session
from tracking.locks import run_lock
from tracking.models import ErrorStatus, IntegrationError
from tracking.recorder import Overlap, PlannedExecution, hold_window, plan_executions

RANGE = MonthWindow(month(FIRST_MONTH).start, month(LAST_MONTH).end)
LAST_ACCRUED = 9
"""A month after every course's end."""

COMPARED = (Service, Client, ClientExternalId, ServiceContract, Invoice, ServicePeriod, ContractAccrual, AccruedPeriod,
            IntegrationError)  # fmt: skip
"""Every column of every row of these, ids apart."""
_WRITTEN = {"sync_execution_id", "fingerprint", "occurrences", "first_seen_at", "last_seen_at"}
"""Of an error: when, how often and by which run it was met; its fingerprint has ids in it."""
_HISTORY = ("is gone from Holded", "has no document any more", "does not fit SYNC_SERVICE_ACCOUNT_PREFIX")
"""Errors that tell of what was there before: nobody who begins today can know it."""


_BY_MONTH = {INVOICES: sync_invoices, CRM_CLIENTS: sync_crm_clients, SERVICE_PERIODS: sync_service_periods}


def import_range() -> None:
    """The five steps over the range, as one run, which has an execution for each step and month."""
    run_id, windows = f"import {uuid4()}", list(RANGE.months())
    with run_lock(run_id), one_run(RANGE):
        sync_services()
        for step, sync in _BY_MONTH.items():
            planned = [PlannedExecution(step.id, window.start, window.end) for window in windows]
            for window, execution in zip(windows, plan_executions(run_id, planned), strict=True):
                hold_window(execution, Overlap.refuse, print)
                sync(window, execution_id=execution)
                end_as(execution, holds_window=False)
        sync_notion_external_ids()


def counted(world: World) -> dict[str, tuple[Decimal, Decimal]]:
    """What each document of the vendor counts: with tax and without."""
    documents = [*world.invoices, *world.credit_notes]
    return {each.id: (each.signed_total, each.signed_net) for each in documents}


def counted_in_ledger() -> dict[str, tuple[Decimal, Decimal]]:
    """What each document of the ledger counts."""
    columns = Invoice.external_id, Invoice.total_amount, Invoice.net_amount
    with read_session() as session:
        rows = session.execute(select(*map(col, columns)).where(col(Invoice.voided_at).is_(None)))
        return {external_id: (total, net) for external_id, total, net in rows}


def accrue_and_read() -> Content:
    """Accrue every month from the first document to the last course's end; then what the ledger says."""
    for number in range(FIRST_MONTH, LAST_ACCRUED + 1):
        process_accruals(month(number))
    forget_history()
    written = {"integration_error": _WRITTEN}
    content = ledger_content(get_engine(), besides=written)
    return {str(model.__tablename__): content[str(model.__tablename__)] for model in COMPARED}


def forget_history() -> None:
    """Take away what a fresh import cannot have.

    Void documents; contracts that have none left, with their periods and (empty) accruals; clients without any
    document, with their links; void periods; accounts that are no services any more; errors that are over, and those
    that tell of what was there.
    """
    settings = SyncSettings.load()
    has_document = exists().where(col(Invoice.service_contract_id) == ServiceContract.id)
    is_billed = exists().where(col(Invoice.client_id) == Client.id)
    emptied = select(col(ServiceContract.id)).where(~has_document)
    nothing_accrued = col(ContractAccrual.accrued_amount) == ZERO
    gone: tuple[tuple[type[SQLModel], ColumnElement[bool]], ...] = (
        (Invoice, col(Invoice.voided_at).is_not(None)),
        (ContractAccrual, col(ContractAccrual.contract_id).in_(emptied) & nothing_accrued),
        (ServicePeriod, col(ServicePeriod.voided_at).is_not(None) | col(ServicePeriod.contract_id).in_(emptied)),
        (ServiceContract, ~has_document),
        (ClientExternalId, col(ClientExternalId.client_id).in_(select(col(Client.id)).where(~is_billed))),
        (Client, ~is_billed),
    )
    with write_session() as session:
        for error in session.scalars(select(IntegrationError)).all():
            if error.status != ErrorStatus.PENDING or any(words in error.error_message for words in _HISTORY):
                session.delete(error)
        session.flush()
        for model, where in gone:
            session.execute(delete(model).where(where))
        for service in session.scalars(select(Service)).all():
            if not settings.is_service(service.account_identifier, service.name):
                session.delete(service)
