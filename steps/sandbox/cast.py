"""From a client's story to records: contact, documents, profile, enrollments and pages."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal

from steps.sandbox.books import Contact, Document, Line, Payment
from steps.sandbox.campus import Cohort, Enrollment, Page, Student, User
from steps.sandbox.catalogue import (
    MADRID_SCHOOL,
    MICRO_COHORTS,
    NOT_SERVICES,
    OFFER_BY_KEY,
    account_id,
    next_cohort,
)
from steps.sandbox.client import Client
from steps.sandbox.clock import local_day, moment
from steps.sandbox.names import hex_id, person_name
from steps.sandbox.notebook import write_pages
from steps.sandbox.story import Bill, Seat, Story

CENT = Decimal("0.01")
FIRST_USER = 9001
FIRST_PROFILE = 5101
FIRST_ENROLLMENT = 70001
RECORDS_PER_CLIENT = 50
"""Room for the records of one client in the ranges of numbers."""
MICRO_ENROLLMENTS = 10
"""Of a client's numbers, where those in micro cohorts begin: at most three seats with three parts each."""


@dataclass
class Records:
    """What the stories left behind, in the order it was made."""

    contacts: list[Contact] = field(default_factory=list)
    documents: list[Document] = field(default_factory=list)
    students: list[Student] = field(default_factory=list)
    enrollments: list[Enrollment] = field(default_factory=list)
    pages: list[Page] = field(default_factory=list)


def tell(client: Client, cohorts: list[Cohort], into: Records) -> None:
    """Add everything that the client's story leaves in the three systems."""
    story = client.story
    contact = _contact(client)
    into.contacts.append(contact)
    into.documents += _documents(client, contact, story, client.begins, 0)
    seats = _enrollments(client, cohorts, story, client.begins, 0) if story.seats else []
    if story.second is not None and story.second.starts is not None:
        _, month, day = story.second.starts
        begins = date(client.begins.year, month, day)
        into.documents += _documents(client, contact, story.second, begins, 20)
        seats += _enrollments(client, cohorts, story.second, begins, 20)
    into.enrollments += [*seats, *_in_micro_cohorts(client, seats)]
    if (seats or story.invited) and client.crm_number == client.index:
        into.students.append(_student(client))
    into.pages += write_pages(client, seats)


def _contact(client: Client) -> Contact:
    kind = client.story.contact
    return Contact(
        id=hex_id(client.seed, "contact", client.index),
        name=client.name,
        email=client.email(client.story.billing_email),
        created_on=client.begins,
        is_person=client.index % 9 != 0,
        tax_id=f"{client.index:08d}X",
        listed=kind == "listed",
        found_by_id=kind != "gone",
    )


def _documents(client: Client, contact: Contact, story: Story, begins: date, offset: int) -> list[Document]:
    documents: list[Document] = []
    for position, bill in enumerate(story.bills):
        index = client.index * RECORDS_PER_CLIENT + offset + position
        documents.append(_document(client, contact, story, bill, index, _months_later(begins, bill.months)))
        if bill.credits is not None and bill.credits != -1:
            source = documents[bill.credits].id if bill.credits >= 0 else hex_id(client.seed, "nothing", index)
            documents[-1] = replace(documents[-1], source_invoice_id=source)
    return documents


def _document(client: Client, contact: Contact, story: Story, bill: Bill, index: int, day: date) -> Document:
    key = bill.offer if bill.offer is not None else story.offer
    lines = tuple(_lines(client, story, bill, key))
    subtotal = sum((line.price * line.units * (1 - line.discount / 100) for line in lines), Decimal(0))
    subtotal = subtotal.quantize(CENT, ROUND_HALF_UP) * (-1 if bill.negative else 1)
    tax = (subtotal * bill.tax_percent / 100).quantize(CENT, ROUND_HALF_UP)
    credit = bill.credits is not None
    due = day + timedelta(days=30)
    is_service = key in OFFER_BY_KEY and key not in NOT_SERVICES
    plain = Document(
        id=hex_id(client.seed, "document", index),
        kind="creditnote" if credit else "invoice",
        contact_id=contact.id,
        contact_name=contact.name,
        date=day,
        lines=lines,
        account_id=account_id(client.seed, key) if is_service else None,
        subtotal=subtotal,
        tax=tax,
        number=f"{'CN' if credit else 'F'}{day:%y}{index:06d}" if bill.number == "numbered" else bill.number,
        sequence=day.toordinal() * 10 - client.random.randrange(30),
        due_on=due if index % 5 else None,
        payments=(Payment(due, subtotal + tax),) if client.random.randrange(5) else (),
    )
    return replace(plain, **bill.fields)


