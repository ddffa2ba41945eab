"""A disturbance: what happens to a run, at which place of the program, in which cell. Travels to the victim as JSON."""

import json
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Self

DISTURBANCE_VARIABLE = "KILL_MATRIX_DISTURBANCE"


class Kind(StrEnum):
    """What happens."""

    SIGKILL = "SIGKILL"
    SIGTERM = "SIGTERM"
    SIGINT = "SIGINT"
    ALL_KILLED = "SIGKILL of run and worker"
    SERVER_GONE = "Prefect server gone"
    DATABASE_GONE = "database gone"
    DATABASE_LOCKED = "database locked"
    DISK_FULL = "disk full"
    FREEZE = "machine frozen"
    """The process stands still until somebody lets it go on."""


class Place(StrEnum):
    """Where the program is when it happens."""

    BEFORE_PLAN = "before the plan"
    AFTER_PLAN = "after the plan"
    BEFORE_CELL = "before a step"
    AFTER_CELL = "after a step"
    IN_START_HOOK = "inside the hook, before the start is written"
    AFTER_START_HOOK = "inside the hook, after the start is written"
    IN_REQUEST = "inside a vendor request"
    TRANSACTION_BEGUN = "in the transaction, before its first write"
    BEFORE_COMMIT = "in the transaction, before the commit"
    AFTER_COMMIT = "after the commit, before the hook"
    IN_END_HOOK = "inside the hook, before the end is written"
    AFTER_END_HOOK = "inside the hook, after the end is written"


@dataclass(frozen=True)
class Disturbance:
    """One way to hit a run."""

    kind: Kind
    place: Place
    cell: str = ""
    """The step and month, as the task run is called; "" for a place outside of any."""
    mark: str = ""
    """A file that the victim makes when it is hit: it happens once, and a test knows that it did."""
    lever: str = ""
    """What the victim needs to bring it about: for a PostgreSQL database, the server's URL."""

    def __str__(self) -> str:
        return f"{self.kind}, {self.place}" + (f" ({self.cell})" if self.cell else "")

    def as_json(self) -> str:
        """For `DISTURBANCE_VARIABLE`."""
        return json.dumps(asdict(self))

    @classmethod
    def of_json(cls, text: str) -> Self:
        """What `as_json` wrote."""
        values = json.loads(text)
        return cls(**values | {"kind": Kind(values["kind"]), "place": Place(values["place"])})
