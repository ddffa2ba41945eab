"""A small ledger, written row by row."""

from datetime import UTC, date, datetime
from decimal import Decimal

from sqlalchemy import select, update
from sqlmodel import Session, col

from steps.closing import Candidate, Signature, close_month
from steps.ledger.accrual import AccruedPeriod, ContractAccrual
from steps.ledger.client import Client
from steps.ledger.contract import DocumentKind, Invoice, ServiceContract
from steps.ledger.money import ZERO
from steps.ledger.months import next_month
from steps.ledger.service import Service, ServicePeriod
from steps.settings import AccrualBasis, SyncSettings
from tests.steps.accruals.builders import day
from tracking.database import write_session
from tracking.models import ExecutionStatus, IntegrationError, SyncExecution

SETTINGS = SyncSettings(
    accrual_basis=AccrualBasis.NET, recent_days=15, postponed_months=3, holidays_country=None, timezone="Europe/Madrid"
)
LATER = date(2026, 1, 1)
"""A day on which every month of these ledgers is over."""


class Books:
    """Each call is one transaction; accrual states follow from documents and postings by themselves."""

    def service(self, name: str = "Full Stack", account: str | None = "70500001") -> int:
        """A course."""
        with write_session() as session:
            return _id(session, Service(external_id=f"account-{name}", account_identifier=account, name=name))

    def contract(
        self, name: str, *, currency: str = "EUR", service: int | None = None, begun: str = "2024-01-01"
    ) -> int:
        """A contract of a client of its own."""
        course = service if service is not None else self.service(f"Course of {name}")
        with write_session() as session:
            client = _id(session, Client(identifier=f"{name.lower().strip('=+-@')}@example.org", name=name))
            return _id(
                session,
                ServiceContract(
                    service_id=course, client_id=client, contract_date=day(begun), contract_currency=currency
                ),
            )

    def period(self, contract: int, start: str, end: str, status: str = "ACTIVE", since: str | None = None) -> int:
        """An enrollment in the cohort `cohort-<contract>`."""
        with write_session() as session:
            return _id(
                session,
                ServicePeriod(
                    contract_id=contract,
                    external_id=f"cohort-{contract}",
                    start_date=day(start),
                    end_date=day(end),
                    status=status,
                    status_change_date=day(since) if since else None,
                ),
            )

    def document(self, contract: int | None, when: str, amount: str, currency: str = "EUR", total: str = "") -> int:
        """An invoice, or with a negative amount a credit note; `total` if it differs from the net amount."""
        kind = DocumentKind.CREDIT_NOTE if amount.startswith("-") else DocumentKind.INVOICE
        with write_session() as session:
            number = len(session.scalars(select(col(Invoice.id))).all()) + 1
            document = Invoice(
                external_id=f"document-{number}",
                kind=kind,
                service_contract_id=contract,
                invoice_number=f"D{number:03}",
                invoice_date=day(when),
                total_amount=Decimal(total or amount),
                net_amount=Decimal(amount),
                currency=currency,
                status="1",
                original_data={},
            )
            document_id = _id(session, document)
            _bring_up_to_date(session, contract)
            return document_id

    def void(self, document: int) -> None:
        """The vendor no longer lists it."""
        with write_session() as session:
            gone = update(Invoice).where(col(Invoice.id) == document)
            session.execute(gone.values(voided_at=datetime(2024, 6, 1, tzinfo=UTC)))

    def post(self, contract: int, month: str, amount: str, *, period: int | None = None, rule: str = "row-11") -> None:
        """A posting, as the accruals step writes it."""
        with write_session() as session:
            state = session.scalar(select(ContractAccrual).where(col(ContractAccrual.contract_id) == contract))
            sold = session.get_one(ServiceContract, contract)
            new = ContractAccrual(contract_id=contract, currency=sold.contract_currency)
            state_id = _id(session, new) if state is None else state.id or 0
            posting = AccruedPeriod(
                contract_accrual_id=state_id,
                service_period_id=period,
                accrual_date=day(month),
                accrued_amount=Decimal(amount),
                accrual_portion=Decimal("0.500000"),
                sessions_accrued=5,
                rule=rule,
                currency=sold.contract_currency,
            )
            session.add(posting)
            session.flush()
            _bring_up_to_date(session, contract)

    def executed(self, step: str, month: str, status: str = ExecutionStatus.COMPLETED) -> int:
        """An execution of a step for the month."""
        start = day(month)
        with write_session() as session:
            execution = SyncExecution(
                step_name=step,
                status=status,
                window_start=start,
                window_end=next_month(start),
                completed_at=datetime(2024, 12, 1, 12, tzinfo=UTC) if status == ExecutionStatus.COMPLETED else None,
            )
            return _id(session, execution)

    def error(self, execution: int, status: str = "pending") -> int:
        """A record that an execution could not apply."""
        with write_session() as session:
            error = IntegrationError(
                integration_name="holded",
                operation="invoices",
                entity_type="contact",
                entity_external_id="c-1",
                error_message="it has no email",
                status=status,
                sync_execution_id=execution,
            )
            return _id(session, error)

    def accrued(self, *months: str) -> None:
        """The accruals of these months ran to their end."""
        for month in months:
            self.executed("accruals", month)

    def close(self, *months: str) -> None:
        """A person closes them, after they were accrued."""
        for month in months:
            self.accrued(month)
            close_month(Candidate(day(month), LATER, SETTINGS), Signature("Eva"))


def _id(session: Session, row: object) -> int:
    session.add(row)
    session.flush()
    return int(row.id)  # type: ignore[attr-defined]


def _bring_up_to_date(session: Session, contract: int | None) -> None:
    """A state says what its documents and postings say."""
    state = session.scalar(select(ContractAccrual).where(col(ContractAccrual.contract_id) == contract))
    if state is None:
        return
    documents = select(col(Invoice.net_amount)).where(col(Invoice.service_contract_id) == contract)
    postings = select(col(AccruedPeriod.accrued_amount)).where(col(AccruedPeriod.contract_accrual_id) == state.id)
    state.total_to_accrue = sum(session.scalars(documents.where(col(Invoice.voided_at).is_(None))), ZERO)
    state.accrued_amount = sum(session.scalars(postings), ZERO)
    state.remaining_amount_to_accrue = state.total_to_accrue - state.accrued_amount
    last = select(col(AccruedPeriod.accrual_date)).where(col(AccruedPeriod.contract_accrual_id) == state.id)
    state.last_month = max(session.scalars(last), default=None)
