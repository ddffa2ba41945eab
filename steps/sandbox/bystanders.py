"""Those around the clients: students who are nobody's client, staff, the other school, and old pages."""

from dataclasses import replace
from datetime import date

from steps.sandbox.campus import Cohort, Enrollment, Page, Student, User
from steps.sandbox.cast import FIRST_ENROLLMENT, RECORDS_PER_CLIENT, Records
from steps.sandbox.catalogue import MADRID_SCHOOL, VALENCIA_SCHOOL
from steps.sandbox.clock import moment
from steps.sandbox.names import mail_address, person_name, uuid_id

FIRST_STAFF = 8001
FIRST_STRANGER = 1_000_000
STAFF_ROLES = ("teacher", "assistant", "coach_6", "academy_reporter")


def add_bystanders(seed: int, clients: int, year: int, cohorts: list[Cohort], records: Records) -> None:
    """Add them: a fifth as many strangers as clients, four of the staff, one client who is also in Valencia."""
    courses = [
        cohort
        for cohort in cohorts
        if cohort.ending_at and cohort.academy_id == MADRID_SCHOOL.id and not cohort.is_micro
    ]
    day = date(year, 1, 7)
    for number in range(2 + clients // 5):
        _add_stranger(number, courses[(number * 5) % len(courses)], day, records)
        if number % 2:
            records.pages.append(_stranger_page(seed, number, day))
    for number, role in enumerate(STAFF_ROLES):
        _add_staff(number, role, courses[number], day, records)
    _add_valencia(next(c for c in cohorts if c.academy_id == VALENCIA_SCHOOL.id), day, records)


def _person(user_id: int, number: int) -> User:
    first, last = person_name(number)
    return User(user_id, mail_address(first, last, number), first, last, has_profile=False)


def _student(user: User, day: date, *, role: str = "student", status: str = "ACTIVE") -> Student:
    return Student(
        id=user.id,
        academy_id=MADRID_SCHOOL.id,
        first_name=user.first_name,
        last_name=user.last_name,
        email=user.email,
        user=user,
        created_at=moment(day, 8),
        role=role,
        status=status,
    )


def _add_stranger(number: int, cohort: Cohort, day: date, records: Records) -> None:
    user = _person(FIRST_STRANGER + number, FIRST_STRANGER + number)
    records.students.append(_student(user, day, status="DELETED" if number == 0 else "ACTIVE"))
    made = moment(day, 9, number % 60)
    records.enrollments.append(Enrollment(number + 1, user, cohort, "ACTIVE", made))


def _add_staff(number: int, role: str, cohort: Cohort, day: date, records: Records) -> None:
    user = _person(FIRST_STAFF + number, FIRST_STAFF + number)
    records.students.append(_student(user, day, role=role))
    seat_role = "TEACHER" if number == 0 else "ASSISTANT"
    made = moment(day, 9, number)
    records.enrollments.append(
        Enrollment(FIRST_ENROLLMENT - 1 - number, user, cohort, None, made, role=seat_role, financial_status=None)
    )


def _add_valencia(cohort: Cohort, day: date, records: Records) -> None:
    """The first client with a login studies in the other school too, under the same address."""
    known = next((student for student in records.students if student.user and student.role == "student"), None)
    if known is None or known.user is None:
        return
    profile_id = FIRST_STRANGER - 1
    records.students.append(
        replace(known, id=profile_id, academy_id=VALENCIA_SCHOOL.id, created_at=moment(day, 8), email=known.user.email)
    )
    seat_id = FIRST_ENROLLMENT - RECORDS_PER_CLIENT
    records.enrollments.append(Enrollment(seat_id, known.user, cohort, "ACTIVE", moment(day, 9)))


def _stranger_page(seed: int, number: int, day: date) -> Page:
    first, last = person_name(FIRST_STRANGER + number)
    address = mail_address(first, last, FIRST_STRANGER + number)
    page_id = uuid_id(seed, "stranger", number)
    return Page(page_id, f"{first} {last}", address, moment(day, 8), "Active", in_trash=number == 1)
