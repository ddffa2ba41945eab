"""What was accrued for a chunk of contracts before a month, and whether the month has its postings already."""

from collections.abc import Mapping, Set
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from sqlalchemy import func, select
from sqlmodel import Session

from steps.accruals.due import STATE, Chunk, Query
from steps.accruals.facts import AccrualFacts
from steps.accruals.outcome import AccrualState
from steps.accruals.reports.sums import from_cents, sum_of_cents
from steps.domain.accrual import AccruedPeriod, ContractAccrual
from steps.domain.money import ZERO
from steps.domain.rows import table_of

POSTING = table_of(AccruedPeriod).c


@dataclass(frozen=True)
class Posted:
    """The postings of a chunk as seen from a month."""

    month: date
    in_month: Set[int]
    """Contracts with a posting in the month."""
    earlier: Mapping[int, tuple[Decimal, int]]
    """Amount and sessions of the postings before the month, where the state is that of the month or a later one."""

    def facts(self, contract_id: int, state: AccrualState | None) -> AccrualFacts:
        """Seen from the month; `ledger_check.py` sees to it that a state is the sum of its postings."""
        if state is None:
            return AccrualFacts()
        if state.last_month is None or state.last_month < self.month:
            accrued, sessions = state.accrued, state.sessions_accrued
        else:
            accrued, sessions = self.earlier.get(contract_id, (ZERO, 0))
        return AccrualFacts(state.status, state.last_month, accrued, sessions, contract_id in self.in_month)


def read_posted(session: Session, chunk: Chunk, month: date) -> Posted:
    """Two queries; of a month that is processed in its turn the second finds nothing to sum up."""
    in_month = _postings(chunk, STATE.contract_id).where(POSTING.accrual_date == month)
    earlier = (
        _postings(
            chunk,
            STATE.contract_id,
            sum_of_cents(POSTING.accrued_amount),
            func.sum(POSTING.sessions_accrued),
        )
        .where(STATE.last_month >= month, POSTING.accrual_date < month)
        .group_by(STATE.contract_id)
    )
    return Posted(
        month,
        set(session.execute(in_month).scalars()),
        {
            contract_id: (from_cents(cents), int(sessions))
            for contract_id, cents, sessions in session.execute(earlier).all()
        },
    )


def _postings(chunk: Chunk, *columns: Any) -> Query:
    return (
        select(*columns)
        .join_from(table_of(ContractAccrual), table_of(AccruedPeriod), POSTING.contract_accrual_id == STATE.id)
        .where(chunk.holds(STATE.contract_id))
    )
