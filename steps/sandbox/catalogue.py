"""What the academy offers: its schools, its income accounts and prices, and the cohorts of the year."""

from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal

from steps.sandbox.books import Account
from steps.sandbox.campus import Academy, Cohort
from steps.sandbox.clock import local_day, moment
from steps.sandbox.names import hex_id

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
        Cohort(
            id=course.id * 10 + number,
            academy_id=course.academy_id,
            slug=f"{course.slug}-part-{number + 1}",
            name=f"{course.name} Part {number + 1}",
            kickoff_at=moment(begins[number], 18),
            ending_at=moment(ends[number], 18),
            service_type=course.service_type,
            is_micro=True,
        )
        for number in range(MICRO_COHORTS)
    )
