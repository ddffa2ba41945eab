"""Which records a call of a step is about: all of its window, or just some that were in trouble and are tried again."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

from steps.connectors.listing import Listing
from steps.errors import RecordRejectedError
from steps.settings import SyncSettings
from tracking.error_book import RecordKey

Record = TypeVar("Record")


@dataclass(frozen=True)
class Scope:
    """All records, or those of these keys. The vendor's lists are read to their end in either case."""

    keys: frozenset[RecordKey] | None = None

    @property
    def is_everything(self) -> bool:
        """Whether it is a whole window, as in any ordinary run."""
        return self.keys is None

    def ids(self, entity_type: str) -> frozenset[str]:
        """The ids that are asked for by name; none if everything is."""
        return frozenset(external_id for kind, external_id in self.keys or () if kind == entity_type)

    def concerns(self, entity_type: str, external_id: str | None) -> bool:
        """Whether a record is meant."""
        return self.keys is None or (entity_type, external_id) in self.keys

    def rejected(self, errors: Iterable[RecordRejectedError]) -> list[RecordRejectedError]:
        """Those of the errors that are about a record that is meant."""
        return [error for error in errors if self.concerns(*error.key)]

    def narrow(self, listing: Listing[Record], concerns: Callable[[Record], bool]) -> Listing[Record]:
        """The part of a list that is meant."""
        if self.is_everything:
            return listing
        return Listing([each for each in listing.records if concerns(each)], self.rejected(listing.rejected))

    def ease(self, settings: SyncSettings) -> SyncSettings:
        """Without the guard against lists that lost most of what they had: of a few records many may be gone."""
        return settings if self.is_everything else settings.model_copy(update={"accept_loss": True})


EVERYTHING = Scope()
