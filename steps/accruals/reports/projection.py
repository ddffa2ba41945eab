"""When what is deferred will be earned: the engine run forward in memory, with everything as it is known now. Pure."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

from steps.accruals.decide import decide
from steps.accruals.facts import AccrualFacts, AccrualRules, ContractFacts
from steps.accruals.outcome import Outcome
from steps.accruals.periods import change_date
from steps.domain.accrual import AccrualStatus
from steps.domain.contract import ContractStatus
from steps.domain.money import ZERO
from steps.domain.months import last_of_month, next_month

MOST_MONTHS = 120
"""A course that ends later than in ten years is a typing mistake, and what is left of it waits for a person."""
_PUT_OFF_TOO_LONG, _RESIGNED = 10, 14
"""Rows of the decision table that end a wait: what happens if nobody does anything, not what is expected."""


def expected_months(facts: ContractFacts, month: date, rules: AccrualRules) -> dict[date, Decimal]:
    """The months after `month` in which the contract's remaining amount is expected to be earned.

    What is in none of them is put off, or waits for a person.

    Args:
        facts: As seen from the month after `month`: what was accrued before counts the postings up to `month`.
        month: The first day of the last month that counts as processed; later documents do not exist yet.
        rules: The settings.

    Raises:
        ContractFailureError: The contract has bad data: all of it waits for a person.
    """
    last = last_of_month(month)
    documents = tuple(document for document in facts.documents if document.day <= last)
    known = replace(undecided(facts, next_month(month)), documents=documents)
    waiting = known.contract_date >= last - timedelta(days=rules.recent_days)
    expected: dict[date, Decimal] = {}
    for outcome in _outcomes(known, month, rules):
        if outcome.row == _PUT_OFF_TOO_LONG or (outcome.row == _RESIGNED and waiting):
            break
        if outcome.postings:
            expected[outcome.month] = outcome.amount
    return expected


def undecided(facts: ContractFacts, month: date) -> ContractFacts:
    """The contract as it was before `month` (its first day) was decided, as far as the ledger remembers.

    It keeps no history of states: a contract that was decided in the month or later counts as active until then.
    """
    accrual = replace(facts.accrual, has_posting_in_month=False)
    if accrual.last_month is None or accrual.last_month < month:
        return replace(facts, accrual=accrual)
    active = replace(accrual, status=AccrualStatus.ACTIVE, last_month=None)
    return replace(facts, status=ContractStatus.ACTIVE, accrual=active)


def _outcomes(facts: ContractFacts, month: date, rules: AccrualRules) -> Iterator[Outcome]:
    """Each month's outcome built on the one before, until nothing is left or nothing more can happen."""
    end = _last_eventful_day(facts, rules)
    for ahead in range(1, MOST_MONTHS + 1):
        outcome = decide(facts, next_month(month, ahead), rules, closed=False)
        yield outcome
        if last_of_month(outcome.month) >= end or (outcome.state is not None and outcome.state.remaining == ZERO):
            return
        facts = _after(facts, outcome)


def _after(facts: ContractFacts, outcome: Outcome) -> ContractFacts:
    """The facts as the loader would fill them for the next month."""
    state = outcome.state
    if state is None:
        return facts
    accrual = AccrualFacts(state.status, state.last_month, state.accrued, state.sessions_accrued)
    return replace(facts, status=outcome.contract_status, accrual=accrual)


def _last_eventful_day(facts: ContractFacts, rules: AccrualRules) -> date:
    """After it no day is in force, no status changes and nobody is new any more: whoever waits then, waits on."""
    days = [facts.contract_date + timedelta(days=rules.recent_days)]
    for period in facts.periods:
        days += [period.end, change_date(period)]
    if facts.notion is not None and facts.notion.day is not None:
        days.append(facts.notion.day)
    return max(days)
