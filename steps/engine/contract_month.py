"""What is known of one contract in one month (the inputs), and what is decided for it (the outcome)."""

from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum
from functools import cached_property

from steps.engine.sessions import (
    MonthSessions,
    PeriodAsOf,
    PeriodInputs,
    ServiceInputs,
    Span,
    Timetable,
    as_of,
    change_date,
    count_sessions,
    last_of,
)
from steps.errors import RecordRejectedError
from steps.ledger.accrual import AccrualStatus
from steps.ledger.contract import ContractStatus
from steps.ledger.money import ZERO
from steps.ledger.service import PeriodStatus


class Action(StrEnum):
    """What a row of the decision table does to the ledger."""

    IGNORE = "not considered"
    """Nothing, and it is not counted either."""
    UNCHANGED = "unchanged"
    """Nothing: the month has its posting."""
    LOCKED = "locked"
    """Nothing: the month is closed, or a later one was decided."""
    WAIT = "skipped"
    """Bring the state up to date, post nothing."""
    SETTLED = "settled"
    """The same, and the state stays `COMPLETED`."""
    REOPEN = "reopened"
    """Contract and state become `ACTIVE`; the rows below decide."""
    COMPLETE = "completed"
    """There is nothing to post; the state becomes `COMPLETED`."""
    POST_ALL = "all posted"
    """Post all that remains; the state becomes `COMPLETED`."""
    POST_MONTH = "posted"
    """Post the amount of the month."""


_DOES_SOMETHING = frozenset({Action.COMPLETE, Action.POST_ALL, Action.POST_MONTH})


class Counted(StrEnum):
    """As what a contract counts in the summary of the step's result."""

    NOT_PROCESSED = "not processed"
    SKIPPED = "skipped"
    SUCCESSFUL = "successful"


class NotificationType(StrEnum):
    """What a person should look at."""

    PAST_MONTH_LOCKED = "past_month_locked"
    PERIOD_OVER_BUT_ACTIVE = "period_over_but_active"
    MISSING_CRM_DATA = "missing_crm_data"
    NOT_CONGRUENT_STATUS = "not_congruent_status"
    ACCRUED_BEFORE_ENROLLMENT = "accrued_before_enrollment"
    IMPORT_OUTDATED = "import_outdated"
    IMPORT_NOT_RECORDED = "import_not_recorded"


@dataclass(frozen=True, slots=True)
class Notification:
    """One of them, about one contract or about the month itself."""

    type: NotificationType
    contract_id: int | None
    """None: about the month."""
    message: str


@dataclass(slots=True)
class Posting:
    """One row of `accrued_period`; its month is the outcome's."""

    period_id: int | None
    amount: Decimal
    portion: Decimal
    """Six decimals, for people to read."""
    sessions: int
    rule: str


@dataclass(slots=True)
class AccrualState:
    """The row of `contract_accrual` as it is to be after the month."""

    total: Decimal
    accrued: Decimal
    remaining: Decimal
    sessions_accrued: int
    sessions_remaining: int
    status: AccrualStatus
    last_month: date | None
    currency: str = ""
    """Of the three amounts; empty: not known yet."""

    @property
    def sessions_total(self) -> int:
        """Accrued and remaining ones together."""
        return self.sessions_accrued + self.sessions_remaining


@dataclass(slots=True)
class Outcome:
    """The decision about one contract in one month."""

    contract_id: int
    month: date
    """Its first day."""
    row: int
    """Of the decision table."""
    action: Action
    status_before: ContractStatus
    contract_status: ContractStatus
    state: AccrualState | None = None
    """None: the state stays as it is (rows 1 to 3)."""
    postings: tuple[Posting, ...] = ()
    notifications: tuple[Notification, ...] = ()
    reopened: bool = False
    """Row 6 was passed on the way."""
    sessions: "MonthSessions | None" = None
    """Where something is posted."""

    @property
    def rule(self) -> str:
        """The deciding row's name, as postings carry it."""
        return rule_name(self.row)

    @property
    def counted(self) -> Counted:
        """As what the contract counts in the summary of the step's result."""
        if self.action is Action.IGNORE:
            return Counted.NOT_PROCESSED
        return Counted.SUCCESSFUL if self.action in _DOES_SOMETHING else Counted.SKIPPED

    @property
    def amount(self) -> Decimal:
        """The sum of the postings."""
        return sum((posting.amount for posting in self.postings), ZERO)


class ContractFailureError(RecordRejectedError):
    """A contract that cannot be processed: it is left as it is, and the others go on (promise 6)."""

    def __init__(self, contract_id: int, reason: str) -> None:
        self.contract_id = contract_id
        super().__init__("service_contract", str(contract_id), reason)

    @property
    def reason(self) -> str:
        """Why, for people."""
        return str(self)


def rule_name(row: int) -> str:
    """The name of a row of the decision table, such as `row-11`."""
    return f"row-{row}"


ACCRUED_WHOLE = tuple(map(rule_name, (13, 14, 15, 16, 17, 20, 21)))
"""Rules that post all that remains of a contract without any enrollment (docs/accrual-rules.md, Gate)."""


@dataclass(slots=True)
class DocumentInputs:
    """One document of the contract that is not void."""

    day: date
    amount: Decimal
    """By `SYNC_ACCRUAL_BASIS`; a credit note is negative."""
    currency: str


@dataclass(slots=True)
class NotionInputs:
    """The client's page. A client without one has no `NotionInputs` at all, which is another thing."""

    status: str | None
    """Upper case, blanks as underscores, as the `notion-external-id` step keeps it."""
    day: date | None


