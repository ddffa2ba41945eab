"""The decision of accruals.md, row by row: a table of data, tried from the top.

`decide` is a pure function. The same facts, month, rules and closed flag give the same outcome, whatever was decided
for other contracts. What the rows ask is in `conditions.py` and `situation.py`, what they do in `carry_out.py`.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

from steps.accruals import conditions as when
from steps.accruals import notices
from steps.accruals.carry_out import carry_out
from steps.accruals.check import refuse_bad_data
from steps.accruals.facts import AccrualRules, ContractFacts
from steps.accruals.outcome import Action, Notification, NotificationType, Outcome
from steps.accruals.rule import Notice, Rule, becomes_canceled, becomes_closed
from steps.accruals.situation import Situation
from steps.domain.contract import ContractStatus
from steps.domain.money import ZERO

ANY = frozenset(ContractStatus)
LIVE = frozenset({ContractStatus.ACTIVE, ContractStatus.CLOSED})
CANCELED = frozenset({ContractStatus.CANCELED})


def decide(facts: ContractFacts, month: date, rules: AccrualRules, *, closed: bool) -> Outcome:
    """The outcome for one contract in the month that `month` lies in.

    Args:
        facts: As of today; what lies after the month is left out here.
        month: Any day of it. That the month is over is the caller's to check: there is no clock here.
        rules: The settings.
        closed: Whether a person closed the month.

    Raises:
        ContractFailureError: The contract has bad data; it is to be reported and left as it is.
    """
    situation = Situation.of(facts, month, rules, closed=closed)
    if not TABLE[0].fits(situation):
        refuse_bad_data(facts, situation.month.last)
    outcome = _first_that_fits(TABLE, situation)
    if (message := notices.enrolled_after_all(situation)) is None:
        return outcome
    enrolled = Notification(NotificationType.ACCRUED_BEFORE_ENROLLMENT, facts.id, message)
    return replace(outcome, notifications=(*outcome.notifications, enrolled))


def _first_that_fits(table: Sequence[Rule], situation: Situation) -> Outcome:
    for rule in table:
        if not rule.fits(situation):
            continue
        if rule.action is not Action.REOPEN:
            return carry_out(rule, situation)
        situation = situation.reopen()
    raise AssertionError("the table leaves no contract undecided")


def _settled(situation: Situation) -> ContractStatus:
    """Rows 4 and 7: only a contract still `ACTIVE` changes, by whether anything was sold in the end."""
    if situation.status is not ContractStatus.ACTIVE:
        return situation.status
    return ContractStatus.CLOSED if situation.total > ZERO else ContractStatus.CANCELED


def _credited(situation: Situation) -> ContractStatus:
    """Row 5."""
    if situation.status is ContractStatus.CANCELED or situation.total <= ZERO:
        return ContractStatus.CANCELED
    return ContractStatus.CLOSED


def _locked(situation: Situation) -> str | None:
    """Row 3: what the rows below would do is tried, and not done."""
    return notices.locked(situation, _first_that_fits(TABLE[3:], situation))


_LOCKED = Notice(NotificationType.PAST_MONTH_LOCKED, _locked)
_OVER = Notice(NotificationType.PERIOD_OVER_BUT_ACTIVE, notices.period_over)
_MISSING = Notice(NotificationType.MISSING_CRM_DATA, notices.crm_data_missing)
_UNCLEAR = Notice(NotificationType.NOT_CONGRUENT_STATUS, notices.unclear_page)
_STILL_TAUGHT = Notice(NotificationType.NOT_CONGRUENT_STATUS, notices.canceled_but_taught)
_CANCELED_UNCLEAR = Notice(NotificationType.NOT_CONGRUENT_STATUS, notices.canceled_and_unclear)

# One row a line, to be read against accruals.md.
TABLE: tuple[Rule, ...] = (
    Rule(1, ANY, "begins after the month", when.begins_later, Action.IGNORE),
    Rule(2, ANY, "the month has a posting", when.has_posting, Action.UNCHANGED),
    Rule(3, ANY, "a later month is decided, or this one closed", when.is_locked, Action.LOCKED, notice=_LOCKED),
    Rule(4, ANY, "completed, nothing remains", when.completed_and_even, Action.SETTLED, _settled),
    Rule(5, ANY, "credited after it was accrued", when.overdrawn, Action.POST_ALL, _credited),
    Rule(6, ANY, "completed, then a late document", when.completed_too_early, Action.REOPEN),
    Rule(7, LIVE, "has periods, nothing remains", when.nothing_remains, Action.COMPLETE, _settled),
    Rule(8, LIVE, "the last period is dropped", when.last_dropped, Action.POST_ALL, becomes_canceled),
    Rule(9, LIVE, "the last period is ended", when.last_ended, Action.POST_ALL, becomes_closed),
    Rule(10, LIVE, "put off for too long", when.last_put_off_too_long, Action.POST_ALL, becomes_canceled),
    Rule(11, LIVE, "days in force", when.in_force, Action.POST_MONTH),
    Rule(12, LIVE, "has periods, none in force", when.none_in_force, Action.WAIT, notice=_OVER),
    Rule(13, LIVE, "no period, no Notion page, recent", when.unknown_and_recent, Action.WAIT, notice=_MISSING),
    Rule(14, LIVE, "no period, no Notion page", when.unknown_for_long, Action.POST_ALL, becomes_canceled),
    Rule(15, LIVE, "no period, dropped in Notion", when.page_dropped_like, Action.POST_ALL, becomes_canceled),
    Rule(16, LIVE, "no period, ended in Notion", when.page_ended_like, Action.POST_ALL, becomes_closed),
    Rule(17, LIVE, "no period, unclear in Notion", when.page_unclear, Action.WAIT, notice=_UNCLEAR),
    Rule(18, CANCELED, "a period goes on or ended", when.some_period_goes_on, Action.WAIT, notice=_STILL_TAUGHT),
    Rule(19, CANCELED, "all periods dropped or put off", when.all_periods_given_up, Action.POST_ALL),
    Rule(20, CANCELED, "no period, unknown or dropped in Notion", when.unknown_or_dropped, Action.POST_ALL),
    Rule(21, CANCELED, "no period, ended in Notion", when.page_ended_like, Action.POST_ALL, becomes_closed),
    Rule(22, CANCELED, "no period, unclear in Notion", when.page_unclear, Action.WAIT, notice=_CANCELED_UNCLEAR),
)
