"""The whole sandbox world: the academy's clients, people who are nobody's client, and damaged records."""

from dataclasses import replace
from datetime import date
from random import Random
from typing import Any

from steps.sandbox.academy import (
    FIRST_ENROLLMENT,
    MADRID_SCHOOL,
    NOT_SERVICES,
    OFFERS,
    RECORDS_PER_CLIENT,
    VALENCIA_SCHOOL,
    add_client,
    open_accounts,
    plan_cohorts,
)
from steps.sandbox.records import Enrollment, Page, Student, User, World, moment
from steps.sandbox.scenarios import ORDINARY, SPECIAL, Client, Scenario, hex_id, mail_address, person_name, uuid_id

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


def spoil(seed: int, world: World) -> None:
    """Add a spoiled copy of the first records of each kind, with ids of their own, and one id used twice."""
    invoices = list(world.invoices)
    for number, (invoice, raw) in enumerate(zip(invoices, SPOILED_DOCUMENTS, strict=False)):
        world.invoices.append(replace(invoice, id=hex_id(seed, "spoiled document", number), raw=raw))
    if invoices:
        world.invoices.append(replace(invoices[0], number="F-TWICE", subtotal=invoices[0].subtotal + 1))
    for number, (contact, raw) in enumerate(zip(list(world.contacts), SPOILED_CONTACTS, strict=False)):
        world.contacts.append(replace(contact, id=hex_id(seed, "spoiled contact", number), raw=raw))
    first_free = max((enrollment.id for enrollment in world.enrollments), default=0) + 1
    for number, (enrollment, raw) in enumerate(zip(list(world.enrollments), SPOILED_ENROLLMENTS, strict=False)):
        world.enrollments.append(replace(enrollment, id=first_free + number, raw=raw))
    for number, (page, raw) in enumerate(zip(list(world.pages), SPOILED_PAGES, strict=False)):
        world.pages.append(replace(page, id=uuid_id(seed, "spoiled page", number), raw=raw))


FIRST_STAFF = 8001
FIRST_STRANGER = 1_000_000
STAFF_ROLES = ("teacher", "assistant", "coach_6", "academy_reporter")


def add_strangers(seed: int, clients: int, world: World) -> None:
    """Add people who are nobody's client: a fifth as many as clients; and the staff, and a client's double life.

    The first client with a login studies in Valencia too, under the same address.
    """
    courses = [c for c in world.cohorts if c.ending_at and c.academy_id == MADRID_SCHOOL.id and not c.is_micro]
    day = date(world.year, 1, 7)
    for number in range(2 + clients // 5):
        user = _user(FIRST_STRANGER + number)
        world.students.append(_student(user, day, status="DELETED" if number == 0 else "ACTIVE"))
        course, made = courses[(number * 5) % len(courses)], moment(day, 9, number % 60)
        world.enrollments.append(Enrollment(number + 1, user, course, "ACTIVE", made))
        if number % 2:
            page_id, name = uuid_id(seed, "stranger", number), f"{user.first_name} {user.last_name}"
            page = Page(page_id, name, user.email, moment(day, 8), "Active", in_trash=number == 1)
            world.pages.append(page)
    for number, role in enumerate(STAFF_ROLES):
        user = _user(FIRST_STAFF + number)
        world.students.append(_student(user, day, role=role))
        world.enrollments.append(
            Enrollment(
                id=FIRST_ENROLLMENT - 1 - number,
                user=user,
                cohort=courses[number],
                educational_status=None,
                created_at=moment(day, 9, number),
                role="TEACHER" if number == 0 else "ASSISTANT",
                financial_status=None,
            )
        )
    known = next(student for student in world.students if student.user and student.role == "student")
    if known.user is not None:
        valencia = next(c for c in world.cohorts if c.academy_id == VALENCIA_SCHOOL.id)
        world.students.append(
            replace(
                known,
                id=FIRST_STRANGER - 1,
                academy_id=VALENCIA_SCHOOL.id,
                created_at=moment(day, 8),
                email=known.user.email,
            )
        )
        enrollment_id = FIRST_ENROLLMENT - RECORDS_PER_CLIENT
        world.enrollments.append(Enrollment(enrollment_id, known.user, valencia, "ACTIVE", moment(day, 9)))


def _user(number: int) -> User:
    first, last = person_name(number)
    return User(number, mail_address(first, last, number), first, last, has_profile=False)


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


YEAR = 2024


def build_world(*, seed: int = 2024, clients: int = 60, spoiled: bool = False) -> World:
    """The academy of that seed, in 2024: its documents and courses, apart from a few that began the year before.

    The first sixty clients go through one special scenario each, whatever their number; the others through ordinary
    ones, by lot. Each client has a random sequence of its own, so a larger academy holds the smaller one unchanged.

    Args:
        seed: what everything invented is derived from, ids included.
        clients: how many people were ever billed.
        spoiled: adds records that no importer can apply; without them only the awkward cases of everyday life are
            there.
    """
    world = World(YEAR, academies=[MADRID_SCHOOL, VALENCIA_SCHOOL])
    world.accounts.extend(open_accounts(seed))
    world.cohorts.extend(plan_cohorts(YEAR))
    for index in range(clients):
        add_client(_client(seed, index), world)
    add_strangers(seed, clients, world)
    if spoiled:
        spoil(seed, world)
    for documents in (world.invoices, world.credit_notes):
        documents.sort(key=lambda document: (document.sequence, document.id))
    return world


def _client(seed: int, index: int) -> Client:
    random = Random(f"{seed}/{index}")  # noqa: S311 - the same for the same seed is the point
    scenario = SPECIAL[index] if index < len(SPECIAL) else _ordinary(random)
    return Client(seed, index, scenario, scenario.begins(YEAR, random), random, *person_name(index))


def _ordinary(random: Random) -> Scenario:
    weights, scenarios = zip(*ORDINARY, strict=True)
    services = [offer.key for offer in OFFERS if offer.key not in NOT_SERVICES]
    scenario: Scenario = random.choices(scenarios, weights)[0]
    return replace(scenario, offer=random.choice(services))
