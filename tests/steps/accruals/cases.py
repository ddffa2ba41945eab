"""All combinations of what the rows of the decision table ask, as contracts of March 2024."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from itertools import product

from steps.engine.contract_month import AccrualInputs, ContractInputs, DocumentInputs, NotionInputs
from steps.engine.sessions import PeriodInputs
from steps.ledger.accrual import AccrualStatus
from tests.steps.accruals.builders import contract, period


@dataclass(frozen=True)
class Course:
    """Periods, and what a person reading docs/accrual-rules.md says of them in March 2024."""

    name: str
    periods: tuple[PeriodInputs, ...]
    last: str
    """Status of the last period as of March."""
    in_force: bool = False
    given_up: bool = False
    """All `DROPPED` or `POSTPONED`."""
    too_long: bool = False
    over: bool = False
    paused: bool = False


COURSES = [
    Course("none", (), "NONE"),
    Course("running", (period("2024-01-08", "2024-06-30"),), "ACTIVE", in_force=True),
    Course("over", (period("2024-01-08", "2024-02-20"),), "ACTIVE", over=True),
    Course("to come", (period("2024-04-01", "2024-06-30"),), "ACTIVE"),
    Course("dropped in April", (period("2024-01-08", "2024-06-30", "DROPPED", "2024-04-01"),), "ACTIVE", in_force=True),
    Course(
        "put off now",
        (period("2024-01-08", "2024-06-30", "POSTPONED", "2024-03-31"),),
        "POSTPONED",
        in_force=True,
        given_up=True,
        paused=True,
    ),
    Course(
        "put off before",
        (period("2024-01-08", "2024-06-30", "POSTPONED", "2024-01-01"),),
        "POSTPONED",
        given_up=True,
        paused=True,
    ),
    Course(
        "put off long ago",
        (period("2023-10-02", "2024-06-30", "POSTPONED", "2023-12-31"),),
        "POSTPONED",
        given_up=True,
        too_long=True,
        paused=True,
    ),
    Course("dropped now", (period("2024-01-08", "2024-06-30", "DROPPED", "2024-03-02"),), "DROPPED", True, True),
    Course("dropped before", (period("2024-01-08", "2024-06-30", "DROPPED", "2024-02-02"),), "DROPPED", False, True),
    Course("ended now", (period("2024-01-08", "2024-03-15", "ENDED"),), "ENDED", in_force=True),
    Course("ended before", (period("2024-01-08", "2024-02-15", "ENDED"),), "ENDED"),
    Course(
        "dropped, then another",
        (period("2024-01-08", "2024-06-30", "DROPPED", "2024-02-02"), period("2024-03-04", "2024-08-30", number=2)),
        "ACTIVE",
        in_force=True,
    ),
    Course(
        "put off, then dropped",
        (
            period("2024-01-08", "2024-06-30", "POSTPONED", "2024-02-02"),
            period("2024-02-12", "2024-08-30", "DROPPED", "2024-02-20", number=2),
        ),
        "DROPPED",
        given_up=True,
    ),
    Course(
        "ended, then put off",
        (
            period("2024-01-08", "2024-02-20", "ENDED"),
            period("2024-02-26", "2024-08-30", "POSTPONED", "2024-03-10", number=2),
        ),
        "POSTPONED",
        in_force=True,
        paused=True,
    ),
    Course(
        "put off long ago, another to come",
        (
            period("2023-10-02", "2024-06-30", "POSTPONED", "2023-11-10"),
            period("2024-05-06", "2024-08-30", number=2),
        ),
        "ACTIVE",
        paused=True,
    ),
]
PAGES = {
    "none": None,
    "dropped": NotionInputs("SUSPENDED", date(2024, 3, 31)),
    "ended": NotionInputs("GRADUATED", date(2024, 1, 1)),
    "other": NotionInputs("ACTIVE", date(2024, 3, 1)),
    "later": NotionInputs("DROPPED", date(2024, 4, 1)),
}
LOCKS = ["open", "begins later", "posted", "closed", "decided later", "posted and closed"]
TOTALS = ["-50.00", "0.00", "300.00"]
REMAINING = ["-20.00", "0.00", "80.00"]


@dataclass(frozen=True)
class Case:
    """One combination."""

    status: str
    state: str
    course: Course
    page: str
    recent: bool
    total: str
    remaining: str
    lock: str

    def inputs(self) -> ContractInputs:
        """The contract of which all this is true in March 2024."""
        total, remaining = Decimal(self.total), Decimal(self.remaining)
        begun = date(2024, 4, 1) if self.lock == "begins later" else date(2024, 3, 16 if self.recent else 15)
        last_month = date(2024, 4 if self.lock == "decided later" else 3, 1)
        done = AccrualInputs(
            AccrualStatus(self.state), last_month, total - remaining, 7, self.lock.startswith("posted")
        )
        inputs = contract(status=self.status, periods=self.course.periods, notion=PAGES[self.page], accrual=done)
        documents = (DocumentInputs(date(2024, 3, 15), total, "EUR"), DocumentInputs(date(2024, 4, 1), total, "EUR"))
        return replace(inputs, contract_date=begun, documents=documents)


def cases(status: str, state: str) -> Iterator[Case]:
    """All of one contract status and accrual state."""
    for rest in product(COURSES, PAGES, (True, False), TOTALS, REMAINING, LOCKS):
        yield Case(status, state, *rest)
