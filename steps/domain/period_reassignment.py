"""Stored periods that cannot stay what they are: their contract lost its documents, or they are micro cohorts."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal

from sqlmodel import Session

from steps.domain.accrual import AccruedPeriod
from steps.domain.enrollment_matching import Contracts, Course, PeriodKey
from steps.domain.period import ServicePeriod
from steps.domain.rows import select_in, set_by_id
from steps.errors import RecordRejectedError


@dataclass
class Reassigned:
    """Periods that cannot stay where, or what, they are."""

    moved: dict[PeriodKey, PeriodKey] = field(default_factory=dict)
    """Those that move to another contract: old key -> new key."""
    void: list[PeriodKey] = field(default_factory=list)
    """Periods that are no enrollments any more."""


def reassign_periods(contracts: Contracts, kickoffs: Mapping[Course, date], parts: Collection[Course]) -> Reassigned:
    """What is to be done with stored periods whose contract has no document, and with those of micro cohorts.

    The enrollment of a contract whose documents moved away (an invoice whose service was corrected) follows to the
    contract that it fits now, with its dates; if it fits none, it is void.

    Args:
        contracts: as stored.
        kickoffs: of the enrollments that the CRM lists; of another a period's own start counts.
        parts: clients' enrollments that are parts of another one, and nothing else.
    """
    reassigned = Reassigned()
    taken = set(contracts.periods)
    for key, row in contracts.periods.items():
        course = contracts.course_of(key)
        if course not in parts:
            if contracts.has_documents(key[0]):
                continue
            best = contracts.best_of(course, kickoffs.get(course, row["start_date"]))
            if best is not None and (best, key[1]) not in taken:
                reassigned.moved[key] = (best, key[1])
                taken.add((best, key[1]))
                continue
        if row["voided_at"] is None:
            reassigned.void.append(key)
    return reassigned


def write_reassigned(
    session: Session, contracts: Contracts, reassigned: Reassigned, now: datetime
) -> list[RecordRejectedError]:
    """Move and void periods. Returns what a person must know: void ones on which something is accrued already.

    Postings stay as they are. Those of a period that moved, or whose contract has no document, need no word: the
    accruals take back what a contract without documents accrued (accruals.md, row 5).
    """
    ids = {key: int(row["id"]) for key, row in contracts.periods.items()}
    set_by_id(session, ServicePeriod, "contract_id", {ids[key]: new[0] for key, new in reassigned.moved.items()})
    set_by_id(session, ServicePeriod, "voided_at", {ids[key]: now for key in reassigned.void})
    parts = {ids[key]: key for key in reassigned.void if contracts.has_documents(key[0])}
    accrued: dict[int, Decimal] = defaultdict(Decimal)
    posting = AccruedPeriod.service_period_id, AccruedPeriod.accrued_amount
    for row in select_in(session, posting, AccruedPeriod.service_period_id, parts):
        accrued[row["service_period_id"]] += row["accrued_amount"]
    return [_accrued_on_part(parts[period_id], amount) for period_id, amount in accrued.items() if amount]


def period_name(key: PeriodKey) -> str:
    """A name for a period in an integration error: its enrollment may be one that nobody can name any more."""
    return f"{key[0]}/{key[1]}"


def _accrued_on_part(key: PeriodKey, amount: Decimal) -> RecordRejectedError:
    return RecordRejectedError(
        "service_period",
        period_name(key),
        f"{key[1]} of contract {key[0]} is a micro cohort, a part of another enrollment: it counts no more; the"
        f" {amount} accrued on it stay, and what remains is accrued by the macro cohort's enrollment",
        {"contract_id": key[0], "cohort_slug": key[1], "accrued_amount": str(amount)},
    )
