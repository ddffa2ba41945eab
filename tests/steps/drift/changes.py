"""The kinds of changes at the vendors, and an academy small enough to go through all of them."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from random import Random
from typing import Any, TypeVar

from steps.sandbox.academy import MADRID_SCHOOL
from steps.sandbox.records import (
    Account,
    Cohort,
    Document,
    Enrollment,
    Line,
    PageDate,
    Student,
    User,
    World,
    moment,
)
from tests.steps.records import (
    DATA_SCIENCE,
    FULL_STACK,
    RENT,
    cohort,
    contact,
    credit_note,
    enrollment,
    invoice,
    page,
    page_id,
    student,
)

NAMES = ("ana", "bob", "cleo", "dan")
FIRST_MONTH, LAST_MONTH = 1, 3
_SLUGS = ("madrid-fs-1", "madrid-ds-1", "madrid-fs-1", "madrid-ds-2")
_STATUSES = ("ACTIVE", "ACTIVE", "GRADUATED", "DROPPED")
_EARLY = date(2024, 1, 20)
"""Statuses are set before any cohort can end, so that `status_change_date` is that day whatever its end becomes."""


@dataclass
class Vendors:
    """The academy, and what was taken out of it for a while."""

    world: World
    enrollments_out: list[Enrollment] = field(default_factory=list)
    invoices_out: list[Document] = field(default_factory=list)
    numbers: int = 100
    """Of what is made new."""

    def number(self) -> int:
        """One that no record has yet."""
        self.numbers += 1
        return self.numbers


def academy() -> Vendors:
    """Four clients with contract, enrollment and page each, two of the same course, and a document without service."""
    world = World(year=2024, academies=[MADRID_SCHOOL], accounts=[FULL_STACK, DATA_SCIENCE, RENT])
    for at, (name, slug, status) in enumerate(zip(NAMES, _SLUGS, _STATUSES, strict=True)):
        person = User(9001 + at, f"{name}@example.org", name.title(), "Gil")
        world.contacts.append(contact(name))
        world.students.append(student(person, number=5101 + at))
        known = next((each.cohort for each in world.enrollments if each.cohort.slug == slug), None)
        course = known or replace(cohort(slug), id=880 + at)
        world.enrollments.append(enrollment(70001 + at, status, user=person, cohort=course, updated=_EARLY))
        world.pages.append(page(1 + at, f"{name}@example.org", status="Active"))
    for number, (name, month, amount, account) in enumerate(
        (
            ("ana", 1, "600.00", FULL_STACK),
            ("ana", 2, "300.00", FULL_STACK),
            ("bob", 1, "500.00", DATA_SCIENCE),
            ("cleo", 2, "400.00", FULL_STACK),
            ("dan", 3, "700.00", DATA_SCIENCE),
            ("dan", 3, "90.00", RENT),
        ),
        start=1,
    ):
        billed = {"contact_id": f"c-{name}", "contact_name": name.title()}
        world.invoices.append(invoice(number, date(2024, month, 5 + number), amount, account=account, **billed))
    noted: dict[str, Any] = {"contact_id": "c-bob", "contact_name": "Bob", "source_invoice_id": "d3"}
    world.credit_notes.append(credit_note(50, date(2024, 3, 9), **noted))
    return Vendors(world)


Alter = Callable[[Vendors, Random], None]
Record = TypeVar("Record")


@dataclass(frozen=True)
class Kind:
    """One kind of change."""

    what: str
    alter: Alter
    kept: str = ""
    """What the ledger keeps by design as long as the change lasts, so that a fresh import differs; "" if nothing."""

    def __str__(self) -> str:
        return self.what


KINDS: list[Kind] = []


def kind(what: str, kept: str = "") -> Callable[[Alter], Alter]:
    """A kind of change, by what it does."""

    def register(alter: Alter) -> Alter:
        KINDS.append(Kind(what, alter, kept))
        return alter

    return register


def _one(records: list[Record], random: Random, alter: Callable[[Record], Record]) -> None:
    """Change one of the records."""
    if records:
        at = random.randrange(len(records))
        records[at] = alter(records[at])


def _document(vendors: Vendors, random: Random, **changes: Callable[[Document], Any]) -> None:
    """Change one document, invoice or credit note."""
    lists = [vendors.world.invoices, vendors.world.credit_notes]
    records = random.choice([each for each in lists if each])
    _one(records, random, lambda each: replace(each, **{name: make(each) for name, make in changes.items()}))


def _day(random: Random, month: int) -> date:
    return date(2024, month, random.randint(1, 28))


def _emails(records: list[Any], random: Random, count: int) -> None:
    """Let so many records pass their emails on in a circle."""
    places = random.sample(range(len(records)), min(count, len(records)))
    given = [records[at].email for at in places]
    for at, email in zip(places, [*given[1:], given[0]], strict=True):
        records[at] = replace(records[at], email=email)


def _give_user(vendors: Vendors, person: User) -> None:
    """A person's login as it is from now on, wherever it is shown."""
    world = vendors.world

    def new(record: Any) -> Any:
        return replace(record, user=person) if record.user and record.user.id == person.id else record

    for records in (world.students, world.enrollments, vendors.enrollments_out):
        records[:] = map(new, records)


