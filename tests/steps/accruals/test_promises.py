"""Promises 1 to 4 of docs/accrual-rules.md, and that all months earn the total: random contracts, month after month."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from steps.engine.contract_month import AccrualRules, ContractInputs, DocumentInputs, NotionInputs
from steps.engine.sessions import PeriodInputs
from steps.ledger.contract import ContractStatus
from steps.ledger.money import to_cents
from steps.ledger.months import last_of_month
from steps.ledger.service import PeriodStatus
from tests.steps.accruals import strategies
from tests.steps.accruals.day_by_day import (
    count_day_by_day,
    effective_end,
    last_of_all,
    sessions_of_day,
    status_on,
)
from tests.steps.accruals.ledger import Ledger, months

pytestmark = pytest.mark.slow

LIFE = list(months(date(2024, 1, 1), date(2025, 9, 1)))
"""All of it: the last day of a course is in April 2025, and a postponement is given up at most four months later."""


def total_of(inputs: ContractInputs, month: date) -> Decimal:
    """Invoiced less credited, by the end of the month."""
    return sum((one.amount for one in inputs.documents if one.day <= last_of_month(month)), Decimal(0))


def as_a_live_run_sees_it(inputs: ContractInputs, month: date) -> ContractInputs | None:
    """What the ledger holds at the month's end: documents and changes to come are not known. None: no contract."""
    last = last_of_month(month)
    documents = tuple(one for one in inputs.documents if one.day <= last)
    if not documents:
        return None
    page = inputs.notion
    if page and (page.day is None or page.day > last):
        page = NotionInputs("ACTIVE", None)
    begun = min(one.day for one in documents)
    periods = tuple(_period_then(one, last) for one in inputs.periods)
    return replace(inputs, contract_date=begun, documents=documents, periods=periods, notion=page)


def _period_then(period: PeriodInputs, last: date) -> PeriodInputs:
    if status_on(period, last) is PeriodStatus.ACTIVE:
        return replace(period, status=PeriodStatus.ACTIVE, status_change_date=None)
    return period


@strategies.patient
@given(strategies.contracts(), strategies.rules)
def test_promise_1_accrued_and_remaining_are_the_documents_to_the_cent(
    inputs: ContractInputs, rules: AccrualRules
) -> None:
    ledger = Ledger(inputs, rules)

    for month in LIFE:
        outcome = ledger.process(month)

        accrued = sum((posting.amount for _, posting in ledger.postings), Decimal(0))
        assert ledger.state.accrued == accrued
        assert ledger.state.sessions_accrued == sum(posting.sessions for _, posting in ledger.postings)
        if outcome.row > 1:
            assert accrued + ledger.state.remaining == total_of(inputs, month) == ledger.state.total


@strategies.patient
@given(strategies.contracts(), strategies.rules)
def test_promise_2_a_second_run_of_a_month_changes_nothing(inputs: ContractInputs, rules: AccrualRules) -> None:
    ledger = Ledger(inputs, rules)

    for month in LIFE:
        ledger.process(month)
        before = ledger.content()
        ledger.process(month)
        assert ledger.content() == before


@strategies.patient
@given(strategies.contracts(), strategies.rules, st.sampled_from(LIFE))
def test_promise_2_running_the_year_again_changes_no_posting(
    inputs: ContractInputs, rules: AccrualRules, upto: date
) -> None:
    ledger = Ledger(inputs, rules)
    for month in months(LIFE[0], upto):
        ledger.process(month)
    before = ledger.content()

    for month in months(LIFE[0], upto):
        ledger.process(month)

    assert ledger.content() == before


@strategies.patient
@given(strategies.contracts(), strategies.documents(), strategies.rules, st.sampled_from(LIFE[2:15]))
def test_promise_3_what_turns_up_late_is_accrued_in_the_first_open_month(
    inputs: ContractInputs, late: tuple[DocumentInputs, ...], rules: AccrualRules, found: date
) -> None:
    ledger = Ledger(inputs, rules)
    for month in months(LIFE[0], found):
        ledger.process(month)
    before, decided_until = list(ledger.postings), ledger.state.last_month

    documents = inputs.documents + late
    begun = min(one.day for one in documents)
    ledger.inputs = replace(inputs, documents=documents, contract_date=begun)
    for month in LIFE:
        ledger.process(month)

    assert ledger.postings[: len(before)] == before
    new = [month for month, _ in ledger.postings[len(before) :]]
    assert decided_until is None or all(month >= decided_until for month in new)
    assert not {month for month, _ in before} & set(new)
    assert ledger.state.accrued + ledger.state.remaining == total_of(ledger.inputs, LIFE[-1])


