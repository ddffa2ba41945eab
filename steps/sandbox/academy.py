"""The invented academy: its courses, its clients and what they leave with each vendor."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal

from steps.sandbox.records import (
    Academy,
    Account,
    Cohort,
    Contact,
    Document,
    Enrollment,
    Line,
    Page,
    PageDate,
    Payment,
    Student,
    User,
    World,
    local_day,
    moment,
)
from steps.sandbox.scenarios import Bill, Client, Course, OwnPage, Scenario, hex_id, person_name, uuid_id

MADRID_SCHOOL = Academy(6, "Madrid Spain", "madrid-spain")
VALENCIA_SCHOOL = Academy(7, "Valencia España", "valencia-spain")
ORPHAN = "orphan"
"""Key of an account that documents name and Holded does not know at all."""
NOT_SERVICES = ("merchandise", "rent", "archived", ORPHAN)


@dataclass(frozen=True)
class Offer:
    """One income account: what is sold, for how much, and the kind of cohort it buys."""

    key: str
    name: str
    number: int | None
    service_type: str = "UNKNOWN"
    price: Decimal = Decimal("250.00")
    description: str | None = None
    archived: bool = False
    number_key: str = "accountNum"


OFFERS = (
    Offer("FS", "Full Stack Part Time", 70500001, "FS", Decimal("6500.00"), ""),
    Offer("FS-ISA", "Desarrollo web (ISA)", 70500011, "FS", Decimal("9800.00")),
    Offer("DS", "Data Science", 70500002, "DS", Decimal("7200.00"), "Análisis de datos y aprendizaje automático"),
    Offer("ML", "Machine Learning Engineering", 7050000201, "DS", Decimal("3333.33")),
    Offer("CS", "Ciberseguridad", 70500003, "CS", Decimal("5400.00")),
    Offer("AIE", "AI Engineering", 70500004, "AIE", Decimal("4999.99")),
    Offer("UX", "Diseño UX/UI", 70500005, "UNKNOWN", Decimal("2750.50"), number_key="accNum"),
    Offer("merchandise", "Merchandising", None, description=""),
    Offer("rent", "Alquiler de aulas", 70000001),
    Offer("archived", "Full Stack 2019", 70500099, "FS", archived=True),
)
OFFER_BY_KEY = {offer.key: offer for offer in OFFERS}

SLUGS = {
    "FS": ("madrid-full-stack-pt-{n}", "spain-fs-ft-{n}"),
    "DS": ("madrid-data-science-{n}", "spain-ml-pt-{n}"),
    "CS": ("madrid-ciberseguridad-{n}", "spain-cybersecurity-pt-{n}"),
    "AIE": ("spain-ai-engineering-{n}", "madrid-aie-pt-{n}"),
    "UNKNOWN": ("madrid-ux-ui-{n}",),
}
WEEKS = {"FS": 18, "DS": 16, "CS": 14, "AIE": 12, "UNKNOWN": 10}
IGNORED_SLUGS = ("yomequedoencasa", "spain-x-pt-general")
EDITIONS = range(-2, 24)
"""Months of a kickoff, counted from January of the year: late bookings and second parts start a year on."""
MACRO_KINDS = frozenset({"FS", "DS", "CS"})
"""Of these, every third course is a macro cohort, made of `MICRO_COHORTS` parts."""
MICRO_COHORTS = 3


def account_id(seed: int, key: str) -> str:
    """The id that documents carry; the orphan has one too."""
    keys = [*OFFER_BY_KEY, ORPHAN]
    return hex_id(seed, "account", keys.index(key))


def open_accounts(seed: int) -> list[Account]:
    """Every income account that Holded knows, archived ones included."""
    return [Account(account_id(seed, o.key), o.name, o.number, o.description, o.archived, o.number_key) for o in OFFERS]


def plan_cohorts(year: int) -> list[Cohort]:
    """A kickoff each month for each kind of service, two that are no courses, one without end, and the other school's.

    Some courses are macro cohorts; their micro cohorts are in the list too.

    January's kickoff is at 23:30 UTC on 31 December, which is New Year's Day in Madrid.
    """
    cohorts = [
        _course(880 + index * len(EDITIONS) + number, kind, number, _kickoff_day(year, number))
        for index, kind in enumerate(SLUGS)
        for number in EDITIONS
    ]
    cohorts += [part for course in cohorts for part in course.micro_cohorts]
    opening, closing = moment(date(year, 1, 8), 18), moment(date(year, 12, 20), 18)
    for offset, slug in enumerate(IGNORED_SLUGS):
        cohorts.append(Cohort(501 + offset, MADRID_SCHOOL.id, slug, slug, opening, closing, "UNKNOWN"))
    endless = Cohort(503, MADRID_SCHOOL.id, "spain-fs-forever-1", "FS sin fin", opening, None, "FS", "STARTED")
    abroad = Cohort(504, VALENCIA_SCHOOL.id, "valencia-fs-pt-1", "Valencia FS 1", opening, closing, "FS")
    return [*cohorts, endless, abroad]


def next_cohort(cohorts: list[Cohort], kind: str, after: date) -> Cohort:
    """The first course of that kind at the Madrid school that starts on or after the day."""
    courses = (
        c for c in cohorts if c.service_type == kind and c.id >= _FIRST_COURSE and c.ending_at and not c.is_micro
    )
    return next(c for c in courses if local_day(c.kickoff_at) >= after)


_FIRST_COURSE = 880 + EDITIONS.start


def _kickoff_day(year: int, number: int) -> date:
    first = date(year + number // 12, number % 12 + 1, 1)
    return first if number == 0 else first + timedelta(days=(5 + 3 * number) % 25)


def _course(cohort_id: int, kind: str, number: int, kickoff: date) -> Cohort:
    pattern = SLUGS[kind][number % len(SLUGS[kind])]
    starts_at = moment(kickoff, 0, 30) if number == 0 else moment(kickoff, 18)
    ends_at = moment(kickoff + timedelta(weeks=WEEKS[kind]), 18)
    slug = pattern.format(n=100 + number)
    course = Cohort(cohort_id, MADRID_SCHOOL.id, slug, slug.replace("-", " ").title(), starts_at, ends_at, kind)
    return replace(course, micro_cohorts=_parts(course)) if kind in MACRO_KINDS and number % 3 == 1 else course


def _parts(course: Cohort) -> tuple[Cohort, ...]:
    """The micro cohorts of a course: its weeks in equal parts, the last of which goes on for a month after its end."""
    length = timedelta(weeks=WEEKS[course.service_type] // MICRO_COHORTS)
    begins = [local_day(course.kickoff_at) + length * number for number in range(MICRO_COHORTS)]
    ends = [*begins[1:], begins[-1] + length + timedelta(weeks=4)]
    return tuple(
        replace(
            course,
            id=course.id * 10 + number,
            slug=f"{course.slug}-part-{number + 1}",
            name=f"{course.name} Part {number + 1}",
            kickoff_at=moment(begins[number], 18),
            ending_at=moment(ends[number], 18),
            is_micro=True,
        )
        for number in range(MICRO_COHORTS)
    )


CENT = Decimal("0.01")
FIRST_USER = 9001
FIRST_PROFILE = 5101
FIRST_ENROLLMENT = 70001
RECORDS_PER_CLIENT, RECORDS_PER_CONTRACT = 50, 20
"""Room for the records of one client, and of each contract, in the ranges of numbers."""
MICRO_ENROLLMENTS = 10
"""Of a client's numbers, where those in micro cohorts begin: at most three enrollments with three parts each."""
PAGES_PER_CLIENT = 5


