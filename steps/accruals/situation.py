"""A contract as of a month: every word that the decision table uses, worked out when a row asks for it."""

from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum
from functools import cached_property

from steps.accruals.facts import AccrualRules, ContractFacts
from steps.accruals.periods import PeriodAsOf, Span, as_of, change_date, last_of
from steps.accruals.sessions import MonthSessions, Timetable, count_sessions
from steps.domain.accrual import AccrualStatus
from steps.domain.contract import ContractStatus
from steps.domain.money import ZERO
from steps.domain.months import first_of_month, last_of_month
from steps.domain.period import PeriodStatus

_DROPPED_LIKE = frozenset({"DROPPED", "EARLY_DROPPED", "SUSPENDED"})
_ENDED_LIKE = frozenset({"GRADUATED", "NOT_COMPLETING", "ENDED"})


class Crm(StrEnum):
    """What the client's Notion page says as of the month."""

    NO_PAGE = "no Notion page"
    DROPPED_LIKE = "dropped-like"
    ENDED_LIKE = "ended-like"
    OTHER = "any other"


@dataclass(frozen=True)
class Situation:
    """One contract in one month. `status` and `state` are its own here, because row 6 changes them half way."""

    facts: ContractFacts
    month: Span
    rules: AccrualRules
    closed: bool
    status: ContractStatus
    state: AccrualStatus
    reopened: bool = False

    @classmethod
    def of(cls, facts: ContractFacts, month: date, rules: AccrualRules, *, closed: bool) -> "Situation":
        """The contract in the month that `month` lies in; `closed` says whether a person closed that month."""
        days = Span(first_of_month(month), last_of_month(month))
        return cls(facts, days, rules, closed, facts.status, facts.accrual.status)

    def reopen(self) -> "Situation":
        """The same contract after row 6."""
        return replace(self, status=ContractStatus.ACTIVE, state=AccrualStatus.ACTIVE, reopened=True)

    @cached_property
    def total(self) -> Decimal:
        """The documents dated in the month or before; later ones do not exist yet."""
        return sum((known.amount for known in self.facts.documents if known.day <= self.month.last), ZERO)

    @cached_property
    def remaining(self) -> Decimal:
        """What is not accrued of it in earlier months."""
        return self.total - self.facts.accrual.accrued_before

    @cached_property
    def periods(self) -> tuple[PeriodAsOf, ...]:
        """Those that were known on the month's last day, each with its status as of it.

        If none was known yet, they all count as periods that are still to begin: what somebody is known to be
        enrolled in by now is no resignation (rows 13 to 17), and nothing is accrued before it was known.
        """
        known = [period for period in self.facts.periods if period.was_known(self.month.last)]
        return tuple(as_of(period, self.month.last) for period in known or self.facts.periods)

    @cached_property
    def last_period(self) -> PeriodAsOf | None:
        """None for a contract without periods."""
        return last_of(self.periods)

    @property
    def last_status(self) -> PeriodStatus | None:
        """The status of the last period as of the month."""
        return self.last_period.status if self.last_period else None

    @cached_property
    def last_in_force(self) -> PeriodAsOf | None:
        """The last of the periods that have days in force in the month, whether or not those are their own."""
        return last_of(p for p in self.periods if p.in_force and p.in_force.within(*self.month))

    @cached_property
    def sessions(self) -> MonthSessions:
        """In the month, and left after it."""
        timetable = Timetable(self.facts.service, self.rules.sorted_holidays)
        return count_sessions(self.periods, self.last_period, self.month, timetable)

    @property
    def recent(self) -> bool:
        """Whether the contract is so new that missing data may still come."""
        return self.facts.contract_date >= self.month.last - timedelta(days=self.rules.recent_days)

    @property
    def crm(self) -> Crm:
        """The Notion status counts from its date on; one with a later date or none is "any other"."""
        page = self.facts.notion
        if page is None:
            return Crm.NO_PAGE
        if page.day is None or page.day > self.month.last:
            return Crm.OTHER
        if page.status in _DROPPED_LIKE:
            return Crm.DROPPED_LIKE
        return Crm.ENDED_LIKE if page.status in _ENDED_LIKE else Crm.OTHER

    @property
    def months_since_change(self) -> int:
        """Calendar months, whatever the day, since the last period has its status; 0 without a period."""
        if self.last_period is None:
            return 0
        since, now = change_date(self.last_period.facts), self.month.first
        return (now.year - since.year) * 12 + now.month - since.month

    @property
    def over_but_active(self) -> bool:
        """Whether the last period ended before the month and nobody said how."""
        last = self.last_period
        return last is not None and last.status is PeriodStatus.ACTIVE and last.effective_end < self.month.first

    @property
    def ordinary_state(self) -> AccrualStatus:
        """`PAUSED` if, of the periods that began by now, the last is postponed; a row may say otherwise."""
        begun = last_of(period for period in self.periods if period.facts.start <= self.month.last)
        paused = begun is not None and begun.status is PeriodStatus.POSTPONED
        return AccrualStatus.PAUSED if paused else AccrualStatus.ACTIVE
