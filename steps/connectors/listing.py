"""What a connector hands over: the records of a list that was read to its end, and those that could not be read."""

from dataclasses import dataclass, field
from typing import Generic, TypeVar

from steps.errors import RecordRejectedError, RecordRepairedError

Record = TypeVar("Record")


@dataclass(frozen=True)
class Listing(Generic[Record]):
    """A whole list. A record with a fault of its own is in `rejected`, so that nothing is lost silently."""

    records: list[Record] = field(default_factory=list)
    rejected: list[RecordRejectedError] = field(default_factory=list)

    @property
    def count(self) -> int:
        """How many records the vendor sent: a repaired one is in both lists."""
        return len(self.records) + sum(not isinstance(each, RecordRepairedError) for each in self.rejected)
