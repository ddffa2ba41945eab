"""An enrollment is seen from the day on which the CRM had it, live and in a replay (docs/vendors.md, 4Geeks facts)."""

from dataclasses import replace

import pytest

from steps.engine.sessions import PeriodInputs
from tests.steps.accruals.builders import contract, day, decided, document, notified, period, posted

COURSE = document("2024-01-08", "600.00")


def made_on(when: str, known: PeriodInputs) -> PeriodInputs:
    return replace(known, created_on=day(when))


@pytest.mark.parametrize("month", ["2024-01", "2024-02"])
def test_before_it_was_known_an_enrollment_accrues_nothing_and_is_no_resignation_either(month: str) -> None:
    outcome = decided(contract(COURSE, periods=(made_on("2024-03-04", period("2024-01-08", "2024-06-30")),)), month)

    assert (outcome.row, posted(outcome), notified(outcome)) == (12, [], [])


def test_from_the_month_in_which_it_became_known_it_accrues_by_all_its_days() -> None:
    late = made_on("2024-03-04", period("2024-01-08", "2024-06-30"))
    early = made_on("2024-01-08", period("2024-01-08", "2024-06-30"))

    outcomes = [decided(contract(COURSE, periods=(each,)), "2024-03") for each in (late, early)]

    assert replace(outcomes[0], sessions=None) == replace(outcomes[1], sessions=None)
    assert [each.sessions.in_month for each in outcomes if each.sessions] == [11, 11]


def test_a_drop_is_not_seen_before_the_enrollment() -> None:
    dropped = made_on("2024-03-04", period("2024-01-08", "2024-06-30", "DROPPED", "2024-02-10"))

    assert decided(contract(COURSE, periods=(dropped,)), "2024-02").row == 12
    assert decided(contract(COURSE, periods=(dropped,)), "2024-03").row == 8


def test_a_second_enrollment_changes_no_month_before_it_was_known() -> None:
    first = made_on("2024-01-02", period("2024-01-08", "2024-04-30"))
    second = made_on("2024-04-10", period("2024-05-06", "2024-09-30", number=2))
    alone, both = contract(COURSE, periods=(first,)), contract(COURSE, periods=(first, second))

    assert decided(both, "2024-03") == decided(alone, "2024-03")
    assert decided(both, "2024-04") != decided(alone, "2024-04")


@pytest.mark.parametrize("status", ["ACTIVE", "DROPPED", "POSTPONED", "ENDED"])
def test_a_canceled_contract_waits_for_a_person_as_long_as_its_enrollment_was_not_known(status: str) -> None:
    late = made_on("2024-03-04", period("2024-01-08", "2024-06-30", status, "2024-03-04"))

    outcome = decided(contract(COURSE, periods=(late,), status="CANCELED"), "2024-02")

    assert (outcome.row, notified(outcome)) == (18, ["not_congruent_status"])


def test_an_enrollment_entered_after_its_course_was_over_counts_from_its_first_day() -> None:
    entered = made_on("2026-01-15", period("2024-01-08", "2024-06-30"))

    assert posted(decided(contract(COURSE, periods=(entered,)), "2024-01")) == posted(
        decided(contract(COURSE, periods=(period("2024-01-08", "2024-06-30"),)), "2024-01")
    )
