"""What the invented academy's clients go through: each scenario, and when it happens."""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from hashlib import sha256
from random import Random
from typing import Any, Literal
from uuid import UUID

FIRST_NAMES = (
    "Lucía", "Íñigo", "Begoña", "Óscar", "Núria", "Ángel", "Zoë", "José María", "Ainhoa", "Xoán", "Montserrat", "Raúl",
    "Chloé", "João", "Søren", "Mónica", "Iñaki", "Verónica", "Adrián", "Noelia", "Jürgen", "Sofía", "Martí", "Eulàlia",
    "Andrés", "Inés", "Gonçal", "Belén", "Łukasz", "Renée",
)  # fmt: skip
LAST_NAMES = (
    "Muñoz", "Peña", "Ibáñez", "Núñez", "García-Pardo", "Castaño", "Güell", "Álvarez", "de la Cruz", "O'Donnell",
    "Solà", "Fernández", "Čapek", "Etxebarría", "Ruíz", "Sáenz", "Åkesson", "Vidal", "López de Haro", "Ortuño",
    "Brañas", "Côté", "Yáñez", "Díaz", "Quiñones", "Müller", "Pérez", "Agüero", "Llorençs",
)  # fmt: skip


def hex_id(seed: int, kind: str, index: int) -> str:
    """An id in Holded's form: 24 lower-case hex characters."""
    return sha256(f"{seed}/{kind}/{index}".encode()).hexdigest()[:24]


def uuid_id(seed: int, kind: str, index: int) -> str:
    """An id in Notion's form: a dashed UUID."""
    return str(UUID(sha256(f"{seed}/{kind}/{index}".encode()).hexdigest()[:32], version=4))


def person_name(number: int) -> tuple[str, str]:
    """First and last name of the `number`-th person; pairs come round again after 870 people, as in life."""
    return FIRST_NAMES[number % len(FIRST_NAMES)], LAST_NAMES[(number * 7 + 3) % len(LAST_NAMES)]


def mail_address(first: str, last: str, number: int) -> str:
    """A lower-case address that no other number has."""
    plain = unicodedata.normalize("NFKD", f"{first}.{last}".lower()).encode("ascii", "ignore").decode()
    kept = "".join(letter for letter in plain if letter.isalnum() or letter in ".-")
    return f"{kept}.{number}@example.org"


EmailQuirk = Literal["plain", "upper", "padded", "empty", "null", "of the client before"]
ContactQuirk = Literal["listed", "deleted", "gone"]


@dataclass(frozen=True)
class Bill:
    """One document, `months` after the first."""

    months: int = 0
    percent: Decimal | int = 100
    """Part of the price."""
    credits: int | None = None
    """A credit note: the index of the bill it takes back, -1 none, -2 an invoice that does not exist."""
    offer: str | None = None
    """Another account than the scenario's: the key of an offer, "" an empty account, "absent" no key."""
    shape: Literal["plain", "two lines", "negative units", "discount"] = "plain"
    tax_percent: int = 0
    negative: bool = False
    """A credit note whose amounts are negative."""
    number: str | None = "numbered"
    """Otherwise: `None` no key, or the number itself, which may be one that another document has."""
    fields: Mapping[str, Any] = field(default_factory=dict)
    """Other fields of the `Document`."""


@dataclass(frozen=True)
class Course:
    """One enrollment of the client."""

    status: str | None = "ACTIVE"
    at: float | None = None
    """When the status came, as a part of the course: 0 on the day of the first document, 1 on the last day."""
    after: int | None = None
    """Takes the first kickoff after the end of that enrollment, instead of after the first document."""
    wait: int = 0
    """Days after the first document before a kickoff is looked for."""
    kind: str | None = None
    """Another kind of cohort than the one paid for."""
    slug: str | None = None
    """This very cohort."""


@dataclass(frozen=True)
class OwnPage:
    """A Notion page that says something else than the CRM."""

    status: str | None = None
    after: int = 0
    """Days from the first document to the status."""
    dated: Literal["drop", "certified", "moment", "range", "no"] = "no"