def _users(vendors: Vendors) -> list[User]:
    return [each.user for each in vendors.world.students if each.user]


@kind("contact renamed")
def _(vendors: Vendors, random: Random) -> None:
    _one(vendors.world.contacts, random, lambda each: replace(each, name=f"Name {random.randint(1, 99)}"))


@kind("two contacts swap e-mails")
def _(vendors: Vendors, random: Random) -> None:
    _emails(vendors.world.contacts, random, 2)


@kind("three contacts pass their e-mails on")
def _(vendors: Vendors, random: Random) -> None:
    _emails(vendors.world.contacts, random, 3)


@kind("contact's e-mail changed", "the CRM user and the page of before, until these have the new e-mail too")
def _(vendors: Vendors, random: Random) -> None:
    email = f"new{vendors.number()}@example.org"
    _one(vendors.world.contacts, random, lambda each: replace(each, email=email))


@kind("contact's e-mail removed", "the client of a contact that is known")
def _(vendors: Vendors, random: Random) -> None:
    _one(vendors.world.contacts, random, lambda each: replace(each, email=""))


@kind("contact takes another contact's e-mail", "two clients, whose contracts nobody merges unasked; reported")
def _(vendors: Vendors, random: Random) -> None:
    taken = random.choice(vendors.world.contacts).email
    _one(vendors.world.contacts, random, lambda each: replace(each, email=taken))


@kind("contact deleted, and found by its id", "the name it had when it was listed")
def _(vendors: Vendors, random: Random) -> None:
    _one(vendors.world.contacts, random, lambda each: replace(each, listed=False))


@kind("document's amount changed")
def _(vendors: Vendors, random: Random) -> None:
    amount = Decimal(random.randint(100, 90000)) / 100

    def altered(document: Document) -> Document:
        return replace(document, subtotal=amount, lines=(replace(document.lines[0], price=amount),))

    _one(vendors.world.invoices, random, altered)


@kind("document's tax changed")
def _(vendors: Vendors, random: Random) -> None:
    _document(vendors, random, tax=lambda _: Decimal(random.randint(0, 2000)) / 100)


@kind("document's day changed within its month")
def _(vendors: Vendors, random: Random) -> None:
    _document(vendors, random, date=lambda each: _day(random, each.date.month))


@kind("document moved to another month")
def _(vendors: Vendors, random: Random) -> None:
    _document(vendors, random, date=lambda _: _day(random, random.randint(FIRST_MONTH, LAST_MONTH)))


@kind("document's due date changed, or cannot be read")
def _(vendors: Vendors, random: Random) -> None:
    raw = {"dueDate": "soon"} if random.random() < 0.5 else {}
    _document(vendors, random, due_on=lambda _: _day(random, 6), raw=lambda _: raw)


@kind("document's contact name changed, or cannot be read")
def _(vendors: Vendors, random: Random) -> None:
    raw = {"contactName": 7} if random.random() < 0.5 else {}
    _document(vendors, random, contact_name=lambda _: f"Name {random.randint(1, 99)}", raw=lambda _: raw)


@kind("document's lines changed: another service, several, or none")
def _(vendors: Vendors, random: Random) -> None:
    accounts = random.sample([FULL_STACK, DATA_SCIENCE, RENT], random.randint(1, 2))

    def lines(document: Document) -> tuple[Line, ...]:
        return tuple(Line("A line", each.id, document.subtotal / len(accounts)) for each in accounts)

    _document(vendors, random, lines=lines)


@kind("document's currency changed")
def _(vendors: Vendors, random: Random) -> None:
    _document(vendors, random, currency=lambda _: random.choice(["eur", "usd"]))


