"""What a person corrects in what was accrued, or lets stand (docs/accrual-rules.md, The way back)."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from sqlalchemy import func, select
from sqlmodel import Session, col

from steps.closing import Signature
from steps.engine.contract_month import ACCRUED_WHOLE
from steps.errors import UsageError
from steps.ledger.accrual import (
    ADJUSTMENT,
    AccrualStatus,
    AccrualTransition,
    AccruedPeriod,
    ContractAccrual,
    Dismissal,
    last_closed_month,
)
from steps.ledger.contract import ContractStatus, ServiceContract
from steps.ledger.money import LARGEST, ZERO, to_cents
from steps.ledger.months import first_of_month, next_month
from tracking.database import write_session
from tracking.models import utc_now


def parse_adjustment(text: str) -> Decimal:
    """An amount in whole cents other than 0, such as `-25.00`.

    Raises:
        UsageError: it is none.
    """
    try:
        amount = Decimal(text.strip())
        if amount.is_finite() and ZERO < abs(amount) <= LARGEST and amount == to_cents(amount):
            return to_cents(amount)
    except ArithmeticError:
        pass
    raise UsageError(f"{text!r} is not an amount to adjust by: one in cents other than 0 is expected, such as -25.00")


@dataclass(frozen=True, slots=True)
class Adjustment:
    """What somebody asks for."""

    contract_id: int
    amount: Decimal
    """Accrues so much more; negative: gives back to what remains."""
    corrects: date | None = None
    """First day of the month that it corrects."""


@dataclass(frozen=True, slots=True)
class Adjusted:
    """What it does."""

    contract_id: int
    month: date
    """The first open month: it is posted there."""
    corrects: date | None
    amount: Decimal
    currency: str
    remaining_before: Decimal
    remaining: Decimal
    reopened: bool
    """The contract was over and is `ACTIVE` again."""

    @classmethod
    def of(cls, asked: Adjustment, state: ContractAccrual, month: date, currency: str) -> "Adjusted":
        """What it does to a state as it is now."""
        before = state.remaining_amount_to_accrue
        left = before - asked.amount
        reopened = left > ZERO and state.accrual_status == AccrualStatus.COMPLETED
        return cls(asked.contract_id, month, asked.corrects, asked.amount, currency, before, left, reopened)


def adjust(asked: Adjustment, by: Signature, today: date, *, preview: bool = False) -> Adjusted:
    """Post an adjustment, in a transaction that holds the ledger; or only say what it would do.

    Its month sees it as accrued before, so that the decision table goes on with what remains then.

    Raises:
        UsageError: no reason, no such contract, or a month in which there is nothing to correct.
    """
    if not by.reason.strip():
        raise UsageError("an adjustment needs a reason: it stays in the books")
    with write_session() as session:
        contract = session.get(ServiceContract, asked.contract_id)
        state = session.scalar(select(ContractAccrual).where(col(ContractAccrual.contract_id) == asked.contract_id))
        if contract is None:
            raise UsageError(f"there is no contract {asked.contract_id}: `sync-actions report accruals` lists them")
        if state is None:
            raise UsageError(f"contract {contract.id} was never accrued: there is nothing to adjust")
        done = _adjusted(session, asked, contract, state, today)
        if not preview:
            _post(session, done, state, by)
            bring_up_to_date(session, state, contract, done)
        return done


def _adjusted(
    session: Session, asked: Adjustment, contract: ServiceContract, state: ContractAccrual, today: date
) -> Adjusted:
    # What is posted decides; as long as nothing is, the documents do.
    currency = state.currency if state.accrued_amount else contract.contract_currency
    month = _month(session, asked, first_of_month(contract.contract_date), first_of_month(today))
    return Adjusted.of(asked, state, month, currency)


def _month(session: Session, asked: Adjustment, first: date, now: date) -> date:
    """The first open month of the contract; a month that is open is corrected in itself."""
    if asked.corrects and not first <= asked.corrects <= now:
        raise UsageError(
            f"there is nothing to correct in {asked.corrects:%Y-%m}: a month of contract {asked.contract_id} from"
            f" {first:%Y-%m} to {now:%Y-%m} is expected"
        )
    closed = last_closed_month(session)
    return max(first, asked.corrects or first, next_month(closed) if closed else first)


def _post(session: Session, done: Adjusted, state: ContractAccrual, by: Signature) -> None:
    of_month = col(AccruedPeriod.contract_accrual_id) == state.id, col(AccruedPeriod.accrual_date) == done.month
    number = session.scalar(select(func.max(col(AccruedPeriod.adjustment))).where(*of_month)) or 0
    session.add(
        AccruedPeriod(
            contract_accrual_id=state.id or 0,
            accrual_date=done.month,
            accrued_amount=done.amount,
            accrual_portion=ZERO,
            rule=ADJUSTMENT,
            currency=done.currency,
            adjustment=number + 1,
            corrects=done.corrects,
            reason=by.reason.strip(),
            made_by=by.who,
            made_at=utc_now(),
        )
    )


def bring_up_to_date(session: Session, state: ContractAccrual, contract: ServiceContract, done: Adjusted) -> None:
    """Let state and contract say what an adjustment does."""
    state.accrued_amount += done.amount
    state.remaining_amount_to_accrue = done.remaining
    state.currency = done.currency
    state.last_month = max(state.last_month or done.month, done.month)
    if done.reopened:
        before = AccrualTransition(
            contract_id=done.contract_id,
            month=done.month,
            completed_before=True,
            contract_status_before=contract.status,
        )
        session.add(before)
        state.accrual_status = AccrualStatus.ACTIVE
        contract.status = ContractStatus.ACTIVE


def dismiss(contract_id: int, by: Signature) -> date:
    """End `accrued_before_enrollment` of a contract (docs/accrual-rules.md, Gate): what was accrued is right as it is.

    Returns the first day of the month of the last posting that it is about; what is accrued so later is told again.

    Raises:
        UsageError: no reason, or nothing was accrued whole without an enrollment.
    """
    if not by.reason.strip():
        raise UsageError("a dismissal needs a reason: it stays in the books")
    with write_session() as session:
        posted = (
            select(func.max(col(AccruedPeriod.accrual_date)))
            .join(ContractAccrual, col(ContractAccrual.id) == AccruedPeriod.contract_accrual_id)
            .where(col(ContractAccrual.contract_id) == contract_id)
            .where(col(AccruedPeriod.service_period_id).is_(None), col(AccruedPeriod.rule).in_(ACCRUED_WHOLE))
        )
        until = session.scalar(posted)
        if until is None:
            raise UsageError(
                f"nothing was accrued whole without an enrollment for contract {contract_id}: see worklist"
            )
        session.add(Dismissal(contract_id=contract_id, until=until, who=by.who, reason=by.reason.strip()))
        return until
