"""The conditions of the decision table, one function each, in the words of docs/accrual-rules.md, The decision.

Each says the whole of its row's condition and no more; that the rows above did not fit is for the table to know.
"""

from steps.engine.contract_month import ContractMonth, Crm
from steps.ledger.accrual import AccrualStatus
from steps.ledger.money import ZERO
from steps.ledger.service import PeriodStatus

GIVEN_UP = frozenset({PeriodStatus.DROPPED, PeriodStatus.POSTPONED})


def begins_later(s: ContractMonth) -> bool:
    """Row 1."""
    return s.inputs.contract_date > s.month.last


def has_posting(s: ContractMonth) -> bool:
    """Row 2."""
    return s.inputs.accrual.has_posting_in_month


def is_locked(s: ContractMonth) -> bool:
    """Row 3. The month's own completion or reopening does not lock it."""
    last_month = s.inputs.accrual.last_month
    return s.closed or (last_month is not None and last_month > s.month.first)


def completed_and_even(s: ContractMonth) -> bool:
    """Row 4."""
    return s.state is AccrualStatus.COMPLETED and s.remaining == ZERO


def over_accrued(s: ContractMonth) -> bool:
    """Row 5: credited, or made void, after it was accrued."""
    return s.remaining < ZERO


def completed_too_early(s: ContractMonth) -> bool:
    """Row 6: a document came after the end."""
    return s.state is AccrualStatus.COMPLETED and s.remaining > ZERO


def nothing_remains(s: ContractMonth) -> bool:
    """Row 7."""
    return bool(s.periods) and s.remaining == ZERO


def last_dropped(s: ContractMonth) -> bool:
    """Row 8."""
    return s.last_status is PeriodStatus.DROPPED


def last_ended(s: ContractMonth) -> bool:
    """Row 9."""
    return s.last_status is PeriodStatus.ENDED


def last_put_off_too_long(s: ContractMonth) -> bool:
    """Row 10."""
    return s.last_status is PeriodStatus.POSTPONED and s.months_since_change >= s.rules.postponed_months


def in_force(s: ContractMonth) -> bool:
    """Row 11."""
    return s.last_in_force is not None


def none_in_force(s: ContractMonth) -> bool:
    """Row 12."""
    return bool(s.periods) and s.last_in_force is None


def unknown_and_recent(s: ContractMonth) -> bool:
    """Row 13."""
    return unknown(s) and s.recent


def unknown_for_long(s: ContractMonth) -> bool:
    """Row 14: for longer than `SYNC_RECENT_DAYS`."""
    return unknown(s) and not s.recent


def unknown(s: ContractMonth) -> bool:
    """No period, and no Notion page."""
    return not s.periods and s.crm is Crm.NO_PAGE


def page_dropped_like(s: ContractMonth) -> bool:
    """Row 15."""
    return not s.periods and s.crm is Crm.DROPPED_LIKE


def page_ended_like(s: ContractMonth) -> bool:
    """Rows 16 and 21."""
    return not s.periods and s.crm is Crm.ENDED_LIKE


def page_unclear(s: ContractMonth) -> bool:
    """Rows 17 and 22."""
    return not s.periods and s.crm is Crm.OTHER


def some_period_goes_on(s: ContractMonth) -> bool:
    """Row 18."""
    return any(period.status not in GIVEN_UP for period in s.periods)


def all_periods_given_up(s: ContractMonth) -> bool:
    """Row 19."""
    return bool(s.periods) and all(period.status in GIVEN_UP for period in s.periods)


def unknown_or_dropped(s: ContractMonth) -> bool:
    """Row 20."""
    return unknown(s) or page_dropped_like(s)
