"""What was accrued for a chunk of contracts before a month, and whether the month has its postings already."""

from collections.abc import Mapping, Set
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from sqlalchemy import exists, func, select
from sqlmodel import Session

from steps.accruals.due import STATE, Chunk, Query, as_text
from steps.accruals.facts import AccrualFacts, WholeAccrual
from steps.accruals.outcome import ACCRUED_WHOLE, AccrualState
from steps.accruals.reports.sums import from_cents, sum_of_cents
from steps.accruals.stored import read_day
from steps.domain.accrual import AccruedPeriod, ContractAccrual
from steps.domain.money import ZERO
from steps.domain.period import ServicePeriod
from steps.domain.rows import table_of

POSTING = table_of(AccruedPeriod).c
_PERIOD = table_of(ServicePeriod).c


@dataclass(frozen=True)
class Posted:
    """The postings of a chunk as seen from a month."""

    month: date
    in_month: Set[int]
    """Contracts with a posting in the month."""
    earlier: Mapping[int, tuple[Decimal, int]]
    """Amount and sessions of the postings before the month, where the state is that of the month or a later one."""
    whole: Mapping[int, tuple[Decimal, str]]
    """Of contracts with an enrollment: what was accrued whole without one, and the date of the first such posting."""

    def facts(self, contract_id: int, state: AccrualState | None) -> AccrualFacts:
        """Seen from the month; `ledger_check.py` sees to it that a state is the sum of its postings."""
        if state is None:
            return AccrualFacts()
        if state.last_month is None or state.last_month < self.month:
            accrued, sessions = state.accrued, state.sessions_accrued
        else:
            accrued, sessions = self.earlier.get(contract_id, (ZERO, 0))
        return AccrualFacts(
            state.status, state.last_month, accrued, sessions, contract_id in self.in_month, self._whole(contract_id)
        )

    def _whole(self, contract_id: int) -> WholeAccrual | None:
        if contract_id not in self.whole:
            return None
        amount, first = self.whole[contract_id]
        return WholeAccrual(amount, read_day(first, "the month of a posting"))


def read_posted(session: Session, chunk: Chunk, month: date) -> Posted:
    """Three queries; of a month that is processed in its turn the second finds nothing to sum up."""
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
        {
            contract_id: (from_cents(cents), first)
            for contract_id, cents, first in session.execute(_accrued_whole(chunk, month)).all()
        },
    )


def _accrued_whole(chunk: Chunk, month: date) -> Query:
    """By contract, what was posted whole without an enrollment by the month's end, where there is an enrollment now.

    It is the one place that says for which contracts `accrued_before_enrollment` is told: what ends it (an adjustment,
    a dismissal) is a condition of this query.
    """
    enrolled = exists().where(_PERIOD.contract_id == STATE.contract_id)
    return (
        _postings(
            chunk, STATE.contract_id, sum_of_cents(POSTING.accrued_amount), as_text(func.min(POSTING.accrual_date))
        )
        .where(POSTING.service_period_id.is_(None), POSTING.rule.in_(ACCRUED_WHOLE), POSTING.accrual_date <= month)
        .where(enrolled)
        .group_by(STATE.contract_id)
    )


def _postings(chunk: Chunk, *columns: Any) -> Query:
    return (
        select(*columns)
        .join_from(table_of(ContractAccrual), table_of(AccruedPeriod), POSTING.contract_accrual_id == STATE.id)
        .where(chunk.holds(STATE.contract_id))
    )
