"""The fingerprint of a month's postings: whoever changes one behind a closed month's back is found out."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from hashlib import sha256

from sqlalchemy import select
from sqlmodel import Session, col

from steps.domain.accrual import AccruedPeriod, ContractAccrual
from steps.domain.closed_month import ClosedMonth

_FETCHED_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class ChangedMonth:
    """A closed month whose postings are no longer those it was closed with."""

    month: date
    stored: str
    found: str


def fingerprint(session: Session, month: date) -> str:
    """SHA-256 over the month's postings in order of contract and period, every column that says something included.

    One line a posting, fields apart by `|`: it can be worked out again anywhere, on either database.
    """
    digest = sha256()
    for line in _lines(session, month):
        digest.update(line.encode())
    return digest.hexdigest()


def _lines(session: Session, month: date) -> Iterator[str]:
    columns = (
        col(ContractAccrual.contract_id),
        col(AccruedPeriod.service_period_id),
        col(AccruedPeriod.accrued_amount),
        col(AccruedPeriod.accrual_portion),
        col(AccruedPeriod.sessions_accrued),
        col(AccruedPeriod.rule),
    )
    postings = (
        select(*columns)
        .join(ContractAccrual, col(ContractAccrual.id) == AccruedPeriod.contract_accrual_id)
        .where(col(AccruedPeriod.accrual_date) == month)
        # The two databases disagree on where a null sorts; a posting without a period comes first.
        .order_by(columns[0], columns[1].is_not(None), columns[1])
        .execution_options(yield_per=_FETCHED_AT_ONCE)
    )
    for contract, period, *told in session.execute(postings):
        yield "|".join([month.isoformat(), str(contract), str(period or ""), *map(str, told)]) + "\n"


def find_changed_months(session: Session) -> list[ChangedMonth]:
    """Every closed month whose postings were changed since it was closed, ascending; none, if all is well."""
    stored = session.execute(
        select(col(ClosedMonth.month), col(ClosedMonth.postings_hash)).order_by(col(ClosedMonth.month))
    )
    found = ((month, known, fingerprint(session, month)) for month, known in stored.all())
    return [ChangedMonth(*each) for each in found if each[1] != each[2]]
