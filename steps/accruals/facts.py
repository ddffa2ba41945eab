"""What the engine is told about one contract: values only, no table, no session, no clock.

The loader fills these from the ledger; everything that depends on the month is worked out in `situation.py`.
"""

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from functools import cached_property

from steps.domain.accrual import AccrualStatus
from steps.domain.contract import ContractStatus
from steps.domain.money import ZERO
from steps.domain.period import PeriodStatus
from steps.domain.service import DEFAULT_SESSIONS_PER_WEEK, DEFAULT_TOTAL_SESSIONS


@dataclass(frozen=True, slots=True)
class PeriodFacts:
    """One enrollment as the ledger has it today: its present status, and since when."""

    id: int
    external_id: str
    start: date
    end: date
    """The last day, included."""
    status: PeriodStatus = PeriodStatus.ACTIVE
    status_change_date: date | None = None
    created_on: date | None = None
    """The day from which the CRM had the enrollment; None: not known."""

    def was_known(self, day: date) -> bool:
        """Whether the enrollment existed at the end of `day` (vendors/fourgeeks.md: no replay may see it before).

        One that was entered after its course was over is a record of the past: its creation says nothing.
        """
        return self.created_on is None or self.created_on <= day or self.created_on > self.end


@dataclass(frozen=True, slots=True)
class DocumentFacts:
    """One document of the contract that is not void."""

    day: date
    amount: Decimal
    """By `SYNC_ACCRUAL_BASIS`; a credit note is negative."""
    currency: str


@dataclass(frozen=True, slots=True)
class NotionFacts:
    """The client's page. A client without one has no `NotionFacts` at all, which is another thing."""

    status: str | None
    """Upper case, blanks as underscores, as the `notion-external-id` step keeps it."""
    day: date | None


@dataclass(frozen=True, slots=True)
class ServiceFacts:
    """How much is taught, and when."""

    total_sessions: int = DEFAULT_TOTAL_SESSIONS
    sessions_per_week: int = DEFAULT_SESSIONS_PER_WEEK
    class_weekdays: frozenset[int] | None = None
    """Monday 0. None or empty: not known (a course without a class day is a field nobody filled in)."""


@dataclass(frozen=True, slots=True)
class WholeAccrual:
    """What was accrued whole while the contract had no enrollment (`ACCRUED_WHOLE`), up to a month."""

    amount: Decimal
    month: date
    """Of the first such posting."""


@dataclass(frozen=True, slots=True)
class AccrualFacts:
    """What was done for the contract so far, seen from the month to be processed.

    The two sums are over the postings of *earlier* months only: an old month must not see what came after it.
    """

    status: AccrualStatus = AccrualStatus.ACTIVE
    last_month: date | None = None
    """First of the month of the last posting, completion or reopening."""
    accrued_before: Decimal = ZERO
    sessions_before: int = 0
    has_posting_in_month: bool = False
    whole: WholeAccrual | None = None
    """None too for a contract that still has no enrollment: it is looked for only where there is one."""


@dataclass(frozen=True, slots=True)
class ContractFacts:
    """Everything the decision about one contract depends on, besides the month and the rules."""

    id: int
    contract_date: date
    currency: str
    status: ContractStatus = ContractStatus.ACTIVE
    documents: tuple[DocumentFacts, ...] = ()
    periods: tuple[PeriodFacts, ...] = ()
    service: ServiceFacts = field(default_factory=ServiceFacts)
    notion: NotionFacts | None = None
    accrual: AccrualFacts = field(default_factory=AccrualFacts)


@dataclass(frozen=True)
class AccrualRules:
    """The settings of the engine (`SYNC_RECENT_DAYS`, `SYNC_POSTPONED_MONTHS`, `SYNC_HOLIDAYS_COUNTRY`)."""

    recent_days: int = 15
    postponed_months: int = 3
    holidays: frozenset[date] = frozenset()
    """Public holidays of all years that a period may reach into."""

    @cached_property
    def sorted_holidays(self) -> tuple[date, ...]:
        """Ascending, so that those of a range are found by bisection; sorted once for all contracts."""
        return tuple(sorted(self.holidays))
