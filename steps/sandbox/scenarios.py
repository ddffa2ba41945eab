"""What the invented academy's clients go through: each scenario, and when it happens."""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
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
    """One document of the story, `months` after the first."""

    months: int = 0
    share: Decimal = Decimal(1)
    """Part of the price."""
    credits: int | None = None
    """A credit note: the index of the bill it takes back, -1 none, -2 an invoice that does not exist."""
    offer: str | None = None
    """Another account than the story's: the key of an offer, "" an empty account, "absent" no key."""
    shape: Literal["plain", "two lines", "negative units", "discount"] = "plain"
    tax_percent: int = 0
    negative: bool = False
    """A credit note whose amounts are negative."""
    number: str | None = "numbered"
    """Otherwise: `None` no key, or the number itself, which may be one that another document has."""
    fields: Mapping[str, Any] = field(default_factory=dict)
    """Other fields of the `Document`."""


@dataclass(frozen=True)
class Seat:
    """One enrollment of the story."""

    status: str | None = "ACTIVE"
    at: float | None = None
    """When the status came, as a part of the course: 0 on the day of the first document, 1 on the last day."""
    after: int | None = None
    """Takes the first kickoff after the end of that seat, instead of after the first document."""
    wait: int = 0
    """Days after the first document before a kickoff is looked for."""
    kind: str | None = None
    """Another kind of cohort than the one paid for."""
    slug: str | None = None
    """This very cohort."""
    role: str = "STUDENT"


@dataclass(frozen=True)
class Sheet:
    """A Notion page with a life of its own, when it does not just repeat the CRM."""

    status: str | None = None
    after: int = 0
    """Days from the first document to the status."""
    dated: Literal["drop", "certified", "moment", "range", "no"] = "no"


@dataclass(frozen=True)
class Story:
    """What becomes of one client."""

    name: str
    offer: str = "FS"
    bills: tuple[Bill, ...] = (Bill(),)
    seats: tuple[Seat, ...] = (Seat("GRADUATED", 1.0),)
    page: Sheet | Literal["follows", "none"] = "follows"
    pages: int = 1
    starts: tuple[int, int, int] | None = None
    """Year (0 the world's, -1 the one before), month and day of the first document; none: any day of the year."""
    billing_email: EmailQuirk = "plain"
    crm_email: EmailQuirk = "plain"
    page_email: EmailQuirk = "plain"
    contact: ContactQuirk = "listed"
    invited: bool = False
    """In the CRM without a login, so without a seat."""
    second: "Story | None" = None
    """A second contract of the same client: its offer, bills, seats and start."""


HALVES = (Bill(share=Decimal("0.5")), Bill(1, Decimal("0.5")))
QUARTERS = tuple(Bill(month, Decimal("0.25")) for month in range(4))
MONTHLY = tuple(Bill(month, Decimal(1) / 9) for month in range(9))
GRADUATES = (Seat("GRADUATED", 1.0),)
RUNS = (Seat(),)
DROPS = (Seat("DROPPED", 0.4),)
POSTPONES = (Seat("POSTPONED", 0.35),)
NOBODY = ()

