"""4Geeks' records, one trap of the sheet each."""

from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from steps.vendors.fourgeeks import parse_enrollment, parse_student
from tests.steps.connectors.scripted_vendor import example

MADRID = ZoneInfo("Europe/Madrid")
ENROLLMENTS: list[dict[str, Any]] = example("fourgeeks_enrollments")["results"]


def test_an_invited_student_has_no_user_and_the_rows_own_email() -> None:
    invited = parse_student(example("fourgeeks_students")["results"][1])

    assert (invited.profile_id, invited.user_id, invited.email, invited.status) == (
        "5102",
        None,
        "omar.diaz@example.org",
        "INVITED",
    )


def test_the_users_email_is_preferred() -> None:
    student = parse_student({"id": 1, "email": None, "user": {"id": 2, "email": " Lucia@Example.ORG"}})
    moved = parse_student({"id": 1, "email": "old@example.org", "user": {"id": 2, "email": "new@example.org"}})

    assert (student.user_id, student.email) == ("2", "lucia@example.org")
    assert moved.email == "new@example.org"


def test_an_enrollment_carries_user_and_cohort() -> None:
    lucia, ana = (parse_enrollment(MADRID, row) for row in ENROLLMENTS)

    assert (lucia.id, lucia.user_id, lucia.email) == ("70001", "9001", "lucia.ferrer@example.org")
    assert (lucia.cohort_slug, lucia.cohort_name) == ("madrid-full-stack-pt-88", "Full Stack PT 88")
    assert lucia.kickoff == date(2025, 1, 20)
    assert lucia.updated_on == date(2025, 3, 2)
    assert (ana.email, ana.ending, ana.educational_status) == ("ana.gil@example.org", None, "DROPPED")


@pytest.mark.parametrize(
    "missing", [{"educational_status": None}, {"updated_at": None}, {"profile_academy": None}], ids=str
)
def test_what_is_null_is_none(missing: dict[str, None]) -> None:
    enrollment = parse_enrollment(MADRID, {**ENROLLMENTS[1], **missing})

    assert enrollment.id == "70002"


@pytest.mark.parametrize(
    "fields",
    [
        {"id": None},
        {"user": 9001},
        {"user": None},
        {"cohort": None},
        {"educational_status": 7},
        {"cohort": "madrid"},
        {"cohort": {"kickoff_date": "soon"}},
        {"cohort": {"ending_date": 1737392400}},
        {"cohort": {"kickoff_date": "0001-01-01T00:00:00Z"}},
        {"updated_at": "2025-13-01T00:00:00Z"},
        {"educational_status": ["ACTIVE"]},
    ],
    ids=str,
)
def test_a_field_of_a_wrong_type_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"id|user|cohort|kickoff_date|ending_date|updated_at|educational_status"):
        parse_enrollment(MADRID, {**ENROLLMENTS[0], **fields})
