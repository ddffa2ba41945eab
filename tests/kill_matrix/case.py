"""One case of the matrix, and which there are."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tests.kill_matrix.disturbance import Disturbance, Kind, Place

IMPORT: tuple[str, ...] = ("--start-date", "2024-03-01", "--end-date", "2024-05-01")
ACCRUALS: tuple[str, ...] = ("--from-step", "accruals", *IMPORT)
CELLS = (
    "services",
    "invoices 2024-03",
    "invoices 2024-04",
    "crm-clients 2024-03",
    "crm-clients 2024-04",
    "service-periods 2024-03",
    "service-periods 2024-04",
    "notion-external-id",
)
DATABASES = ("sqlite", "postgresql")

_OUTSIDE = [(Place.BEFORE_PLAN, ""), (Place.AFTER_PLAN, "")]
_BOUNDARIES = [(Place.BEFORE_CELL, cell) for cell in CELLS] + [(Place.AFTER_CELL, CELLS[-1])]
_REQUESTS = [(Place.IN_REQUEST, cell) for cell in ("invoices 2024-03", "crm-clients 2024-03", "notion-external-id")]
_TRANSACTIONS = [
    (place, cell)
    for cell in ("invoices 2024-03", "service-periods 2024-04")
    for place in (Place.TRANSACTION_BEGUN, Place.BEFORE_COMMIT, Place.AFTER_COMMIT)
]
_HOOKS = [
    (place, "crm-clients 2024-03")
    for place in (Place.IN_START_HOOK, Place.AFTER_START_HOOK, Place.IN_END_HOOK, Place.AFTER_END_HOOK)
]
_ACCRUALS = [
    (place, "accruals 2024-04") for place in (Place.TRANSACTION_BEGUN, Place.BEFORE_COMMIT, Place.AFTER_COMMIT)
]
_EVERYWHERE = [*_OUTSIDE, *_BOUNDARIES, *_REQUESTS, *_TRANSACTIONS, *_HOOKS, *_ACCRUALS]
_TWO_SERVERS = [(Place.BEFORE_PLAN, ""), (Place.IN_REQUEST, "invoices 2024-03"), (Place.AFTER_COMMIT, CELLS[-1])]
_LOCKED = [(Place.AFTER_PLAN, ""), (Place.IN_REQUEST, "invoices 2024-03"), (Place.IN_END_HOOK, "crm-clients 2024-03")]


@dataclass(frozen=True)
class Case:
    """A disturbance at a command, on a kind of database."""

    disturbance: Disturbance
    database: str
    command: tuple[str, ...] = IMPORT

    @property
    def id(self) -> str:
        """As pytest calls it."""
        what = self.disturbance
        return f"{self.database}-{what.kind}-{what.place}-{what.cell}".replace(" ", "_")


def every_case() -> list[Case]:
    """The matrix."""
    return list(_cases())


def sample() -> list[Case]:
    """The few that are tried with every run of the tests."""
    return [
        Case(Disturbance(Kind.SIGKILL, Place.BEFORE_COMMIT, "invoices 2024-03"), "sqlite"),
        Case(Disturbance(Kind.DATABASE_GONE, Place.IN_END_HOOK, "crm-clients 2024-03"), "postgresql"),
    ]


def _cases() -> Iterator[Case]:
    for database in DATABASES:
        for kind in (Kind.SIGKILL, Kind.SIGTERM, Kind.SIGINT, Kind.DATABASE_GONE, Kind.DISK_FULL):
            yield from _at(kind, _EVERYWHERE, database)
        yield from _at(Kind.SERVER_GONE, _TWO_SERVERS, database)
    yield from _at(Kind.DATABASE_LOCKED, _LOCKED, "sqlite")


def _at(kind: Kind, points: Iterable[tuple[Place, str]], database: str) -> Iterator[Case]:
    for place, cell in points:
        yield Case(Disturbance(kind, place, cell), database, ACCRUALS if cell.startswith("accruals") else IMPORT)