SPECIAL = (
    Story("just runs, ends and graduates", starts=(0, 1, 10)),
    Story("drops in mid-course, paid in halves", bills=HALVES, seats=DROPS, starts=(0, 2, 5)),
    Story("postpones and never returns", "DS", seats=POSTPONES, starts=(0, 2, 12)),
    Story(
        "postpones and has a seat in a later cohort",
        "CS",
        QUARTERS,
        (Seat("POSTPONED", 0.3), Seat(after=0)),
        starts=(0, 1, 15),
    ),
    Story(
        "moves to the next edition at once",
        "DS",
        HALVES,
        (Seat("POSTPONED", 0.0), Seat("GRADUATED", 1.0, wait=40)),
        starts=(0, 3, 4),
    ),
    Story(
        "signs up again after a false start",
        "FS",
        seats=(Seat("DROPPED", 0.0), Seat("GRADUATED", 1.0, wait=35)),
        starts=(0, 4, 3),
    ),
    Story(
        "takes a course in two parts",
        "FS-ISA",
        MONTHLY,
        (Seat("GRADUATED", 1.0), Seat("GRADUATED", 1.0, after=0)),
        starts=(0, 1, 20),
    ),
    Story("resigns before anything begins", bills=HALVES, seats=NOBODY, page="none", starts=(0, 3, 28)),
    Story("signs at the end of a month, nothing else is known", "AIE", seats=NOBODY, page="none", starts=(0, 5, 25)),
    Story(
        "only Notion knows of the drop", "DS", seats=NOBODY, page=Sheet("Early Dropped", 25, "drop"), starts=(0, 2, 20)
    ),
    Story(
        "only Notion knows of the degree",
        "CS",
        seats=NOBODY,
        page=Sheet("Graduated", 95, "certified"),
        starts=(0, 1, 25),
    ),
    Story(
        "only Notion knows of the suspension, to the minute",
        seats=NOBODY,
        page=Sheet("Suspended", 40, "moment"),
        starts=(0, 6, 6),
    ),
    Story(
        "did not complete, by a range of dates",
        "AIE",
        seats=NOBODY,
        page=Sheet("Not Completing", 60, "range"),
        starts=(0, 4, 18),
    ),
    Story("dropped in Notion without a date", "DS", seats=NOBODY, page=Sheet("Dropped", 30, "no"), starts=(0, 7, 2)),
    Story("has a page without a status", "UX", seats=NOBODY, page=Sheet(), starts=(0, 5, 7)),
    Story(
        "is credited after everything was accrued",
        "CS",
        (Bill(), Bill(7, Decimal("0.3"), credits=0)),
        starts=(0, 1, 12),
    ),
    Story("is credited whole before the course", "FS", (Bill(), Bill(0, credits=0)), RUNS, starts=(0, 8, 5)),
    Story("is credited in mid-course", "FS", (*HALVES, Bill(2, Decimal("0.2"), credits=1)), starts=(0, 3, 6)),
    Story("drops, then gets it all back", "DS", (Bill(), Bill(5, credits=0)), DROPS, starts=(0, 2, 8)),
    Story("pays late, after the end", "AIE", (*HALVES, Bill(6, Decimal("0.25"))), starts=(0, 1, 9)),
    Story("pays late and was never marked as done", "CS", (*HALVES, Bill(7, Decimal("0.25"))), RUNS, starts=(0, 2, 6)),
    Story("buys a second course", "FS", second=Story("", "DS", HALVES, starts=(0, 7, 10)), starts=(0, 1, 8)),
    Story(
        "buys two services of one type", "DS", second=Story("", "ML", QUARTERS, starts=(0, 6, 14)), starts=(0, 1, 18)
    ),
    Story("signs on New Year's Day", "UX", starts=(0, 1, 1)),
    Story("signs on New Year's Eve", "AIE", starts=(0, 12, 31)),
    Story("began the year before", "FS", QUARTERS, starts=(-1, 11, 20)),
    Story(
        "is credited for an invoice of the year before",
        "CS",
        (Bill(), Bill(2, Decimal("0.4"), credits=0)),
        starts=(-1, 12, 31),
    ),
    Story("never ends", "FS", seats=(Seat(slug="spain-fs-forever-1"),), starts=(0, 2, 1)),
    Story(
        "is in cohorts that are no courses",
        "FS",
        seats=(Seat("GRADUATED", 1.0), Seat(slug="yomequedoencasa"), Seat(None, slug="spain-x-pt-general")),
        starts=(0, 1, 11),
    ),
    Story("has no status in the CRM", "DS", seats=(Seat(None),), starts=(0, 3, 12)),
    Story("has a status nobody knows", "CS", seats=(Seat("ON_HOLD"),), starts=(0, 4, 9)),
    Story(
        "sits in a class that was not paid for",
        "FS",
        seats=(Seat("GRADUATED", 1.0), Seat(kind="CS")),
        starts=(0, 2, 14),
    ),
    Story("does not complete", "AIE", seats=(Seat("NOT_COMPLETING", 1.0),), starts=(0, 5, 3)),
    Story("is suspended", "FS", MONTHLY, (Seat("SUSPENDED", 0.5),), starts=(0, 2, 2)),
    Story("is invited and never logs in", "FS", seats=NOBODY, page=Sheet("Active", 3), invited=True, starts=(0, 6, 20)),
    Story("left no email", "FS", seats=NOBODY, page="none", billing_email="empty", starts=(0, 3, 14)),
    Story("left no email either", "CS", seats=NOBODY, page="none", billing_email="null", starts=(0, 10, 2)),
    Story("writes in capitals to the book-keeper", "DS", billing_email="upper", starts=(0, 3, 1)),
    Story("writes in capitals to the CRM", "FS", crm_email="upper", starts=(0, 3, 2)),
    Story("has spaces around the address", "CS", billing_email="padded", page_email="padded", starts=(0, 4, 2)),
    Story(
        "has two contacts, here the second",
        "ML",
        billing_email="of the client before",
        crm_email="of the client before",
        page="none",
        starts=(0, 5, 6),
    ),
    Story("is a deleted contact", "FS", contact="deleted", starts=(0, 2, 22)),
    Story("is a contact that is gone for good", "FS", seats=NOBODY, page="none", contact="gone", starts=(0, 6, 3)),
    Story("has two pages", "DS", pages=2, seats=DROPS, starts=(0, 3, 18)),
    Story("has a page in capitals", "AIE", page_email="upper", starts=(0, 4, 22)),
    Story("has a page without an email", "UX", page_email="null", starts=(0, 7, 8)),
    Story(
        "buys a T-shirt as well",
        "FS",
        (Bill(shape="two lines"), Bill(1, offer="merchandise", tax_percent=21)),
        starts=(0, 1, 30),
    ),
    Story(
        "has lines without account",
        "DS",
        (Bill(), Bill(1, Decimal("0.1"), offer=""), Bill(2, Decimal("0.1"), offer="absent")),
        starts=(0, 2, 26),
    ),
    Story(
        "has documents on a deleted and an unknown account",
        "FS",
        (Bill(), Bill(3, Decimal("0.2"), offer="archived"), Bill(4, Decimal("0.2"), offer="orphan")),
        starts=(0, 3, 20),
    ),
    Story("pays tax", "UX", (Bill(tax_percent=21),), starts=(0, 9, 2)),
    Story(
        "pays part in dollars",
        "FS",
        (
            Bill(share=Decimal("0.5")),
            Bill(2, Decimal("0.5"), fields={"currency": "usd", "exchange_rate": Decimal("1.0842")}),
        ),
        starts=(0, 4, 16),
    ),
    Story("is billed in numbers that are text", "DS", (Bill(fields={"amounts_as_text": True}),), starts=(0, 5, 13)),
    Story(
        "shares an invoice number",
        "CS",
        (Bill(share=Decimal("0.5"), number="F-DUPLICADA"), Bill(1, Decimal("0.5"), number="F-DUPLICADA")),
        starts=(0, 5, 20),
    ),
    Story(
        "has documents without number",
        "AIE",
        (Bill(share=Decimal("0.5"), number=None), Bill(1, Decimal("0.5"), number="")),
        starts=(0, 5, 27),
    ),
    Story("has a line with negative units", "FS", (Bill(shape="negative units"),), starts=(0, 6, 10)),
    Story("has a discount", "FS", (Bill(shape="discount"),), starts=(0, 6, 17)),
    Story("has a credit note from nowhere", "DS", (Bill(), Bill(2, Decimal("0.15"), credits=-1)), starts=(0, 6, 24)),
    Story(
        "has a negative credit note",
        "CS",
        (Bill(), Bill(1, Decimal("0.25"), credits=0, negative=True)),
        starts=(0, 7, 15),
    ),
    Story(
        "has a credit note of an invoice that never was",
        "FS",
        (Bill(), Bill(2, Decimal("0.1"), credits=-2)),
        starts=(0, 8, 19),
    ),
    Story(
        "only ever rents a room",
        "rent",
        (Bill(tax_percent=21), Bill(3, tax_percent=21)),
        NOBODY,
        "none",
        starts=(0, 9, 9),
    ),
)

