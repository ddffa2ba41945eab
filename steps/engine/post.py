"""Writes what was decided: postings, states, contracts; and the failures of contracts."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import NamedTuple

from sqlalchemy import select, update
from sqlmodel import Session, col

from steps.catalog import ACCRUALS
from steps.engine.contract_month import AccrualState, ContractFailureError, Outcome, Posting
from steps.engine.load import STATE
from steps.ledger.accrual import AccruedPeriod, ContractAccrual
from steps.ledger.contract import ContractStatus, ServiceContract
from steps.ledger.upsert import Row, chunks, write_many
from tracking.integration_errors import FoundError, RecordKey, record_errors
from tracking.models import ErrorStatus, IntegrationError

ENTITY_TYPE = "service_contract"
FIRST_MONTH = "first_month"
"""In the details: the first month that a contract failed in, as an ISO date."""


@dataclass(frozen=True)
class ContractFailures:
    """One month's failures, against those that are pending from before."""

    month: date
    pending: dict[str, str]
    """Contract id -> first month that failed."""
    mended: set[RecordKey] = field(default_factory=set)

    @classmethod
    def open(cls, session: Session, month: date) -> "ContractFailures":
        """With what is pending before the month is processed."""
        query = select(col(IntegrationError.entity_external_id), col(IntegrationError.error_details)).where(
            col(IntegrationError.operation) == ACCRUALS.id, col(IntegrationError.status) == ErrorStatus.PENDING
        )
        pending = session.execute(query)
        return cls(month, {contract_id: details.get(FIRST_MONTH, "") for contract_id, details in pending})

    def passed(self, contract_id: int) -> None:
        """A contract was processed. An error that only later months have met is not mended by this one."""
        key = str(contract_id)
        if key in self.pending and self.pending[key] <= self.month.isoformat():
            self.mended.add((ENTITY_TYPE, key))

    def record(self, session: Session, failures: Iterable[ContractFailureError], execution_id: int | None) -> None:
        """Write the month's failures down, in the transaction of the postings; `execution_id` met them, if any did."""
        record_errors(
            session,
            integration=ACCRUALS.integration,
            operation=ACCRUALS.id,
            execution_id=execution_id,
            found=[self._found(failure) for failure in failures],
            passed=self.mended,
        )

    def _found(self, failure: ContractFailureError) -> FoundError:
        month = self.month.isoformat()
        first = min(self.pending.get(failure.external_id, month), month)
        return FoundError(failure.entity_type, failure.external_id, failure.reason, {FIRST_MONTH: first})


class Decided(NamedTuple):
    """What a contract's month came to, and its state as the ledger has it. Its inputs are not kept: they are many."""

    outcome: Outcome
    accrual_id: int | None
    state: AccrualState | None


def post(session: Session, month: date, decided: Sequence[Decided]) -> None:
    """Write down the outcomes of a chunk; what the ledger says already is not written again."""
    changed = [
        _state_row(outcome.contract_id, outcome.state)
        for outcome, _, state in decided
        if outcome.state is not None and outcome.state != state
    ]
    write_many(session, ContractAccrual, changed, ("contract_id",))
    ids = _accrual_ids(session, decided)
    postings = [
        _posting_row(ids[outcome.contract_id], month, posting)
        for outcome, *_ in decided
        for posting in outcome.postings
    ]
    write_many(session, AccruedPeriod, postings)
    _set_statuses(session, (outcome for outcome, *_ in decided))


def _accrual_ids(session: Session, decided: Sequence[Decided]) -> dict[int, int]:
    """The id of each contract's state; those of new ones are asked for, in one query for their whole range."""
    ids = {outcome.contract_id: accrual_id for outcome, accrual_id, _ in decided}
    new = [contract_id for contract_id, accrual_id in ids.items() if accrual_id is None]
    if new:
        query = select(STATE.contract_id, STATE.id).where(STATE.contract_id.between(new[0], new[-1]))
        ids |= {row[0]: row[1] for row in session.execute(query).all()}
    return {contract_id: accrual_id for contract_id, accrual_id in ids.items() if accrual_id is not None}


def _state_row(contract_id: int, state: AccrualState) -> Row:
    return {
        "contract_id": contract_id,
        "total_to_accrue": state.total,
        "accrued_amount": state.accrued,
        "remaining_amount_to_accrue": state.remaining,
        "total_sessions_to_accrue": state.sessions_total,
        "sessions_accrued": state.sessions_accrued,
        "remaining_sessions_to_accrue": state.sessions_remaining,
        "accrual_status": state.status.value,
        "last_month": state.last_month,
    }


def _posting_row(accrual_id: int, month: date, posting: Posting) -> Row:
    return {
        "contract_accrual_id": accrual_id,
        "service_period_id": posting.period_id,
        "accrual_date": month,
        "accrued_amount": posting.amount,
        "accrual_portion": posting.portion,
        "sessions_accrued": posting.sessions,
        "rule": posting.rule,
    }


def _set_statuses(session: Session, outcomes: Iterable[Outcome]) -> None:
    """One statement for each status that contracts came to have."""
    became: dict[ContractStatus, list[int]] = defaultdict(list)
    for outcome in outcomes:
        if outcome.contract_status is not outcome.status_before:
            became[outcome.contract_status].append(outcome.contract_id)
    for status, contract_ids in became.items():
        for ids in chunks(contract_ids):
            session.execute(update(ServiceContract).where(col(ServiceContract.id).in_(ids)).values(status=status.value))
