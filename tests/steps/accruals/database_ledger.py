"""Contracts put straight into the database, and what the step made of them, by natural keys."""

from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import uuid4

from sqlalchemy import insert, select, text
from sqlmodel import Session, SQLModel

from flows.plan import StepRun
from steps.catalog import ACCRUALS
from steps.context import StepContext
from steps.engine.gate import Override
from steps.ledger.accrual import AccruedPeriod, ContractAccrual
from steps.ledger.client import Client, ClientExternalId, System
from steps.ledger.contract import DocumentKind, Invoice, ServiceContract
from steps.ledger.months import MonthWindow
from steps.ledger.service import Service, ServicePeriod
from steps.redo import AskedRedo, Redone, redo
from tests.steps.accruals.builders import day, document, period
from tests.steps.accruals.recorded_imports import sound_import
from tests.steps.calls import accrue_month
from tests.steps.ledger_view import rows
from tracking.database import write_session
from tracking.locks import run_lock
from tracking.models import IntegrationError
from tracking.recorder import end_open_executions, fail_open_execution, plan_executions

LATER = date(2030, 1, 1)
"""A day on which every month of these tests is over."""
TABLES: tuple[type[SQLModel], ...] = (ServiceContract, ContractAccrual, AccruedPeriod, IntegrationError)
YEARS = MonthWindow(date(2024, 1, 1), date(2026, 1, 1))
HALF_YEAR = period("2024-01-08", "2024-06-30")
DROPPED = period("2024-01-08", "2024-06-30", "DROPPED", "2024-03-10")


def accrue(
    month: str, execution_id: int | None = None, *, override: Override | None = None, chunk_size: int = 2
) -> dict[str, Any]:
    """The step's result for a month such as `2024-03`, with the environment's settings."""
    window = MonthWindow.of(day(month))
    return accrue_month(window, LATER, chunk_size, execution_id=execution_id, override=override)


def accrue_months(*months: str) -> None:
    for month in months:
        accrue(month)


def redo_in_a_run(context: StepContext, asked: AskedRedo, run_id: str = "") -> Redone:
    """A redo with executions as a run of its flow has them."""
    run_id = run_id or str(uuid4())
    planned = [StepRun(ACCRUALS, MonthWindow.of(month)).planned for month in asked.months]
    with run_lock(run_id):
        ids = plan_executions(run_id, planned)
        try:
            done = redo(context, asked, dict(zip(asked.months, ids, strict=True)))
        except BaseException as error:
            for execution_id in ids:
                fail_open_execution(execution_id, str(error), type(error).__name__)
            raise
        end_open_executions(run_id, "")
    return done


@dataclass(frozen=True)
class Stored:
    """A contract to put into the ledger: values as in `builders.py`, the contract's id being its number."""

    number: int = 1
    documents: tuple[Any, ...] = (document("2024-01-10", "600.00"),)
    periods: tuple[Any, ...] = (HALF_YEAR,)
    status: str = "ACTIVE"
    page: tuple[str | None, str | None] | None = None
    """Status and date of the client's Notion page."""


def store(*contracts: Stored, service: dict[str, Any] | None = None) -> None:
    """Put contracts into the ledger, all of one service with the default sessions; as sound imports would have."""
    if not rows(Service):
        sound_import(YEARS)
    with write_session() as session:
        if session.execute(select(Service.id)).first() is None:  # type: ignore[call-overload]
            session.execute(insert(Service), {"id": 1, "external_id": "acc-fs", "name": "Course", **(service or {})})
        for contract in contracts:
            _store(session, contract)


def add_document(number: int, when: str, amount: str, **changes: Any) -> None:
    """One more document of contract `number`."""
    with write_session() as session:
        session.execute(
            insert(Invoice), _document_row(number, document(when, amount), f"late-{when}-{amount}") | changes
        )


def _store(session: Session, contract: Stored) -> None:
    number = contract.number
    session.execute(insert(Client), {"id": number, "identifier": f"p{number}@example.org"})
    if contract.page is not None:
        status, since = contract.page
        page = {"client_id": number, "system": System.NOTION.value, "external_id": f"page-{number}"}
        dated = {"educational_status": status, "educational_status_date": day(since) if since else None}
        session.execute(insert(ClientExternalId), page | dated)
    row = {"id": number, "client_id": number, "service_id": 1, "contract_currency": "EUR", "status": contract.status}
    begun = min(each.day for each in contract.documents)
    session.execute(insert(ServiceContract), row | {"contract_date": begun})
    documents = [_document_row(number, each, f"doc-{number}-{at}") for at, each in enumerate(contract.documents)]
    session.execute(insert(Invoice), documents)
    for each in contract.periods:
        session.execute(insert(ServicePeriod), _period_row(number, each))


def _document_row(contract: int, known: Any, external_id: str) -> dict[str, Any]:
    return {
        "external_id": external_id,
        "kind": (DocumentKind.INVOICE if known.amount >= 0 else DocumentKind.CREDIT_NOTE).value,
        "client_id": contract,
        "service_contract_id": contract,
        "invoice_date": known.day,
        "total_amount": known.amount * 2,
        "net_amount": known.amount,
        "currency": known.currency,
        "status": "1",
        "original_data": {},
    }


def _period_row(contract: int, known: Any) -> dict[str, Any]:
    return {
        "contract_id": contract,
        "external_id": known.external_id,
        "start_date": known.start,
        "end_date": known.end,
        "status": known.status.value,
        "status_change_date": known.status_change_date,
    }


def execute(statement: str, **values: Any) -> None:
    """Something that no step would do to the ledger."""
    with write_session() as session:
        session.execute(text(statement), values)


def snapshot() -> dict[str, list[dict[str, Any]]]:
    """Every row that the step may write, but for how often and when an error was met again."""
    return {
        str(model.__tablename__): [
            {name: value for name, value in row.items() if name not in {"occurrences", "last_seen_at"}}
            for row in rows(model)
        ]
        for model in TABLES
    }


def contract_statuses() -> dict[int, str]:
    return {row["id"]: row["status"] for row in rows(ServiceContract)}


def states() -> dict[int, tuple[str, str, str, str]]:
    """Contract -> total, accrued, remaining, status."""
    names = ("total_to_accrue", "accrued_amount", "remaining_amount_to_accrue", "accrual_status")
    return {row["contract_id"]: tuple(str(row[name]) for name in names) for row in rows(ContractAccrual)}  # type: ignore[misc]


def amounts(contract: int = 1) -> dict[str, str]:
    """Month -> amount of the contract's postings, one a month."""
    ids = {row["id"]: row["contract_id"] for row in rows(ContractAccrual)}
    own = [row for row in rows(AccruedPeriod) if ids[row["contract_accrual_id"]] == contract]
    return {f"{row['accrual_date']:%Y-%m}": str(row["accrued_amount"]) for row in own}


def errors() -> dict[str, tuple[str, str]]:
    """Contract -> status and message of its integration error."""
    return {row["entity_external_id"]: (row["status"], row["error_message"]) for row in rows(IntegrationError)}
