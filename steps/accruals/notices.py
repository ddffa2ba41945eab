"""What the notifications of the decision table say: for a person, with the amount that waits for them."""

from steps.accruals.outcome import Outcome
from steps.accruals.situation import Situation
from steps.domain.period import PeriodStatus

_GIVEN_UP = frozenset({PeriodStatus.DROPPED, PeriodStatus.POSTPONED})


def locked(situation: Situation, would_be: Outcome) -> str | None:
    """`past_month_locked`, when money is concerned; `would_be` is what the rows below would do."""
    if not any(posting.amount for posting in would_be.postings):
        return None
    why = "is closed" if situation.closed else "comes before a month that is already decided"
    amount = f"{would_be.amount} {situation.facts.currency}"
    return f"{situation.month.first:%Y-%m} {why}: {amount} by {would_be.rule} are left to the first open month"


def period_over(situation: Situation) -> str | None:
    """`period_over_but_active`, of the last period."""
    last = situation.last_period
    if last is None or not situation.over_but_active:
        return None
    return f"period {last.facts.external_id} ended on {last.facts.end} but is still ACTIVE; {_left(situation)}"


def crm_data_missing(situation: Situation) -> str:
    """`missing_crm_data`: a new client whom neither 4Geeks nor Notion knows."""
    return f"no period and no Notion page; {_left(situation)}"


def unclear_page(situation: Situation) -> str | None:
    """`not_congruent_status` of a contract without a period, once it is no longer recent."""
    return None if situation.recent else f"no period, and Notion says {_page(situation)}; {_left(situation)}"


def canceled_but_taught(situation: Situation) -> str:
    """`not_congruent_status` of a canceled contract whose periods say otherwise."""
    going_on = next(period for period in situation.periods if period.status not in _GIVEN_UP)
    said = f"period {going_on.facts.external_id} is {going_on.status}"
    return f"the contract is CANCELED, but {said}; {_left(situation)}"


def canceled_and_unclear(situation: Situation) -> str:
    """`not_congruent_status` of a canceled contract without a period."""
    return f"the contract is CANCELED, but Notion says {_page(situation)}; {_left(situation)}"


def enrolled_after_all(situation: Situation) -> str | None:
    """`accrued_before_enrollment`: what was accrued whole without an enrollment, and the enrollment there is now."""
    whole, last = situation.facts.accrual.whole, situation.last_period
    if whole is None or last is None:
        return None
    amount, period = f"{whole.amount} {situation.facts.currency}", last.facts
    accrued = f"{amount} were accrued whole in {whole.month:%Y-%m} without an enrollment"
    return f"{accrued}, but now there is {period.external_id} from {period.start} to {period.end}"


def _page(situation: Situation) -> str:
    page = situation.facts.notion
    return "nothing" if page is None else f"{page.status or 'nothing'} ({page.day or 'no date'})"


def _left(situation: Situation) -> str:
    return f"{situation.remaining} {situation.facts.currency} remain"
