"""Whom a month window means for the CRM steps (interfaces.md, The six steps)."""

from sqlalchemy import or_
from sqlmodel import Session, col, select

from steps.domain.accrual import AccrualStatus, ContractAccrual
from steps.domain.client import Client
from steps.domain.contract import ServiceContract
from steps.domain.invoice import Invoice
from steps.domain.months import MonthWindow


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
    return {client_id: email for client_id, email in session.exec(query) if client_id is not None}
