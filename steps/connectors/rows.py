"""Rows of a paged list: each id once, none lost silently, then parsed one by one into a `Listing`."""

import json
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from steps.connectors.fields import LONGEST_IDENTIFIER, record
from steps.connectors.json_value import Json, RepairedRecord, plain
from steps.connectors.listing import Listing
from steps.errors import RecordRejectedError, RecordRepairedError

Parsed = TypeVar("Parsed")


class Rows:
    """What the pages of one list brought so far."""

    def __init__(self, entity_type: str, *, stamp: str | None = None) -> None:
        """Args: `stamp` names the field that moves when a row is edited: a newer copy then replaces the older one."""
        self.entity_type = entity_type
        self.rejected: list[RecordRejectedError] = []
        self._stamp = stamp
        self._by_key: dict[str, Any] = {}

    def __len__(self) -> int:
        return len(self._by_key)

    def ids(self) -> frozenset[str]:
        """Every id seen, of good and of faulty rows alike."""
        return frozenset(filter(None, map(id_of, self._by_key.values())))

    def add(self, page: Iterable[Any]) -> int:
        """Take a page in. Returns how many of its rows were not known yet: 0 means the page repeats."""
        before = len(self._by_key)
        for row in page:
            key = id_of(row) or f"without id: {json.dumps(plain(row), sort_keys=True)}"
            known = self._by_key.setdefault(key, row)
            if known is not row and known != row:
                self._settle(key, known, row)
        return len(self._by_key) - before

    def take(self, other: "Rows") -> None:
        """Take in what another list brought, its rejections too."""
        self.rejected.extend(other.rejected)
        self.add(other._by_key.values())

    def any(self, has: Callable[[Json], bool]) -> bool:
        """Whether one row at least is so."""
        return any(map(has, self._by_key.values()))

    def emptied(self) -> "Rows":
        """The same kind of list, to be read anew."""
        return Rows(self.entity_type, stamp=self._stamp)

    def _settle(self, key: str, known: Json, row: Json) -> None:
        """Two copies of one id: an edit while the list was read, or an id used twice."""
        if self._stamp and known.get(self._stamp) != row.get(self._stamp):
            self._by_key[key] = max(known, row, key=lambda copy: str(copy.get(self._stamp)))
            return
        message = f"{self.entity_type} {key}: this id is used twice with different content; the first is kept"
        both = {"kept": plain(known), "dropped": plain(row)}
        self.rejected.append(RecordRejectedError(self.entity_type, key, message, both))

    def parse(self, parse: Callable[[dict[str, Any]], Parsed]) -> Listing[Parsed]:
        """Each row by itself: a fault in one does not touch the others.

        A row with characters that cannot be stored is taken without them, and is among the rejected ones besides.
        """
        listing: Listing[Parsed] = Listing([], list(self.rejected))
        for row in self._by_key.values():
            try:
                listing.records.append(parse_row(self.entity_type, row, parse))
            except RecordRejectedError as error:
                listing.rejected.append(error)
            else:
                if isinstance(row, RepairedRecord):
                    listing.rejected.append(_repaired(self.entity_type, row))
        return listing


def parse_row(entity_type: str, row: Json, parse: Callable[[dict[str, Any]], Parsed]) -> Parsed:
    """One record.

    Raises:
        RecordRejectedError: with the field that is wrong, and the vendor's record.
    """
    external_id = id_of(row)
    try:
        return parse(record(row))
    except ValueError as error:
        message = f"{entity_type} {external_id or 'without id'}: {error}"
        raise RecordRejectedError(entity_type, external_id, message, plain(row)) from error


def _repaired(entity_type: str, row: Json) -> RecordRepairedError:
    return RecordRepairedError(
        entity_type,
        id_of(row),
        f"{entity_type} {id_of(row)} holds characters that cannot be stored (bytes that are no UTF-8, NUL, or half of a"
        " surrogate pair): taken with U+FFFD instead",
        plain(row),
    )


def id_of(row: Json) -> str:
    """The id of a raw row as text; empty when it has none that can be one."""
    value = row.get("id") if isinstance(row, dict) else None
    text = str(value).strip() if isinstance(value, int | str) and not isinstance(value, bool) else ""
    return text if len(text) <= LONGEST_IDENTIFIER else ""
