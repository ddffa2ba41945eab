"""The whole sandbox world: the academy's clients, people who are nobody's client, and damaged records."""

from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from random import Random
from typing import Any, Protocol, Self, TypeVar

from steps.sandbox.academy import (
    FIRST_ENROLLMENT,
    MADRID_SCHOOL,
    NOT_SERVICES,
    OFFERS,
    RECORDS_PER_CLIENT,
    VALENCIA_SCHOOL,
    Records,
    open_accounts,
    plan_cohorts,
    tell,
)
from steps.sandbox.records import (
    ZONE_NAME,
    Academy,
    Account,
    Cohort,
    Contact,
    Document,
    Enrollment,
    Page,
    Student,
    User,
    moment,
)
from steps.sandbox.scenarios import ORDINARY, SPECIAL, Client, Story, hex_id, mail_address, person_name, uuid_id

SPOILED_DOCUMENTS: tuple[dict[str, Any], ...] = (
    {"total": "1.234,56"},
    {"date": 0},
    {"date": "2024-03-05"},
    {"total": None},
    {"contact": ""},
    {"products": "none"},
    {"id": ""},
    {"currency": 978},
    {"total": 1e300},
)
SPOILED_CONTACTS: tuple[dict[str, Any], ...] = ({"email": 12345}, {"name": None})
SPOILED_ENROLLMENTS: tuple[dict[str, Any], ...] = (
    {"educational_status": 7},
    {"updated_at": "yesterday"},
    {"user": None},
    {"cohort": None},
)
SPOILED_PAGES: tuple[dict[str, Any], ...] = (
    {"Drop Date": {"id": "dr01", "type": "date", "date": {"start": "soon", "end": None, "time_zone": None}}},
    {"Email": {"id": "aB%3Ac", "type": "number", "number": 5}},
)


def spoil(seed: int, records: Records) -> None:
    """Add a spoiled copy of the first records of each kind, with ids of their own, and one id used twice."""
    invoices = [document for document in records.documents if document.kind == "invoice"]
    for number, (invoice, raw) in enumerate(zip(invoices, SPOILED_DOCUMENTS, strict=False)):
        records.documents.append(replace(invoice, id=hex_id(seed, "spoiled document", number), raw=raw))
    if invoices:
        records.documents.append(replace(invoices[0], number="F-TWICE", subtotal=invoices[0].subtotal + 1))
    for number, (contact, raw) in enumerate(zip(list(records.contacts), SPOILED_CONTACTS, strict=False)):
        records.contacts.append(replace(contact, id=hex_id(seed, "spoiled contact", number), raw=raw))
    first_free = max((enrollment.id for enrollment in records.enrollments), default=0) + 1
    for number, (seat, raw) in enumerate(zip(list(records.enrollments), SPOILED_ENROLLMENTS, strict=False)):
        records.enrollments.append(replace(seat, id=first_free + number, raw=raw))
    for number, (page, raw) in enumerate(zip(list(records.pages), SPOILED_PAGES, strict=False)):
        records.pages.append(replace(page, id=uuid_id(seed, "spoiled page", number), raw=raw))


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


class Dated(Protocol):
    """A record that was not always as it is."""

    def as_of(self, day: date) -> Self | None:
        """The record at the end of that day, if it was there."""


Record = TypeVar("Record", bound=Dated)


@dataclass(frozen=True)
class World:
    """One academy. The lists are plain: a test adds, removes or replaces records as it likes."""

    year: int
    zone: str = ZONE_NAME
    academies: list[Academy] = field(default_factory=list)
    accounts: list[Account] = field(default_factory=list)
    contacts: list[Contact] = field(default_factory=list)
    invoices: list[Document] = field(default_factory=list)
    credit_notes: list[Document] = field(default_factory=list)
    students: list[Student] = field(default_factory=list)
    cohorts: list[Cohort] = field(default_factory=list)
    enrollments: list[Enrollment] = field(default_factory=list)
    pages: list[Page] = field(default_factory=list)

    def as_of(self, day: date) -> "World":
        """The same academy at the end of that day: what is dated, made or changed later has not happened yet."""
        return replace(
            self,
            contacts=_as_of(day, self.contacts),
            invoices=_as_of(day, self.invoices),
            credit_notes=_as_of(day, self.credit_notes),
            students=_as_of(day, self.students),
            cohorts=_as_of(day, self.cohorts),
            enrollments=_as_of(day, self.enrollments),
            pages=_as_of(day, self.pages),
        )


def build_world(*, seed: int = 2024, clients: int = 60, year: int = 2024, spoiled: bool = False) -> World:
    """The academy of that seed.

    The first sixty clients live one special story each, whatever their number; the others are drawn from ordinary
    life. Each client has a random sequence of its own, so a larger academy holds the smaller one unchanged.

    Args:
        seed: what everything invented is derived from, ids included.
        clients: how many people were ever billed.
        year: the year that documents and courses lie in, apart from a few that began the year before.
        spoiled: adds records that no importer can apply (see `spoiled.py`); without them only the awkward
            cases of everyday life are there.
    """
    cohorts = plan_cohorts(year)
    records = Records()
    for index in range(clients):
        tell(_client(seed, index, year), cohorts, records)
    add_bystanders(seed, clients, year, cohorts, records)
    if spoiled:
        spoil(seed, records)
    documents = sorted(records.documents, key=lambda document: (document.sequence, document.id))
    return World(
        year=year,
        academies=[MADRID_SCHOOL, VALENCIA_SCHOOL],
        accounts=open_accounts(seed),
        contacts=records.contacts,
        invoices=[document for document in documents if document.kind == "invoice"],
        credit_notes=[document for document in documents if document.kind == "creditnote"],
        students=records.students,
        cohorts=cohorts,
        enrollments=records.enrollments,
        pages=records.pages,
    )


def _as_of(day: date, records: list[Record]) -> list[Record]:
    return [seen for record in records if (seen := record.as_of(day)) is not None]


def _client(seed: int, index: int, year: int) -> Client:
    random = Random(f"{seed}/{index}")  # noqa: S311 - the same for the same seed is the point
    story = SPECIAL[index] if index < len(SPECIAL) else _ordinary(random)
    if story.starts is None:
        begins = date(year, 1, 1) + timedelta(days=random.randrange(365))
    else:
        begins = date(year + story.starts[0], *story.starts[1:])
    return Client(seed, index, story, begins, random, *person_name(index))


def _ordinary(random: Random) -> Story:
    weights, stories = zip(*ORDINARY, strict=True)
    services = [offer.key for offer in OFFERS if offer.key not in NOT_SERVICES]
    story: Story = random.choices(stories, weights)[0]
    return replace(story, offer=random.choice(services))
