"""What Notion says of a student: a status, and the date that counts for it (interfaces.md, Notion page)."""

from datetime import date

DROPPED_LIKE = frozenset({"DROPPED", "EARLY_DROPPED", "SUSPENDED"})
ENDED_LIKE = frozenset({"GRADUATED", "NOT_COMPLETING", "ENDED"})


def normalize_educational_status(value: str | None) -> str | None:
    """Upper case, blanks as underscores (`Early dropped` -> `EARLY_DROPPED`); None when there is none."""
    return "_".join((value or "").upper().split()) or None


def educational_status_date(status: str | None, *, dropped_on: date | None, certified_on: date | None) -> date | None:
    """Since when a normalized status holds, as far as the page says.

    A dropped-like status has the drop date, an ended-like one the certification's, and each the other where its own is
    empty. No date belongs to any other status: the accruals treat it the same with and without one.
    """
    if status in DROPPED_LIKE:
        return dropped_on or certified_on
    if status in ENDED_LIKE:
        return certified_on or dropped_on
    return None
