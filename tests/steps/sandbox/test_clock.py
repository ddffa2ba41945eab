"""Days are Madrid's, moments are UTC, and each vendor writes them in its own way."""

from datetime import UTC, date, datetime

from steps.sandbox.records import crm_time, local_day, moment, notion_time
from steps.sandbox.world import build_world


def test_half_past_eleven_at_night_in_utc_is_the_next_day_in_madrid() -> None:
    assert local_day(datetime(2023, 12, 31, 23, 30, tzinfo=UTC)) == date(2024, 1, 1)
    assert local_day(datetime(2024, 7, 31, 22, 15, tzinfo=UTC)) == date(2024, 8, 1)


def test_a_moment_knows_summer_time() -> None:
    assert moment(date(2024, 1, 15), 12) == datetime(2024, 1, 15, 11, tzinfo=UTC)
    assert moment(date(2024, 7, 15), 12) == datetime(2024, 7, 15, 10, tzinfo=UTC)


def test_each_vendor_writes_the_same_moment_in_its_own_way() -> None:
    at = datetime(2025, 3, 2, 18, 25, 59, 4512, tzinfo=UTC)

    assert crm_time(at) == "2025-03-02T18:25:59.004512Z"
    assert crm_time(at.replace(microsecond=0)) == "2025-03-02T18:25:59Z"
    assert notion_time(at) == "2025-03-02T18:25:00.000Z"


def test_a_course_that_starts_on_new_years_day_starts_on_new_years_eve_in_utc() -> None:
    kickoffs = {cohort.kickoff_at for cohort in build_world().cohorts}

    assert datetime(2023, 12, 31, 23, 30, tzinfo=UTC) in kickoffs


def test_some_statuses_change_at_an_hour_that_utc_puts_on_the_day_before() -> None:
    changes = [each.status_changed_at for each in build_world().enrollments if each.status_changed_at]

    assert any(local_day(at) != at.date() for at in changes)