@strategies.patient
@given(strategies.contracts(), strategies.rules, st.sets(st.sampled_from(LIFE)))
def test_promise_3_a_closed_month_takes_no_posting_and_loses_no_money(
    inputs: ContractInputs, rules: AccrualRules, closed: set[date]
) -> None:
    ledger = Ledger(inputs, rules)
    ledger.closed = closed

    for month in LIFE:
        ledger.process(month)

    assert not closed & {month for month, _ in ledger.postings}
    last_open = max((month for month in LIFE if month not in closed), default=None)
    if last_open and last_open >= inputs.contract_date:
        assert ledger.state.accrued + ledger.state.remaining == total_of(inputs, last_open)


@strategies.patient
@given(strategies.contracts(), strategies.rules)
def test_promise_4_live_and_replay_post_the_same(inputs: ContractInputs, rules: AccrualRules) -> None:
    live, replay = Ledger(inputs, rules), Ledger(inputs, rules)

    for month in LIFE:
        known = as_a_live_run_sees_it(inputs, month)
        if known:
            live.inputs = known
            live.process(month)
        replay.process(month)

    assert live.content() == replay.content()


@strategies.patient
@given(strategies.contracts((ContractStatus.ACTIVE, ContractStatus.CLOSED)), strategies.rules)
def test_the_postings_of_a_whole_life_add_up_to_the_total(inputs: ContractInputs, rules: AccrualRules) -> None:
    """Where no person has to decide: no document after a course that nobody ended, and a page that says how it went."""
    assume(not waits_for_a_person(inputs))
    ledger = Ledger(inputs, rules)

    for month in LIFE:
        ledger.process(month)

    assert ledger.state.accrued == total_of(inputs, LIFE[-1])
    assert (ledger.state.status, ledger.state.remaining) == ("COMPLETED", Decimal(0))
    assert ledger.contract_status != "ACTIVE"


def waits_for_a_person(inputs: ContractInputs) -> bool:
    """Rows 12, 17 and 18 with a notification, for ever."""
    if not inputs.periods:
        page = inputs.notion
        return page is not None and (page.day is None or page.status in (None, "ACTIVE"))
    last = last_of_all(inputs.periods, LIFE[-1])
    over = effective_end(last, LIFE[-1])
    still_active = status_on(last, LIFE[-1]) is PeriodStatus.ACTIVE
    return still_active and max(one.day for one in inputs.documents) > over


@strategies.patient
@given(strategies.contracts((ContractStatus.ACTIVE,)), strategies.rules)
def test_with_catch_up_the_revenue_to_date_is_the_share_of_the_total_that_is_taught(
    inputs: ContractInputs, rules: AccrualRules
) -> None:
    """Whatever was posted before; row 11 alone, as the others post all. The sessions are counted day by day."""
    ledger = Ledger(inputs, replace(rules, catch_up=True))
    of_day = sessions_of_day(inputs.service, rules.holidays)

    for month in LIFE:
        outcome = ledger.process(month)
        if outcome.row == 11:
            to_date, after = count_day_by_day(inputs.periods, date(2023, 1, 1), last_of_month(month), of_day)
            taught, total = sum(to_date.values()), Fraction(total_of(inputs, month))
            expected = to_cents(total * taught / (taught + after)) if after else total
            assert ledger.state.accrued == expected


@strategies.patient
@given(strategies.contracts(), strategies.rules)
def test_every_figure_is_a_decimal_in_cents_or_a_whole_number(inputs: ContractInputs, rules: AccrualRules) -> None:
    ledger = Ledger(inputs, rules)

    for month in LIFE:
        ledger.process(month)

    for amount in (ledger.state.total, ledger.state.accrued, ledger.state.remaining):
        assert (type(amount), amount.as_tuple().exponent) == (Decimal, -2)
    for _, posting in ledger.postings:
        assert (type(posting.amount), posting.amount.as_tuple().exponent) == (Decimal, -2)
        assert (type(posting.portion), posting.portion.as_tuple().exponent) == (Decimal, -6)
        assert 0 < posting.portion <= 1 or (rules.catch_up and posting.portion == posting.sessions == 0)
        assert type(posting.sessions) is int
        assert posting.sessions >= 0
