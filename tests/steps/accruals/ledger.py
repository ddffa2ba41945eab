"""A ledger in memory: one contract, its postings and its state, as the database will keep them."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from decimal import Decimal

from steps.engine.contract_month import AccrualInputs, AccrualRules, AccrualState, ContractInputs, Outcome, Posting
from steps.engine.decision_table import decide
from steps.ledger.accrual import AccrualStatus
from steps.ledger.money import ZERO
from steps.ledger.months import next_month
from tests.steps.accruals.builders import RULES, day

EMPTY = AccrualState(ZERO, ZERO, ZERO, 0, 0, AccrualStatus.ACTIVE, None)


class Ledger:
    """Set `inputs` to change what is known of the contract; what was decided of it is kept here alone."""

    def __init__(self, inputs: ContractInputs, rules: AccrualRules = RULES) -> None:
        self.inputs, self.rules = inputs, rules
        self.contract_status = inputs.status
        self.state = EMPTY
        self.postings: list[tuple[date, Posting]] = []
        self.outcomes: list[Outcome] = []
        self.closed: set[date] = set()

    def facts_for(self, month: date) -> ContractInputs:
        """As the loader will fill them for `month`."""
        earlier = [posting for posted, posting in self.postings if posted < month]
        accrual = AccrualInputs(
            self.state.status,
            self.state.last_month,
            sum((posting.amount for posting in earlier), ZERO),
            sum(posting.sessions for posting in earlier),
            any(posted == month for posted, _ in self.postings),
        )
        return replace(self.inputs, status=self.contract_status, accrual=accrual)

    def process(self, month: date) -> Outcome:
        """Decide the month and write the outcome down."""
        outcome = decide(self.facts_for(month), month, self.rules, closed=month in self.closed)
        self.postings += [(month, posting) for posting in outcome.postings]
        self.state = outcome.state or self.state
        self.contract_status = outcome.contract_status
        self.outcomes.append(outcome)
        return outcome

    def run(self, first: str, last: str) -> None:
        """Process the months `2024-01` to `2024-12`, both included."""
        for month in months(day(first), day(last)):
            self.process(month)

    def amounts(self) -> dict[str, str]:
        """What each month that has postings accrued."""
        sums: dict[str, Decimal] = {}
        for month, posting in self.postings:
            sums[f"{month:%Y-%m}"] = sums.get(f"{month:%Y-%m}", ZERO) + posting.amount
        return {month: str(amount) for month, amount in sums.items()}

    def content(self) -> tuple[object, ...]:
        """All that the ledger keeps, to compare two of them."""
        return self.state, self.contract_status, tuple(self.postings)


def months(first: date, last: date) -> Iterator[date]:
    """The months from `first` to `last`, both included."""
    while first <= last:
        yield first
        first = next_month(first)
