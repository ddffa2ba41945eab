"""Cursors: where a list goes on, as a text that clients hand back and do not look into."""

import base64
import binascii
import json
from collections.abc import Sequence
from datetime import datetime

from steps.errors import UsageError
from tracking.history import Place

LARGEST_ID = 2**31 - 1


def next_cursor(place: Place) -> str:
    """The cursor of what is older than this place."""
    parts = [place.id, *([place.started_at.isoformat()] if place.started_at else [])]
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")


def read_cursor(cursor: str, *, by_start: bool) -> Place:
    """The place that a cursor means.

    Args:
        cursor: As `next_cursor` made it.
        by_start: Whether the list is in order of start.

    Raises:
        UsageError: it is no cursor of such a list.
    """
    try:
        padding = "=" * (-len(cursor) % 4)
        parts = json.loads(base64.b64decode(cursor + padding, altchars=b"-_", validate=True))
        place = _place(parts)
    except (ValueError, TypeError, binascii.Error, RecursionError):
        place = None
    if place is None or (place.started_at is not None) != by_start:
        raise UsageError("cursor is none of this list: send `next_cursor` of the page before, with the same filters")
    return place


def _place(parts: Sequence[object]) -> Place | None:
    number = parts[0] if isinstance(parts, list) and parts else None
    if type(number) is not int or not 0 < number <= LARGEST_ID:
        return None
    if len(parts) == 1:
        return Place(number)
    started = datetime.fromisoformat(str(parts[1]))
    return Place(number, started) if started.tzinfo else None
