"""Facts with everything a test does not care about already filled in."""

from datetime import date
from decimal import Decimal

from steps.engine.contract_month import (
    AccrualFacts,
    AccrualRules,
    ContractFacts,
    DocumentFacts,
    NotionFacts,
    Outcome,
    PeriodFacts,
    ServiceFacts,
)
from steps.engine.decision_table import decide
from steps.ledger.accrual import AccrualStatus
from steps.ledger.contract import ContractStatus
from steps.ledger.period import PeriodStatus

RULES = AccrualRules()
DEFAULT_SERVICE = ServiceFacts()
NOTHING_DONE = AccrualFacts()


def day(text: str) -> date:
    """`2024-03-10`, or `2024-03` for the first of the month."""
    return date.fromisoformat(text if len(text) > len("2024-03") else f"{text}-01")


def document(when: str, amount: str, currency: str = "EUR") -> DocumentFacts:
    """An invoice, or with a negative amount a credit note."""
    return DocumentFacts(day(when), Decimal(amount), currency)


def period(start: str, end: str, status: str = "ACTIVE", since: str | None = None, number: int = 1) -> PeriodFacts:
    """Period `number`, whose external id is `cohort-<number>`."""
    changed = day(since) if since else None
    return PeriodFacts(number, f"cohort-{number}", day(start), day(end), PeriodStatus(status), changed)


def accrual(
    accrued: str = "0.00", status: str = "ACTIVE", last_month: str | None = None, *, posted: bool = False
) -> AccrualFacts:
    """What was accrued in earlier months; `posted` says that the month itself has its posting."""
    month = day(last_month) if last_month else None
    return AccrualFacts(AccrualStatus(status), month, Decimal(accrued), 0, posted)


def contract(
    *documents: DocumentFacts,
    number: int = 1,
    status: str = "ACTIVE",
    periods: tuple[PeriodFacts, ...] = (),
    service: ServiceFacts = DEFAULT_SERVICE,
    notion: NotionFacts | None = None,
    accrual: AccrualFacts = NOTHING_DONE,
) -> ContractFacts:
    """A contract in EUR, begun with its first document; by default 300.00 of 10 January 2024."""
    known = documents or (document("2024-01-10", "300.00"),)
    begun = min(one.day for one in known)
    return ContractFacts(number, begun, "EUR", ContractStatus(status), known, periods, service, notion, accrual)


def decided(facts: ContractFacts, month: str, rules: AccrualRules = RULES, *, closed: bool = False) -> Outcome:
    """The outcome in the month `2024-03`."""
    return decide(facts, day(month), rules, closed=closed)


def posted(outcome: Outcome) -> list[tuple[int | None, str]]:
    """Period and amount of each posting."""
    return [(one.period_id, str(one.amount)) for one in outcome.postings]


def notified(outcome: Outcome) -> list[str]:
    """The types of its notifications."""
    return [one.type.value for one in outcome.notifications]
