"""Facts with everything a test does not care about already filled in."""

from datetime import date
from decimal import Decimal

from steps.engine.contract_month import (
    AccrualInputs,
    AccrualRules,
    ContractInputs,
    DocumentInputs,
    NotionInputs,
    Outcome,
)
from steps.engine.decision_table import decide
from steps.engine.sessions import PeriodInputs, ServiceInputs
from steps.ledger.accrual import AccrualStatus
from steps.ledger.contract import ContractStatus
from steps.ledger.service import PeriodStatus

RULES = AccrualRules()
DEFAULT_SERVICE = ServiceInputs()
NOTHING_DONE = AccrualInputs()


def day(text: str) -> date:
    """`2024-03-10`, or `2024-03` for the first of the month."""
    return date.fromisoformat(text if len(text) > len("2024-03") else f"{text}-01")


def document(when: str, amount: str, currency: str = "EUR") -> DocumentInputs:
    """An invoice, or with a negative amount a credit note."""
    return DocumentInputs(day(when), Decimal(amount), currency)


def period(start: str, end: str, status: str = "ACTIVE", since: str | None = None, number: int = 1) -> PeriodInputs:
    """Period `number`, whose external id is `cohort-<number>`."""
    changed = day(since) if since else None
    return PeriodInputs(number, f"cohort-{number}", day(start), day(end), PeriodStatus(status), changed)


def accrual(
    accrued: str = "0.00", status: str = "ACTIVE", last_month: str | None = None, *, posted: bool = False
) -> AccrualInputs:
    """What was accrued in earlier months; `posted` says that the month itself has its posting."""
    month = day(last_month) if last_month else None
    return AccrualInputs(AccrualStatus(status), month, Decimal(accrued), 0, posted)


def contract(
    *documents: DocumentInputs,
    number: int = 1,
    status: str = "ACTIVE",
    periods: tuple[PeriodInputs, ...] = (),
    service: ServiceInputs = DEFAULT_SERVICE,
    notion: NotionInputs | None = None,
    accrual: AccrualInputs = NOTHING_DONE,
) -> ContractInputs:
    """A contract in EUR, begun with its first document; by default 300.00 of 10 January 2024."""
    known = documents or (document("2024-01-10", "300.00"),)
    begun = min(one.day for one in known)
    return ContractInputs(number, begun, "EUR", ContractStatus(status), known, periods, service, notion, accrual)


def decided(inputs: ContractInputs, month: str, rules: AccrualRules = RULES, *, closed: bool = False) -> Outcome:
    """The outcome in the month `2024-03`."""
    return decide(inputs, day(month), rules, closed=closed)


def posted(outcome: Outcome) -> list[tuple[int | None, str]]:
    """Period and amount of each posting."""
    return [(one.period_id, str(one.amount)) for one in outcome.postings]


def notified(outcome: Outcome) -> list[str]:
    """The types of its notifications."""
    return [one.type.value for one in outcome.notifications]