@dataclass(frozen=True)
class Scenario:
    """What becomes of one client, from the first document on."""

    name: str
    offer: str = "FS"
    bills: tuple[Bill, ...] = (Bill(),)
    courses: tuple[Course, ...] = (Course("GRADUATED", 1.0),)
    page: OwnPage | Literal["follows", "none"] = "follows"
    pages: int = 1
    starts: tuple[int, int] | None = None
    """Month and day of the first document; none: any day of the year."""
    year: int = 0
    """Of the first document: 0 the world's, -1 the one before."""
    billing_email: EmailQuirk = "plain"
    crm_email: EmailQuirk = "plain"
    page_email: EmailQuirk = "plain"
    contact: ContactQuirk = "listed"
    invited: bool = False
    """In the CRM without a login, so without an enrollment."""
    second: "Scenario | None" = None
    """A second contract of the same client: its offer, bills, courses and start."""

    def begins(self, year: int, random: Random) -> date:
        """The day of the first document, in a world of that year."""
        if self.starts is None:
            return date(year, 1, 1) + timedelta(days=random.randrange(365))
        return date(year + self.year, *self.starts)


HALVES = (Bill(percent=50), Bill(1, 50))
QUARTERS = tuple(Bill(month, 25) for month in range(4))
MONTHLY = tuple(Bill(month, Decimal(100) / 9) for month in range(9))
RUNS = (Course(),)
DROPS = (Course("DROPPED", 0.4),)
POSTPONES = (Course("POSTPONED", 0.35),)

