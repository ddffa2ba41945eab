"""Contracts: one client buying one service; the amount is always recomputed from its documents."""

from datetime import date
from decimal import Decimal
from enum import StrEnum

from sqlalchemy import Index, UniqueConstraint
from sqlmodel import Field, SQLModel

from steps.domain.money import ZERO
from tracking.columns import money


class ContractStatus(StrEnum):
    """`ACTIVE` until the accruals close or cancel it (accruals.md, The decision)."""

    ACTIVE = "ACTIVE"
    CANCELED = "CANCELED"
    CLOSED = "CLOSED"


class ServiceContract(SQLModel, table=True):
    """One per (client, service). `contract_date` is the date of its first document that is not void."""

    __tablename__ = "service_contract"
    __table_args__ = (
        UniqueConstraint("client_id", "service_id", name="uq_service_contract"),
        Index("ix_service_contract_date", "contract_date"),
    )

    id: int | None = Field(default=None, primary_key=True)
    service_id: int = Field(foreign_key="service.id")
    client_id: int = Field(foreign_key="client.id")
    contract_date: date
    contract_amount: Decimal = Field(default=ZERO, sa_type=money())
    contract_currency: str
    status: str = ContractStatus.ACTIVE
