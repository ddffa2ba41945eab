"""From a row of the table to the outcome: the postings, and the state brought up to date."""

from datetime import date
from decimal import Decimal

from steps.accruals.amounts import WHOLE, portion_of, split_amount
from steps.accruals.outcome import AccrualState, Action, Outcome, Posting
from steps.accruals.rule import Rule
from steps.accruals.situation import Situation
from steps.domain.accrual import AccrualStatus
from steps.domain.contract import ContractStatus
from steps.domain.money import ZERO

_NO_CHANGE = frozenset({Action.IGNORE, Action.UNCHANGED, Action.LOCKED})
_COMPLETES = frozenset({Action.COMPLETE, Action.POST_ALL})


def carry_out(rule: Rule, situation: Situation) -> Outcome:
    """What the contract's month comes to, once `rule` is known to decide it."""
    if rule.action in _NO_CHANGE:
        return _outcome(rule, situation)
    postings = _postings(rule, situation)
    state = _state(rule.action, situation, postings)
    status = rule.becomes(situation)
    if rule.action is Action.POST_MONTH and state.status is AccrualStatus.COMPLETED:
        status = ContractStatus.CLOSED
    return _outcome(rule, situation, status, state, postings)


def _outcome(
    rule: Rule,
    situation: Situation,
    status: ContractStatus | None = None,
    state: AccrualState | None = None,
    postings: tuple[Posting, ...] = (),
) -> Outcome:
    return Outcome(
        contract_id=situation.facts.id,
        month=situation.month.first,
        row=rule.number,
        action=rule.action,
        status_before=situation.facts.status,
        contract_status=status or situation.facts.status,
        state=state,
        postings=postings,
        notifications=rule.notifications(situation),
        reopened=situation.reopened,
    )


def _postings(rule: Rule, situation: Situation) -> tuple[Posting, ...]:
    if rule.action is Action.POST_ALL:
        return _all_of_it(rule, situation)
    return _month_of_it(rule, situation) if rule.action is Action.POST_MONTH else ()


def _all_of_it(rule: Rule, situation: Situation) -> tuple[Posting, ...]:
    """All that remains in one row, on the last period; nothing at all when nothing remains."""
    if situation.remaining == ZERO:
        return ()
    last = situation.last_period
    period_id = last.facts.id if last else None
    return (Posting(period_id, situation.remaining, WHOLE, situation.sessions.in_month, rule.name),)


def _month_of_it(rule: Rule, situation: Situation) -> tuple[Posting, ...]:
    """The month's amount, a row per period with sessions in it.

    When no session is left, now or later, the rest goes on the last period in force, so that nothing is ever lost.
    """
    sessions = situation.sessions
    if sessions.remaining == 0:
        last = situation.last_in_force
        return (Posting(last.facts.id if last else None, situation.remaining, WHOLE, 0, rule.name),)
    taught = [(period, count) for period, count in sessions.by_period if count]
    amounts = split_amount(situation.remaining, (count for _, count in taught), sessions.remaining)
    return tuple(
        Posting(period.id, amount, portion_of(count, sessions.remaining), count, rule.name)
        for (period, count), amount in zip(taught, amounts, strict=True)
    )


def _state(action: Action, situation: Situation, postings: tuple[Posting, ...]) -> AccrualState:
    before = situation.facts.accrual
    accrued = before.accrued_before + sum((posting.amount for posting in postings), ZERO)
    remaining = situation.total - accrued
    status = _status(action, situation, remaining)
    return AccrualState(
        total=situation.total,
        accrued=accrued,
        remaining=remaining,
        sessions_accrued=before.sessions_before + sum(posting.sessions for posting in postings),
        sessions_remaining=0 if status is AccrualStatus.COMPLETED else situation.sessions.after,
        status=status,
        last_month=_last_month(action, situation, postings),
    )


def _status(action: Action, situation: Situation, remaining: Decimal) -> AccrualStatus:
    if action in _COMPLETES or action is Action.SETTLED:
        return AccrualStatus.COMPLETED
    if action is Action.POST_MONTH and remaining == ZERO:
        return AccrualStatus.COMPLETED
    return situation.ordinary_state


def _last_month(action: Action, situation: Situation, postings: tuple[Posting, ...]) -> date | None:
    """The month itself after a posting, a completion or a reopening; else as it was."""
    if postings or action in _COMPLETES or situation.reopened:
        return situation.month.first
    return situation.facts.accrual.last_month