ORDINARY = (
    (40, Story("runs and graduates")),
    (10, Story("runs and is never marked", seats=RUNS)),
    (10, Story("pays in quarters", bills=QUARTERS)),
    (8, Story("pays month by month", bills=MONTHLY)),
    (10, Story("drops", bills=HALVES, seats=DROPS)),
    (4, Story("postpones", seats=POSTPONES)),
    (4, Story("does not complete", seats=(Seat("NOT_COMPLETING", 1.0),))),
    (3, Story("resigns", seats=NOBODY, page="none")),
    (3, Story("drops early", seats=NOBODY, page=Sheet("Early Dropped", 20, "drop"))),
    (4, Story("gets part back", bills=(*HALVES, Bill(4, Decimal("0.25"), credits=0)))),
    (2, Story("left no email", seats=NOBODY, page="none", billing_email="empty")),
    (2, Story("is a deleted contact", contact="deleted")),
)
"""Weight and story; offer and start are drawn."""


@dataclass(frozen=True)
class Client:
    """Who it is, what becomes of them and from when on."""

    seed: int
    index: int
    story: Story
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
        return self.index - (self.story.crm_email == "of the client before")

    def email(self, quirk: EmailQuirk) -> str | None:
        """The client's address as it was typed there."""
        number = self.index - 1 if quirk == "of the client before" else self.index
        plain = mail_address(*person_name(number), number)
        typed = {"upper": plain.upper(), "padded": f"  {plain} ", "empty": "", "null": None}
        return typed.get(quirk, plain)