def add_client(client: Client, world: World) -> None:
    """Add everything that the client leaves in the three systems."""
    scenario = client.scenario
    contact = _contact(client)
    world.contacts.append(contact)
    enrollments: list[Enrollment] = []
    contracts = [(scenario, client.begins)]
    if scenario.second is not None:
        contracts.append((scenario.second, scenario.second.begins(world.year, client.random)))
    for number, (contract, begins) in enumerate(contracts):
        for document in _documents(client, contact, contract, begins, number * RECORDS_PER_CONTRACT):
            (world.invoices if document.kind == "invoice" else world.credit_notes).append(document)
        enrollments += _enrollments(client, world.cohorts, contract, begins, number * RECORDS_PER_CONTRACT)
    world.enrollments.extend([*enrollments, *_in_micro_cohorts(client, enrollments)])
    if (enrollments or scenario.invited) and client.crm_number == client.index:
        world.students.append(_student(client))
    world.pages.extend(_pages(client, enrollments))


def _contact(client: Client) -> Contact:
    kind = client.scenario.contact
    return Contact(
        id=hex_id(client.seed, "contact", client.index),
        name=client.name,
        email=client.email(client.scenario.billing_email),
        created_on=client.begins,
        is_person=client.index % 9 != 0,
        tax_id=f"{client.index:08d}X",
        listed=kind == "listed",
        found_by_id=kind != "gone",
    )


