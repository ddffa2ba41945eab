"""What the engine answers for one contract and month: values for others to write down."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum

from steps.domain.accrual import AccrualStatus
from steps.domain.contract import ContractStatus
from steps.domain.money import ZERO
from steps.errors import RecordRejectedError


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


@dataclass(frozen=True, slots=True)
class Posting:
    """One row of `accrued_period`; its month is the outcome's."""

    period_id: int | None
    amount: Decimal
    portion: Decimal
    """Six decimals, for people to read."""
    sessions: int
    rule: str


@dataclass(frozen=True, slots=True)
class AccrualState:
    """The row of `contract_accrual` as it is to be after the month."""

    total: Decimal
    accrued: Decimal
    remaining: Decimal
    sessions_accrued: int
    sessions_remaining: int
    status: AccrualStatus
    last_month: date | None

    @property
    def sessions_total(self) -> int:
        """Accrued and remaining ones together."""
        return self.sessions_accrued + self.sessions_remaining


@dataclass(frozen=True, slots=True)
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
"""Rules that post all that remains of a contract without any enrollment (accruals.md, Gate)."""