@kind("document's status and number changed")
def _(vendors: Vendors, random: Random) -> None:
    _document(vendors, random, status=lambda _: random.randint(0, 3), number=lambda _: random.choice([None, "F-9"]))


@kind("document moved to another contact")
def _(vendors: Vendors, random: Random) -> None:
    _document(vendors, random, contact_id=lambda _: random.choice(vendors.world.contacts).id)


@kind("document deleted, or put back")
def _(vendors: Vendors, random: Random) -> None:
    world = vendors.world
    if vendors.invoices_out and random.random() < 0.5:
        world.invoices.append(vendors.invoices_out.pop())
    elif world.invoices:
        vendors.invoices_out.append(world.invoices.pop(random.randrange(len(world.invoices))))


@kind("credit note added")
def _(vendors: Vendors, random: Random) -> None:
    world = vendors.world
    if world.invoices:
        source = random.choice(world.invoices)
        linked = {"source_invoice_id": source.id} if random.random() < 0.7 else {}
        billed = {"contact_id": source.contact_id, "contact_name": source.contact_name, **linked}
        day = _day(random, random.randint(FIRST_MONTH, LAST_MONTH))
        world.credit_notes.append(credit_note(vendors.number(), day, "20.00", **billed))


@kind("credit note linked to an invoice, or no more")
def _(vendors: Vendors, random: Random) -> None:
    sources = [None, *(each.id for each in vendors.world.invoices)]
    _one(vendors.world.credit_notes, random, lambda each: replace(each, source_invoice_id=random.choice(sources)))


@kind("invoice added")
def _(vendors: Vendors, random: Random) -> None:
    who = random.choice(vendors.world.contacts)
    day = _day(random, random.randint(FIRST_MONTH, LAST_MONTH))
    account = random.choice([FULL_STACK, DATA_SCIENCE])
    billed = {"contact_id": who.id, "contact_name": who.name}
    vendors.world.invoices.append(invoice(vendors.number(), day, "250.00", account=account, **billed))


def _account(vendors: Vendors, random: Random, alter: Callable[[Account], Account]) -> None:
    services = vendors.world.accounts[:2]
    _one(services, random, alter)
    vendors.world.accounts[:2] = services


@kind("account renamed")
def _(vendors: Vendors, random: Random) -> None:
    _account(vendors, random, lambda each: replace(each, name=f"{each.name.removesuffix(' +')} +"))


@kind("account leaves the prefix, or comes back")
def _(vendors: Vendors, random: Random) -> None:
    outside = 62900000

    def moved(account: Account) -> Account:
        number = account.number or 0
        return replace(account, number=number - outside if number > outside + 70000000 else number + outside)

    _account(vendors, random, moved)


@kind("CRM user renamed")
def _(vendors: Vendors, random: Random) -> None:
    _give_user(vendors, replace(random.choice(_users(vendors)), first_name=f"Name {random.randint(1, 99)}"))


@kind("two CRM users swap e-mails")
def _(vendors: Vendors, random: Random) -> None:
    one, other = random.sample(_users(vendors), 2)
    _give_user(vendors, replace(one, email=other.email))
    _give_user(vendors, replace(other, email=one.email))


@kind("CRM user's e-mail changed", "the link by the user's id")
def _(vendors: Vendors, random: Random) -> None:
    _give_user(vendors, replace(random.choice(_users(vendors)), email=f"new{vendors.number()}@example.org"))


@kind("CRM user deleted from the student list, or back")
def _(vendors: Vendors, random: Random) -> None:
    def dropped(one: Student) -> Student:
        return replace(one, status="ACTIVE" if one.status == "DELETED" else "DELETED")

    _one(vendors.world.students, random, dropped)


def _cohort(vendors: Vendors, random: Random, alter: Callable[[Cohort], Cohort]) -> None:
    """Change one cohort, for all who are in it."""
    everybody = [*vendors.world.enrollments, *vendors.enrollments_out]
    if not everybody:
        return
    chosen = random.choice(everybody).cohort
    altered = alter(chosen)
    for records in (vendors.world.enrollments, vendors.enrollments_out):
        records[:] = [replace(each, cohort=altered) if each.cohort.id == chosen.id else each for each in records]


@kind("cohort's dates changed")
def _(vendors: Vendors, random: Random) -> None:
    days = moment(_day(random, random.randint(1, 3))), moment(_day(random, random.randint(4, 9)))
    _cohort(vendors, random, lambda each: replace(each, kickoff_at=days[0], ending_at=days[1]))


