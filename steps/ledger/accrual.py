"""Accrual states, postings and closed months."""

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, Column, Index
from sqlmodel import Field, Session, SQLModel, col, func, select, text

from steps.ledger.money import ZERO
from tracking.models import ExactNumeric, UtcDateTime, WrittenJson, money, utc_now


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
    currency: str = Field(default="", sa_column_kwargs={"server_default": ""})
    """Of the amounts, as they were posted; it follows the documents as long as nothing is posted."""


ADJUSTMENT = "adjustment"
"""The rule of a posting that a person made (docs/accrual-rules.md, The way back)."""


class AccruedPeriod(SQLModel, table=True):
    """One posting: contract, month, period (or none). `rule` is the row of the decision table that made it.

    Of adjustments there may be several; they have who, when and why.
    """

    __tablename__ = "accrued_period"
    __table_args__ = (
        Index(
            "uq_accrued_period",
            "contract_accrual_id",
            "accrual_date",
            text("coalesce(service_period_id, 0)"),
            "adjustment",
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
    currency: str = Field(sa_column_kwargs={"server_default": ""})
    """Of the contract when it was posted; it never changes, whatever becomes of the documents."""
    adjustment: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    """0 for what the decision table posted; else the number of the adjustment in its contract and month, from 1."""
    corrects: date | None = None
    """Of an adjustment: the month that it corrects."""
    reason: str | None = None
    made_by: str | None = None
    made_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    worked_out: Any = Field(default=None, sa_type=WrittenJson, nullable=True)
    """What it came from (`steps/engine/post.py`); None: an adjustment, or an older version posted it."""


class AccrualTransition(SQLModel, table=True):
    """A contract that was completed, reopened or got another status in a month; undone by a redo of that month."""

    __tablename__ = "accrual_transition"
    __table_args__ = (Index("ix_accrual_transition_month", "month"),)

    id: int | None = Field(default=None, primary_key=True)
    contract_id: int = Field(foreign_key="service_contract.id", index=True)
    month: date
    completed_before: bool
    contract_status_before: str


class Redo(SQLModel, table=True):
    """A month that a person had processed again, with all after it; never changed, never deleted."""

    __tablename__ = "redo"

    id: int | None = Field(default=None, primary_key=True)
    month: date
    who: str
    reason: str
    at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)


class SetAsidePosting(SQLModel, table=True):
    """A posting that a redo set aside: it is in no report, total or hash. Columns as in `accrued_period`."""

    __tablename__ = "set_aside_posting"

    id: int | None = Field(default=None, primary_key=True)
    redo_id: int = Field(foreign_key="redo.id", index=True)
    contract_id: int = Field(foreign_key="service_contract.id", index=True)
    service_period_id: int | None = Field(default=None, foreign_key="service_period.id")
    accrual_date: date
    accrued_amount: Decimal = Field(sa_type=money())
    accrual_portion: Decimal = Field(sa_type=ExactNumeric(9, 6))
    sessions_accrued: int
    rule: str
    currency: str
    worked_out: Any = Field(default=None, sa_type=WrittenJson, nullable=True)


class Dismissal(SQLModel, table=True):
    """A person's word that what was accrued before an enrollment is right as it is; never changed, never deleted."""

    __tablename__ = "dismissal"

    id: int | None = Field(default=None, primary_key=True)
    contract_id: int = Field(foreign_key="service_contract.id", index=True)
    until: date
    """First of the month of the last posting that it is about: what is accrued so later is told again."""
    who: str
    reason: str
    at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)


class ClosedMonth(SQLModel, table=True):
    """One closed month, with the roll-forward and the fingerprint of its postings at that moment."""

    __tablename__ = "closed_month"

    id: int | None = Field(default=None, primary_key=True)
    month: date = Field(unique=True)
    closed_by: str
    closed_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)
    reason: str = ""
    roll_forward: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    postings_hash: str
    """SHA-256 of the month's postings in a fixed order."""
    policy: dict[str, str] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False, server_default="{}"))
    """`SyncSettings.policy`; what is missing in it is not known."""
    version: str = Field(default="", sa_column_kwargs={"server_default": ""})
    """Of the program that closed it."""
    proof: dict[str, str] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False, server_default="{}"))
    """What `hash` is made of, part by part (`steps/closing.py`)."""
    hash: str = Field(default="", sa_column_kwargs={"server_default": ""})
    """Empty: it was closed by a version that kept none."""


class ClosingAction(StrEnum):
    """What a person did to a month."""

    CLOSED = "closed"
    REOPENED = "reopened"


class ClosingEvent(SQLModel, table=True):
    """The audit trail: one row for each month each time it was closed or reopened; never changed, never deleted."""

    __tablename__ = "closing_event"
    __table_args__ = (Index("ix_closing_event_month", "month"),)

    id: int | None = Field(default=None, primary_key=True)
    month: date
    action: str
    who: str
    at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)
    reason: str = ""
    hash: str = Field(default="", sa_column_kwargs={"server_default": ""})
    """Of the close that was made, or opened again."""


class Reconciled(SQLModel, table=True):
    """The last reconciliation of a month with the invoicing system (`steps/reports/reconciliation.py`)."""

    __tablename__ = "reconciliation"

    id: int | None = Field(default=None, primary_key=True)
    month: date = Field(unique=True)
    made_at: datetime = Field(sa_type=UtcDateTime)
    result: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    """Totals and differences; nobody's name is in it."""


def changed_policy(session: Session, month: date, policy: Mapping[str, str]) -> str | None:
    """How a policy differs from that of the last month closed before `month`, in a line; None: it is the same."""
    closed = select(col(ClosedMonth.month), col(ClosedMonth.policy)).where(col(ClosedMonth.month) < month)
    last = session.exec(closed.order_by(col(ClosedMonth.month).desc()).limit(1)).first()
    if last is None or not (differences := policy_differences(policy, last[1])):
        return None
    return f"{' and '.join(differences)} when {last[0]:%Y-%m} was closed"


_BEFORE_METHODS = {"SYNC_ACCRUAL_METHOD": "prospective"}
"""Of a policy that is older than this setting."""


def policy_differences(policy: Mapping[str, str], other: Mapping[str, str]) -> list[str]:
    """Each variable that both know and that differs, such as `SYNC_RECENT_DAYS is 20, and was 15`."""
    other = _BEFORE_METHODS | dict(other) if other else {}
    return [
        f"{name} is {policy[name] or 'not set'}, and was {other[name] or 'not set'}"
        for name in policy
        if name in other and policy[name] != other[name]
    ]


def last_closed_month(session: Session) -> date | None:
    """The last month that a person closed; it is closed with all before it (docs/accrual-rules.md, Words)."""
    return session.scalar(select(func.max(col(ClosedMonth.month))))
