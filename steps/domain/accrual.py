"""What was accrued: the state of each contract, and one row per posting (accruals.md, Words)."""

from datetime import date
from decimal import Decimal
from enum import StrEnum

from sqlalchemy import Index
from sqlmodel import Field, SQLModel, text

from steps.domain.money import ZERO
from tracking.columns import ExactNumeric, money


class AccrualStatus(StrEnum):
    """Of a contract's accrual."""

    ACTIVE = "ACTIVE"
    PAUSED = "PAUSED"
    COMPLETED = "COMPLETED"


class ContractAccrual(SQLModel, table=True):
    """Total, accrued and remaining of one contract, as of the last month processed for it."""

    __tablename__ = "contract_accrual"

    id: int | None = Field(default=None, primary_key=True)
    contract_id: int = Field(foreign_key="service_contract.id", unique=True)
    total_to_accrue: Decimal = Field(default=ZERO, sa_type=money())
    accrued_amount: Decimal = Field(default=ZERO, sa_type=money())
    remaining_amount_to_accrue: Decimal = Field(default=ZERO, sa_type=money())
    total_sessions_to_accrue: int = 0
    sessions_accrued: int = 0
    remaining_sessions_to_accrue: int = 0
    accrual_status: str = AccrualStatus.ACTIVE
    last_month: date | None = None
    """The month of its last posting, completion or reopening."""


class AccruedPeriod(SQLModel, table=True):
    """One posting: contract, month, period (or none). `rule` is the row of the decision table that made it."""

    __tablename__ = "accrued_period"
    __table_args__ = (
        Index(
            "uq_accrued_period",
            "contract_accrual_id",
            "accrual_date",
            text("coalesce(service_period_id, 0)"),
            unique=True,
        ),
        Index("ix_accrued_period_date", "accrual_date"),
    )

    id: int | None = Field(default=None, primary_key=True)
    contract_accrual_id: int = Field(foreign_key="contract_accrual.id")
    service_period_id: int | None = Field(default=None, foreign_key="service_period.id")
    accrual_date: date
    """First of the month."""
    accrued_amount: Decimal = Field(sa_type=money())
    accrual_portion: Decimal = Field(sa_type=ExactNumeric(9, 6))
    """Kept for people to read, never calculated with."""
    sessions_accrued: int = 0
    rule: str
