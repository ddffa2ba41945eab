"""From outcomes to rows: states, postings and contract statuses, only where something changed."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any, NamedTuple

from sqlalchemy import insert, update
from sqlmodel import Session, col

from steps.accruals.load import LoadedContract
from steps.accruals.outcome import AccrualState, Outcome
from steps.domain.accrual import AccruedPeriod, ContractAccrual
from steps.domain.contract import ContractStatus, ServiceContract
from steps.domain.rows import Row, chunks, upsert_rows


class Decided(NamedTuple):
    """A contract, and what its month came to."""

    contract: LoadedContract
    outcome: Outcome


def post(session: Session, month: date, decided: Sequence[Decided]) -> None:
    """Write down the outcomes of a chunk; what the ledger says already is not written again."""
    changed = [
        _state_row(outcome.contract_id, outcome.state)
        for contract, outcome in decided
        if outcome.state is not None and outcome.state != contract.state
    ]
    new_ids = upsert_rows(session, ContractAccrual, changed, ("contract_id",))
    postings = [
        _posting_row(contract.accrual_id or new_ids[outcome.contract_id,], month, posting)
        for contract, outcome in decided
        for posting in outcome.postings
    ]
    if postings:
        session.execute(insert(AccruedPeriod), postings)
    _set_statuses(session, (outcome for _, outcome in decided))


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


def _posting_row(accrual_id: int, month: date, posting: Any) -> Row:
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