@dataclass(frozen=True, slots=True)
class WholeAccrual:
    """What was accrued whole while the contract had no enrollment (`ACCRUED_WHOLE`), up to a month."""

    amount: Decimal
    month: date
    """Of the first such posting."""


@dataclass(slots=True)
class AccrualInputs:
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
    foreign: tuple[str, ...] = ()
    """What is posted, and not given back, in another currency than the contract's, such as `300.00 EUR`."""


@dataclass(slots=True)
class ContractInputs:
    """Everything the decision about one contract depends on, besides the month and the rules."""

    id: int
    contract_date: date
    currency: str
    status: ContractStatus = ContractStatus.ACTIVE
    documents: tuple[DocumentInputs, ...] = ()
    periods: tuple[PeriodInputs, ...] = ()
    service: ServiceInputs = field(default_factory=ServiceInputs)
    notion: NotionInputs | None = None
    accrual: AccrualInputs = field(default_factory=AccrualInputs)


@dataclass(frozen=True)
class AccrualRules:
    """The settings of the engine: those of the policy that decide when how much is earned."""

    recent_days: int = 15
    postponed_months: int = 3
    holidays: frozenset[date] = frozenset()
    """Public holidays of all years that a period may reach into."""
    catch_up: bool = False
    """`SYNC_ACCRUAL_METHOD`: each month brings the revenue to date up to what is taught to date."""

    @cached_property
    def sorted_holidays(self) -> tuple[date, ...]:
        """Ascending, so that those of a range are found by bisection; sorted once for all contracts."""
        return tuple(sorted(self.holidays))


_DROPPED_LIKE = frozenset({"DROPPED", "EARLY_DROPPED", "SUSPENDED"})
_ENDED_LIKE = frozenset({"GRADUATED", "NOT_COMPLETING", "ENDED"})


class Crm(StrEnum):
    """What the client's Notion page says as of the month."""

    NO_PAGE = "no Notion page"
    DROPPED_LIKE = "dropped-like"
    ENDED_LIKE = "ended-like"
    OTHER = "any other"


@dataclass
class ContractMonth:
    """One contract in one month. `status` and `state` are its own here, because row 6 changes them half way."""

    inputs: ContractInputs
    month: Span
    rules: AccrualRules
    closed: bool
    status: ContractStatus
    state: AccrualStatus
    total: Decimal
    """The documents dated in the month or before; later ones do not exist yet."""
    remaining: Decimal
    """What is not accrued of it in earlier months."""
    periods: list[PeriodAsOf]
    """Those that were known on the month's last day, each with its status as of it.

    If none was known yet, they all count as periods that are still to begin: somebody who is known to be
    enrolled by now has not resigned (rows 13 to 17), and nothing is accrued before it was known.
    """
    last_period: PeriodAsOf | None
    """None for a contract without periods."""
    reopened: bool = False

    @classmethod
    def of(cls, inputs: ContractInputs, month: date, rules: AccrualRules, *, closed: bool) -> "ContractMonth":
        """The contract in the month that `month` lies in; `closed` says whether a person closed that month."""
        days = Span.of_month(month)
        last = days.last
        total = sum([known.amount for known in inputs.documents if known.day <= last], ZERO)
        known_by_then = [period for period in inputs.periods if period.was_known(last)]
        periods = [as_of(period, last) for period in known_by_then or inputs.periods]
        return cls(
            inputs,
            days,
            rules,
            closed,
            inputs.status,
            inputs.accrual.status,
            total,
            total - inputs.accrual.accrued_before,
            periods,
            last_of(periods),
        )

    def reopen(self) -> "ContractMonth":
        """The same contract after row 6."""
        return replace(self, status=ContractStatus.ACTIVE, state=AccrualStatus.ACTIVE, reopened=True)

    @property
    def last_status(self) -> PeriodStatus | None:
        """The status of the last period as of the month."""
        return self.last_period.status if self.last_period else None

    @cached_property
    def last_in_force(self) -> PeriodAsOf | None:
        """The last of the periods that have days in force in the month, whether or not those are their own."""
        return last_of([period for period in self.periods if period.is_in_force(self.month)])

    @cached_property
    def sessions(self) -> MonthSessions:
        """In the month, and left after it."""
        timetable = Timetable(self.inputs.service, self.rules.sorted_holidays)
        catch_up = self.rules.catch_up
        return count_sessions(self.periods, self.last_period, self.month, timetable, catch_up=catch_up)

    @property
    def recent(self) -> bool:
        """Whether the contract is so new that missing data may still come."""
        return self.inputs.contract_date >= self.month.last - timedelta(days=self.rules.recent_days)

    @property
    def crm(self) -> Crm:
        """The Notion status counts from its date on; one with a later date or none is "any other"."""
        page = self.inputs.notion
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
        since, now = change_date(self.last_period.inputs), self.month.first
        return (now.year - since.year) * 12 + now.month - since.month

    @property
    def over_but_active(self) -> bool:
        """Whether the last period ended before the month and nobody said how."""
        last = self.last_period
        return last is not None and last.status is PeriodStatus.ACTIVE and last.effective_end < self.month.first

    @property
    def ordinary_state(self) -> AccrualStatus:
        """`PAUSED` if, of the periods that began by now, the last is postponed; a row may say otherwise."""
        begun = last_of([period for period in self.periods if period.inputs.start <= self.month.last])
        paused = begun is not None and begun.status is PeriodStatus.POSTPONED
        return AccrualStatus.PAUSED if paused else AccrualStatus.ACTIVE
