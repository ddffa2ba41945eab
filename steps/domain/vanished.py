"""The guard against believing an empty answer: a list that lost most of what the ledger knows is a fault, not news."""

from collections.abc import Collection

from steps.errors import SuspiciousEmptyError

FEWEST_KNOWN = 10
"""Below this many known records no share is taken: half of three may well be gone."""


def are_most_gone(*, known: Collection[object], gone: Collection[object]) -> bool:
    """Whether more than half of the known records are missing, of enough to say so."""
    return len(known) >= FEWEST_KNOWN and 2 * len(gone) > len(known)


def refuse_if_most_are_gone(vendor: str, request: str, *, known: Collection[object], gone: Collection[object]) -> None:
    """Refuse a list in which more than half of the known records are missing.

    Raises:
        SuspiciousEmptyError: the window fails and nothing is written; `SYNC_ACCEPT_LOSS=true` believes the list.
    """
    if are_most_gone(known=known, gone=gone):
        raise SuspiciousEmptyError(
            vendor,
            request,
            f"{len(gone)} of {len(known)} known records are gone; if that is true, set SYNC_ACCEPT_LOSS=true",
        )
