"""The invented academy: the same for the same seed, of any size, as it looks on any day."""

from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from random import Random
from typing import Protocol, Self, TypeVar

from steps.sandbox.books import Account, Contact, Document
from steps.sandbox.bystanders import add_bystanders
from steps.sandbox.campus import Academy, Cohort, Enrollment, Page, Student
from steps.sandbox.cast import Records, tell
from steps.sandbox.catalogue import MADRID_SCHOOL, NOT_SERVICES, OFFERS, VALENCIA_SCHOOL, open_accounts, plan_cohorts
from steps.sandbox.client import Client
from steps.sandbox.clock import ZONE_NAME
from steps.sandbox.names import person_name
from steps.sandbox.spoiled import spoil
from steps.sandbox.stories import ORDINARY, SPECIAL
from steps.sandbox.story import Story


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