@kind("cohort without an end, or with one again")
def _(vendors: Vendors, random: Random) -> None:
    end = moment(_day(random, 6))
    _cohort(vendors, random, lambda each: replace(each, ending_at=None if each.ending_at else end))


@kind("cohort's slug or name changed")
def _(vendors: Vendors, random: Random) -> None:
    def renamed(old: Cohort) -> Cohort:
        kinds = (old.slug or "").split("-")[1]
        return replace(old, slug=f"madrid-{kinds}-{vendors.number()}", name=f"Name {random.randint(1, 99)}")

    _cohort(vendors, random, renamed)


@kind("enrollment's status changed")
def _(vendors: Vendors, random: Random) -> None:
    statuses = ("ACTIVE", "POSTPONED", "DROPPED", "GRADUATED", "SUSPENDED", "ODD", None)

    def changed(old: Enrollment) -> Enrollment:
        new = random.choice([each for each in statuses if each != old.educational_status])
        day = old.status_changed_at or datetime(2024, 1, 20, tzinfo=UTC)
        return replace(old, educational_status=new, status_changed_at=day)

    _one(vendors.world.enrollments, random, changed)


@kind("enrollment moved to another cohort")
def _(vendors: Vendors, random: Random) -> None:
    cohorts = [each.cohort for each in vendors.world.enrollments]
    if cohorts:
        _one(vendors.world.enrollments, random, lambda each: replace(each, cohort=random.choice(cohorts)))


@kind("enrollment given to another user")
def _(vendors: Vendors, random: Random) -> None:
    _one(vendors.world.enrollments, random, lambda each: replace(each, user=random.choice(_users(vendors))))


@kind("enrollment removed", "the period as it was; reported")
def _(vendors: Vendors, random: Random) -> None:
    world = vendors.world
    if world.enrollments:
        vendors.enrollments_out.append(world.enrollments.pop(random.randrange(len(world.enrollments))))


@kind("page's status and date changed")
def _(vendors: Vendors, random: Random) -> None:
    status, day = random.choice(["Active", "Drop", "Graduated", "Early dropped"]), PageDate(_day(random, 2))
    _one(vendors.world.pages, random, lambda each: replace(each, status=status, drop_date=day))


@kind("page made anew, with another id")
def _(vendors: Vendors, random: Random) -> None:
    _one(vendors.world.pages, random, lambda each: replace(each, id=page_id(vendors.number())))


@kind("two pages swap e-mails")
def _(vendors: Vendors, random: Random) -> None:
    _emails(vendors.world.pages, random, 2)


@kind("second page with the same e-mail")
def _(vendors: Vendors, random: Random) -> None:
    email, edited = random.choice(vendors.world.pages).email, moment(_day(random, 2))
    vendors.world.pages.append(page(vendors.number(), email, edited=edited, status="Graduated"))


@kind("page archived", "the link and its status; reported")
def _(vendors: Vendors, random: Random) -> None:
    _one(vendors.world.pages, random, lambda each: replace(each, in_trash=True))


@kind("page's e-mail changed", "the link and its status; reported")
def _(vendors: Vendors, random: Random) -> None:
    email = f"new{vendors.number()}@example.org"
    _one(vendors.world.pages, random, lambda each: replace(each, email=email))


def settle(vendors: Vendors) -> None:
    """Undo what the ledger keeps by design: everything is there again, and no e-mail is known to one vendor only."""
    world = vendors.world
    world.enrollments.extend(vendors.enrollments_out)
    vendors.enrollments_out.clear()
    world.contacts[:] = [replace(each, listed=True) for each in world.contacts]
    world.pages[:] = [replace(each, in_trash=False) for each in world.pages]
    known = {each.email for each in world.contacts}
    missing = (each for each in [f"{name}@example.org" for name in NAMES] if each not in known)
    seen: set[str] = set()
    for at, each in enumerate(world.contacts):
        email = each.email if each.email and each.email not in seen else next(missing)
        seen.add(email)
        world.contacts[at] = replace(each, email=email)
    unused = sorted(seen - {each.email for each in _users(vendors)})
    for person in _users(vendors):
        if person.email not in seen:
            _give_user(vendors, replace(person, email=unused.pop()))
    unused = sorted(seen - {each.email for each in world.pages if each.email})
    for at, one in enumerate(world.pages):
        if one.email not in seen:
            world.pages[at] = replace(one, email=unused.pop() if unused else min(seen))