SPECIAL = (
    Scenario("just runs, ends and graduates", starts=(1, 10)),
    Scenario("drops in mid-course, paid in halves", bills=HALVES, courses=DROPS, starts=(2, 5)),
    Scenario("postpones and never returns", "DS", courses=POSTPONES, starts=(2, 12)),
    Scenario(
        "postpones and is enrolled in a later cohort",
        "CS",
        QUARTERS,
        (Course("POSTPONED", 0.3), Course(after=0)),
        starts=(1, 15),
    ),
    Scenario(
        "moves to the next edition at once",
        "DS",
        HALVES,
        (Course("POSTPONED", 0.0), Course("GRADUATED", 1.0, wait=40)),
        starts=(3, 4),
    ),
    Scenario(
        "signs up again after a false start",
        "FS",
        courses=(Course("DROPPED", 0.0), Course("GRADUATED", 1.0, wait=35)),
        starts=(4, 3),
    ),
    Scenario(
        "takes a course in two parts",
        "FS-ISA",
        MONTHLY,
        (Course("GRADUATED", 1.0), Course("GRADUATED", 1.0, after=0)),
        starts=(1, 20),
    ),
    Scenario("resigns before anything begins", bills=HALVES, courses=(), page="none", starts=(3, 28)),
    Scenario("signs at the end of a month, nothing else is known", "AIE", courses=(), page="none", starts=(5, 25)),
    Scenario(
        "only Notion knows of the drop", "DS", courses=(), page=OwnPage("Early Dropped", 25, "drop"), starts=(2, 20)
    ),
    Scenario(
        "only Notion knows of the degree", "CS", courses=(), page=OwnPage("Graduated", 95, "certified"), starts=(1, 25)
    ),
    Scenario(
        "only Notion knows of the suspension, to the minute",
        courses=(),
        page=OwnPage("Suspended", 40, "moment"),
        starts=(6, 6),
    ),
    Scenario(
        "did not complete, by a range of dates",
        "AIE",
        courses=(),
        page=OwnPage("Not Completing", 60, "range"),
        starts=(4, 18),
    ),
    Scenario("dropped in Notion without a date", "DS", courses=(), page=OwnPage("Dropped", 30, "no"), starts=(7, 2)),
    Scenario("has a page without a status", "UX", courses=(), page=OwnPage(), starts=(5, 7)),
    Scenario("is credited after everything was accrued", "CS", (Bill(), Bill(7, 30, credits=0)), starts=(1, 12)),
    Scenario("is credited whole before the course", "FS", (Bill(), Bill(0, credits=0)), RUNS, starts=(8, 5)),
    Scenario("is credited in mid-course", "FS", (*HALVES, Bill(2, 20, credits=1)), starts=(3, 6)),
    Scenario("drops, then gets it all back", "DS", (Bill(), Bill(5, credits=0)), DROPS, starts=(2, 8)),
    Scenario("pays late, after the end", "AIE", (*HALVES, Bill(6, 25)), starts=(1, 9)),
    Scenario("pays late and was never marked as done", "CS", (*HALVES, Bill(7, 25)), RUNS, starts=(2, 6)),
    Scenario("buys a second course", "FS", second=Scenario("", "DS", HALVES, starts=(7, 10)), starts=(1, 8)),
    Scenario(
        "buys two services of one type", "DS", second=Scenario("", "ML", QUARTERS, starts=(6, 14)), starts=(1, 18)
    ),
    Scenario("signs on New Year's Day", "UX", starts=(1, 1)),
    Scenario("signs on New Year's Eve", "AIE", starts=(12, 31)),
    Scenario("began the year before", "FS", QUARTERS, starts=(11, 20), year=-1),
    Scenario(
        "is credited for an invoice of the year before",
        "CS",
        (Bill(), Bill(2, 40, credits=0)),
        starts=(12, 31),
        year=-1,
    ),
    Scenario("never ends", "FS", courses=(Course(slug="spain-fs-forever-1"),), starts=(2, 1)),
    Scenario(
        "is in cohorts that are no courses",
        "FS",
        courses=(Course("GRADUATED", 1.0), Course(slug="yomequedoencasa"), Course(None, slug="spain-x-pt-general")),
        starts=(1, 11),
    ),
    Scenario("has no status in the CRM", "DS", courses=(Course(None),), starts=(3, 12)),
    Scenario("has a status nobody knows", "CS", courses=(Course("ON_HOLD"),), starts=(4, 9)),
    Scenario(
        "sits in a class that was not paid for",
        "FS",
        courses=(Course("GRADUATED", 1.0), Course(kind="CS")),
        starts=(2, 14),
    ),
    Scenario("does not complete", "AIE", courses=(Course("NOT_COMPLETING", 1.0),), starts=(5, 3)),
    Scenario("is suspended", "FS", MONTHLY, (Course("SUSPENDED", 0.5),), starts=(2, 2)),
    Scenario("is invited and never logs in", "FS", courses=(), page=OwnPage("Active", 3), invited=True, starts=(6, 20)),
    Scenario("left no email", "FS", courses=(), page="none", billing_email="empty", starts=(3, 14)),
    Scenario("left no email either", "CS", courses=(), page="none", billing_email="null", starts=(10, 2)),
    Scenario("writes in capitals to the book-keeper", "DS", billing_email="upper", starts=(3, 1)),
    Scenario("writes in capitals to the CRM", "FS", crm_email="upper", starts=(3, 2)),
    Scenario("has spaces around the address", "CS", billing_email="padded", page_email="padded", starts=(4, 2)),
    Scenario(
        "has two contacts, here the second",
        "ML",
        billing_email="of the client before",
        crm_email="of the client before",
        page="none",
        starts=(5, 6),
    ),
    Scenario("is a deleted contact", "FS", contact="deleted", starts=(2, 22)),
    Scenario("is a contact that is gone for good", "FS", courses=(), page="none", contact="gone", starts=(6, 3)),
    Scenario("has two pages", "DS", pages=2, courses=DROPS, starts=(3, 18)),
    Scenario("has a page in capitals", "AIE", page_email="upper", starts=(4, 22)),
    Scenario("has a page without an email", "UX", page_email="null", starts=(7, 8)),
    Scenario(
        "buys a T-shirt as well",
        "FS",
        (Bill(shape="two lines"), Bill(1, offer="merchandise", tax_percent=21)),
        starts=(1, 30),
    ),
    Scenario(
        "has lines without account", "DS", (Bill(), Bill(1, 10, offer=""), Bill(2, 10, offer="absent")), starts=(2, 26)
    ),
    Scenario(
        "has documents on a deleted and an unknown account",
        "FS",
        (Bill(), Bill(3, 20, offer="archived"), Bill(4, 20, offer="orphan")),
        starts=(3, 20),
    ),
    Scenario("pays tax", "UX", (Bill(tax_percent=21),), starts=(9, 2)),
    Scenario(
        "pays part in dollars",
        "FS",
        (Bill(percent=50), Bill(2, 50, fields={"currency": "usd", "exchange_rate": Decimal("1.0842")})),
        starts=(4, 16),
    ),
    Scenario("is billed in numbers that are text", "DS", (Bill(fields={"amounts_as_text": True}),), starts=(5, 13)),
    Scenario(
        "shares an invoice number",
        "CS",
        (Bill(percent=50, number="F-DUPLICADA"), Bill(1, 50, number="F-DUPLICADA")),
        starts=(5, 20),
    ),
    Scenario(
        "has documents without number", "AIE", (Bill(percent=50, number=None), Bill(1, 50, number="")), starts=(5, 27)
    ),
    Scenario("has a line with negative units", "FS", (Bill(shape="negative units"),), starts=(6, 10)),
    Scenario("has a discount", "FS", (Bill(shape="discount"),), starts=(6, 17)),
    Scenario("has a credit note from nowhere", "DS", (Bill(), Bill(2, 15, credits=-1)), starts=(6, 24)),
    Scenario("has a negative credit note", "CS", (Bill(), Bill(1, 25, credits=0, negative=True)), starts=(7, 15)),
    Scenario("has a credit note of an invoice that never was", "FS", (Bill(), Bill(2, 10, credits=-2)), starts=(8, 19)),
    Scenario(
        "only ever rents a room", "rent", (Bill(tax_percent=21), Bill(3, tax_percent=21)), (), "none", starts=(9, 9)
    ),
)