def _documents(client: Client, contact: Contact, scenario: Scenario, begins: date, offset: int) -> list[Document]:
    documents: list[Document] = []
    for position, bill in enumerate(scenario.bills):
        index = client.index * RECORDS_PER_CLIENT + offset + position
        documents.append(_document(client, contact, scenario, bill, index, _months_later(begins, bill.months)))
        if bill.credits is not None and bill.credits != -1:
            source = documents[bill.credits].id if bill.credits >= 0 else hex_id(client.seed, "nothing", index)
            documents[-1] = replace(documents[-1], source_invoice_id=source)
    return documents


def _document(client: Client, contact: Contact, scenario: Scenario, bill: Bill, index: int, day: date) -> Document:
    key = bill.offer if bill.offer is not None else scenario.offer
    lines = tuple(_lines(client, scenario, bill, key))
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


def _lines(client: Client, scenario: Scenario, bill: Bill, key: str) -> Iterator[Line]:
    offer = OFFER_BY_KEY.get(key, OFFER_BY_KEY[scenario.offer])
    written = {"": "", "absent": None}
    account = written[key] if key in written else account_id(client.seed, key)
    price = (offer.price * bill.percent / 100).quantize(CENT, ROUND_HALF_UP)
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
    user = None if client.scenario.invited else _user(client)
    return Student(
        id=FIRST_PROFILE + client.index,
        academy_id=MADRID_SCHOOL.id,
        first_name=client.first_name,
        last_name=client.last_name,
        email=None if client.index % 11 == 1 and user else client.email(client.scenario.crm_email),
        user=user,
        created_at=moment(client.begins, 9, client.index % 60),
        status="INVITED" if client.scenario.invited else "ACTIVE",
    )


def _user(client: Client) -> User:
    number = client.crm_number
    first, last = person_name(number)
    return User(
        id=FIRST_USER + number,
        email=client.email(client.scenario.crm_email) or "",
        first_name=first,
        last_name=last,
        has_profile=number % 4 != 0,
        github=f"gh-{number}" if number % 3 else None,
        last_login=moment(client.begins, 19, microsecond=120034) if number % 5 else None,
    )


def _enrollments(
    client: Client, cohorts: list[Cohort], scenario: Scenario, begins: date, offset: int
) -> list[Enrollment]:
    made: list[Enrollment] = []
    for position, course in enumerate(scenario.courses):
        cohort = _cohort(cohorts, scenario, course, begins, made)
        made.append(_enrollment(client, course, cohort, begins, offset + position))
    return made


def _cohort(cohorts: list[Cohort], scenario: Scenario, course: Course, begins: date, made: list[Enrollment]) -> Cohort:
    if course.slug is not None:
        return next(cohort for cohort in cohorts if cohort.slug == course.slug)
    before = made[course.after].cohort.ending_at if course.after is not None else None
    after = local_day(before) if before is not None else begins
    return next_cohort(
        cohorts, course.kind or OFFER_BY_KEY[scenario.offer].service_type, after + timedelta(days=course.wait)
    )


