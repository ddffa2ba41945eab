"""What an explanation rests on: postings, documents, and the executions that brought the documents."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from sqlalchemy import select
from sqlmodel import Session, col

from steps.accruals.reports.movements import counted_amount
from steps.catalog import INVOICES
from steps.domain.accrual import AccruedPeriod, ContractAccrual
from steps.domain.invoice import Invoice
from steps.domain.period import ServicePeriod
from steps.settings import SyncSettings
from tracking.execution import ExecutionStatus, SyncExecution


@dataclass(frozen=True, slots=True)
class ExplainedPosting:
    """A row of `accrued_period`."""

    period: str | None
    amount: Decimal
    portion: Decimal
    sessions: int
    rule: str


@dataclass(frozen=True, slots=True)
class ExplainedDocument:
    """A document that counts, and where it came from."""

    number: str | None
    kind: str
    day: date
    amount: Decimal
    currency: str
    execution_id: int | None
    """The latest completed import of invoices whose window holds the document's date."""
    imported_at: datetime | None


def read_postings(session: Session, contract_id: int, month: date) -> tuple[ExplainedPosting, ...]:
    """What was posted for the contract in the month, in order of posting."""
    columns = (
        col(ServicePeriod.external_id),
        col(AccruedPeriod.accrued_amount),
        col(AccruedPeriod.accrual_portion),
        col(AccruedPeriod.sessions_accrued),
        col(AccruedPeriod.rule),
    )
    postings = (
        select(*columns)
        .select_from(AccruedPeriod)
        .join(ContractAccrual, col(ContractAccrual.id) == AccruedPeriod.contract_accrual_id)
        .outerjoin(ServicePeriod, col(ServicePeriod.id) == AccruedPeriod.service_period_id)
        .where(col(ContractAccrual.contract_id) == contract_id, col(AccruedPeriod.accrual_date) == month)
        .order_by(col(AccruedPeriod.id))
    )
    return tuple(ExplainedPosting(*row) for row in session.execute(postings))


def read_documents(
    session: Session, contract_id: int, until: date, settings: SyncSettings
) -> tuple[ExplainedDocument, ...]:
    """The documents of the contract up to a day that are not void, by date."""
    documents = (
        select(
            col(Invoice.invoice_number),
            col(Invoice.kind),
            col(Invoice.invoice_date),
            counted_amount(settings),
            col(Invoice.currency),
        )
        .where(col(Invoice.service_contract_id) == contract_id)
        .where(col(Invoice.voided_at).is_(None), col(Invoice.invoice_date) <= until)
        .order_by(col(Invoice.invoice_date), col(Invoice.id))
    )
    rows = session.execute(documents).all()
    imports = _imports(session, [day for _, _, day, _, _ in rows])
    return tuple(
        ExplainedDocument(number, kind, day, amount, currency, *_import_of(imports, day))
        for number, kind, day, amount, currency in rows
    )


def _imports(session: Session, days: Sequence[date]) -> Sequence[SyncExecution]:
    """The completed imports of invoices whose windows may hold any of the days, newest first."""
    if not days:
        return ()
    completed = (
        select(SyncExecution)
        .where(col(SyncExecution.step_name) == INVOICES.id, col(SyncExecution.status) == ExecutionStatus.COMPLETED)
        .where(col(SyncExecution.window_start) <= max(days), col(SyncExecution.window_end) > min(days))
        .order_by(col(SyncExecution.id).desc())
    )
    return session.scalars(completed).all()


def _import_of(imports: Sequence[SyncExecution], day: date) -> tuple[int | None, datetime | None]:
    for execution in imports:
        start, end = execution.window_start, execution.window_end
        if start is not None and end is not None and start <= day < end:
            return execution.id, execution.completed_at
    return None, None