def _lines(client: Client, story: Story, bill: Bill, key: str) -> Iterator[Line]:
    offer = OFFER_BY_KEY.get(key, OFFER_BY_KEY[story.offer])
    written = {"": "", "absent": None}
    account = written[key] if key in written else account_id(client.seed, key)
    price = (offer.price * bill.share).quantize(CENT, ROUND_HALF_UP)
    tax = Decimal(bill.tax_percent)
    if bill.shape == "two lines":
        yield Line("Camiseta", account_id(client.seed, "merchandise"), Decimal("19.90"), Decimal(2), tax_percent=tax)
    if bill.shape == "negative units":
        yield Line(offer.name, account, price, tax_percent=tax)
        yield Line("Beca", account, Decimal("500.00"), Decimal(-1), tax_percent=tax)
    else:
        discount = Decimal(10) if bill.shape == "discount" else Decimal(0)
        yield Line(offer.name, account, price, discount=discount, tax_percent=tax)


def _student(client: Client) -> Student:
    user = None if client.story.invited else _user(client)
    return Student(
        id=FIRST_PROFILE + client.index,
        academy_id=MADRID_SCHOOL.id,
        first_name=client.first_name,
        last_name=client.last_name,
        email=None if client.index % 11 == 1 and user else client.email(client.story.crm_email),
        user=user,
        created_at=moment(client.begins, 9, client.index % 60),
        status="INVITED" if client.story.invited else "ACTIVE",
    )


def _user(client: Client) -> User:
    number = client.crm_number
    first, last = person_name(number)
    return User(
        id=FIRST_USER + number,
        email=client.email(client.story.crm_email) or "",
        first_name=first,
        last_name=last,
        has_profile=number % 4 != 0,
        github=f"gh-{number}" if number % 3 else None,
        last_login=moment(client.begins, 19, microsecond=120034) if number % 5 else None,
    )


def _enrollments(client: Client, cohorts: list[Cohort], story: Story, begins: date, offset: int) -> list[Enrollment]:
    made: list[Enrollment] = []
    for position, seat in enumerate(story.seats):
        cohort = _cohort(cohorts, story, seat, begins, made)
        made.append(_enrollment(client, seat, cohort, begins, offset + position))
    return made


def _cohort(cohorts: list[Cohort], story: Story, seat: Seat, begins: date, made: list[Enrollment]) -> Cohort:
    if seat.slug is not None:
        return next(cohort for cohort in cohorts if cohort.slug == seat.slug)
    before = made[seat.after].cohort.ending_at if seat.after is not None else None
    after = local_day(before) if before is not None else begins
    return next_cohort(cohorts, seat.kind or OFFER_BY_KEY[story.offer].service_type, after + timedelta(days=seat.wait))


def _enrollment(client: Client, seat: Seat, cohort: Cohort, begins: date, position: int) -> Enrollment:
    changed = None
    if seat.at is not None and cohort.ending_at is not None:
        kickoff, length = local_day(cohort.kickoff_at), cohort.ending_at - cohort.kickoff_at
        day = begins if seat.at == 0 else kickoff + timedelta(days=round(length.days * seat.at))
        # Half past midnight in Madrid is the day before in UTC: the status belongs to Madrid's day.
        changed = moment(day, 0, 30) if client.index % 6 == 1 and seat.at else moment(day, 20, 15, 4512)
    return Enrollment(
        id=FIRST_ENROLLMENT + client.index * RECORDS_PER_CLIENT + position,
        user=_user(client),
        cohort=cohort,
        educational_status=seat.status,
        created_at=moment(begins, 10, position % 60),
        status_changed_at=changed,
        role=seat.role,
        financial_status=(None, "FULLY_PAID", "UP_TO_DATE", "LATE")[client.index % 4],
    )


def _in_micro_cohorts(client: Client, seats: list[Enrollment]) -> list[Enrollment]:
    """What the CRM adds by itself for macro cohorts (vendors/fourgeeks.md, Seen on a real server).

    The rows are `ACTIVE` for good, whatever becomes of the macro cohort's. Those of every fourth client do not name
    the macro cohort: only its list of micro cohorts says what they are.
    """
    return [
        replace(
            seat,
            id=seat.id - position + MICRO_ENROLLMENTS + position * MICRO_COHORTS + number,
            cohort=part,
            educational_status="ACTIVE",
            status_changed_at=None,
            macro_cohort=None if client.index % 4 == 1 else seat.cohort,
        )
        for seat in seats
        for position in [(seat.id - FIRST_ENROLLMENT) % 10]
        for number, part in enumerate(seat.cohort.micro_cohorts)
    ]


def _months_later(day: date, months: int) -> date:
    index = day.year * 12 + day.month - 1 + months
    return date(index // 12, index % 12 + 1, min(day.day, 28) if months else day.day)