def _enrollment(client: Client, course: Course, cohort: Cohort, begins: date, position: int) -> Enrollment:
    changed = None
    if course.at is not None and cohort.ending_at is not None:
        kickoff, length = local_day(cohort.kickoff_at), cohort.ending_at - cohort.kickoff_at
        day = begins if course.at == 0 else kickoff + timedelta(days=round(length.days * course.at))
        # Half past midnight in Madrid is the day before in UTC: the status belongs to Madrid's day.
        changed = moment(day, 0, 30) if client.index % 6 == 1 and course.at else moment(day, 20, 15, 4512)
    return Enrollment(
        id=FIRST_ENROLLMENT + client.index * RECORDS_PER_CLIENT + position,
        user=_user(client),
        cohort=cohort,
        educational_status=course.status,
        created_at=moment(begins, 10, position % 60),
        status_changed_at=changed,
        financial_status=(None, "FULLY_PAID", "UP_TO_DATE", "LATE")[client.index % 4],
    )


def _in_micro_cohorts(client: Client, enrollments: list[Enrollment]) -> list[Enrollment]:
    """What the CRM adds by itself for macro cohorts (docs/vendors.md, 4Geeks facts).

    The rows are `ACTIVE` for good, whatever becomes of the macro cohort's. Those of every fourth client do not name
    the macro cohort: only its list of micro cohorts says what they are.
    """
    return [
        replace(
            enrollment,
            id=enrollment.id - position + MICRO_ENROLLMENTS + position * MICRO_COHORTS + number,
            cohort=part,
            educational_status="ACTIVE",
            status_changed_at=None,
            macro_cohort=None if client.index % 4 == 1 else enrollment.cohort,
        )
        for enrollment in enrollments
        for position in [(enrollment.id - FIRST_ENROLLMENT) % 10]
        for number, part in enumerate(enrollment.cohort.micro_cohorts)
    ]


def _months_later(day: date, months: int) -> date:
    index = day.year * 12 + day.month - 1 + months
    return date(index // 12, index % 12 + 1, min(day.day, 28) if months else day.day)


STATUS_NAMES = {
    "GRADUATED": "Graduated",
    "DROPPED": "Dropped",
    "SUSPENDED": "Suspended",
    "POSTPONED": "Early Postponed",
    "NOT_COMPLETING": "Not Completing",
}


def _pages(client: Client, enrollments: list[Enrollment]) -> list[Page]:
    """The client's pages; a second one with the same address was last edited earlier and says nothing."""
    page = client.scenario.page
    if page == "none":
        return []
    first = _blank(client, 0)
    if isinstance(page, OwnPage):
        first = _filled(first, page.status, moment(client.begins + timedelta(days=page.after), 11, 7), page.dated)
    elif enrollments:
        first = _repeats(first, enrollments[-1])
    return [first, *(_blank(client, number) for number in range(1, client.scenario.pages))]


def _blank(client: Client, number: int) -> Page:
    return Page(
        id=uuid_id(client.seed, "page", client.index * PAGES_PER_CLIENT + number),
        name=client.name,
        email=client.email(client.scenario.page_email),
        created_at=moment(client.begins, 9 - number, client.index % 60),
    )


def _repeats(page: Page, enrollment: Enrollment) -> Page:
    """As the CRM has it; someone who is still there may have no status at all."""
    name = STATUS_NAMES.get(enrollment.educational_status or "")
    if name is None or enrollment.status_changed_at is None:
        return _filled(page, "Active" if enrollment.id % 3 else None, None, "no")
    dated = "certified" if enrollment.educational_status in {"GRADUATED", "NOT_COMPLETING"} else "drop"
    return _filled(page, name, enrollment.status_changed_at, dated)


def _filled(page: Page, status: str | None, at: datetime | None, dated: str) -> Page:
    if at is None:
        return replace(page, status=status)
    day = local_day(at)
    value = PageDate(day, at if dated == "moment" else None, day + timedelta(days=6) if dated == "range" else None)
    drop = value if dated in {"drop", "moment"} else None
    certified = value if dated in {"certified", "range"} else None
    return replace(page, status=status, drop_date=drop, certified_at=certified, status_set_at=at)