ORDINARY = (
    (40, Scenario("runs and graduates")),
    (10, Scenario("runs and is never marked", courses=RUNS)),
    (10, Scenario("pays in quarters", bills=QUARTERS)),
    (8, Scenario("pays month by month", bills=MONTHLY)),
    (10, Scenario("drops", bills=HALVES, courses=DROPS)),
    (4, Scenario("postpones", courses=POSTPONES)),
    (4, Scenario("does not complete", courses=(Course("NOT_COMPLETING", 1.0),))),
    (3, Scenario("resigns", courses=(), page="none")),
    (3, Scenario("drops early", courses=(), page=OwnPage("Early Dropped", 20, "drop"))),
    (4, Scenario("gets part back", bills=(*HALVES, Bill(4, 25, credits=0)))),
    (2, Scenario("left no email", courses=(), page="none", billing_email="empty")),
    (2, Scenario("is a deleted contact", contact="deleted")),
)
"""Weight and scenario; offer and start are drawn."""


@dataclass(frozen=True)
class Client:
    """Who it is, what becomes of them and from when on."""

    seed: int
    index: int
    scenario: Scenario
    begins: date
    random: Random
    first_name: str
    last_name: str

    @property
    def name(self) -> str:
        """As people say it."""
        return f"{self.first_name} {self.last_name}"

    @property
    def crm_number(self) -> int:
        """Whose login it is: people with two contacts have one."""
        return self.index - (self.scenario.crm_email == "of the client before")

    def email(self, quirk: EmailQuirk) -> str | None:
        """The client's address as it was typed there."""
        number = self.index - 1 if quirk == "of the client before" else self.index
        plain = mail_address(*person_name(number), number)
        typed = {"upper": plain.upper(), "padded": f"  {plain} ", "empty": "", "null": None}
        return typed.get(quirk, plain)
