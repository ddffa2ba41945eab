"""Postings done again from `sync-actions explain --json` alone, as a bookkeeper would: nothing of the program is used.

`python redone_by_hand.py < explanations.json`, a JSON list of them: prints each figure that comes out otherwise.
"""

import calendar
import json
import sys
from collections import defaultdict
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from math import floor
from typing import Any

Json = dict[str, Any]
CENT = Decimal("0.01")


def day(text: str) -> date:
    """An ISO date."""
    return date.fromisoformat(text)


def half_up(number: Fraction) -> int:
    """To a whole number that is not negative."""
    return floor(number + Fraction(1, 2))


def cents(number: Fraction) -> Decimal:
    """To the cent, once, halves away from zero."""
    return (Decimal(number.numerator) / Decimal(number.denominator)).quantize(CENT, ROUND_HALF_UP)


class Enrollment:
    """A period as it stood on the last day of the month."""

    def __init__(self, known: Json, last: date, *, began_when_known: bool) -> None:
        self.name, self.end = known["external_id"], day(known["end_date"])
        self.start = day(known["start_date"])
        since = day(known["status_change_date"] or known["end_date"])
        self.status = known["status"] if since <= last else "ACTIVE"
        if began_when_known:
            self.start, self.status = max(self.start, day(known["created_on"])), "ACTIVE"
        self.over = self.end if self.status == "ACTIVE" else min(self.end, since)

    def order(self) -> tuple[date, date, str]:
        """Which of several a day belongs to: the greatest."""
        return self.start, self.end, self.name


def enrollments(kept: Json, last: date) -> list[Enrollment]:
    """Those that the CRM had by then; if it had none, those that were to come."""

    def late(known: Json) -> bool:
        created = known["created_on"]
        return bool(created) and last < day(created) <= day(known["end_date"])

    by_then = [known for known in kept["periods"] if not late(known)] or kept["periods"]
    return [Enrollment(known, last, began_when_known=late(known)) for known in by_then]


def sessions_on(each: Enrollment, when: date, kept: Json) -> int:
    """Of one day of a period."""
    service = kept["service"]
    if service["class_weekdays"]:
        return int(when.weekday() in service["class_weekdays"] and when.isoformat() not in kept["holidays"])
    days = (each.end - each.start).days + 1
    whole = min(half_up(Fraction(days * service["sessions_per_week"], 7)), service["total_sessions"])
    number, whole = (when - each.start).days + 1, max(1, whole)
    return half_up(Fraction(whole * number, days)) - half_up(Fraction(whole * (number - 1), days))


def count(known: list[Enrollment], kept: Json, first: date, last: date) -> tuple[int, dict[str, int], int]:
    """Sessions before the month, in it by period, and all that are still to be taught as seen from its first day."""
    month: dict[str, int] = defaultdict(int)
    before = remaining = 0
    days = {each.start + timedelta(n) for each in known for n in range((each.end - each.start).days + 1)}
    for when in sorted(days):
        holders = [each for each in known if each.start <= when <= each.over]
        if not holders:
            continue
        owner = max(holders, key=Enrollment.order)
        sessions = sessions_on(owner, when, kept)
        if when < first:
            before += sessions
            continue
        remaining += sessions
        if when <= last:
            month[owner.name] += sessions
    final = max(known, key=lambda each: (each.over, *each.order()), default=None)
    if final and final.status == "POSTPONED":
        put_off = [when for when in sorted(days) if max(final.start, final.over + timedelta(1)) <= when <= final.end]
        remaining += sum(sessions_on(final, when, kept) for when in put_off)
    return before, month, remaining


def last_of(known: list[Enrollment]) -> str | None:
    """The period that is over last."""
    return max(known, key=lambda each: (each.over, *each.order())).name if known else None


def redo(explained: Json) -> list[tuple[str | None, Decimal, int]]:
    """Period, amount and sessions of each posting of the decision table."""
    kept, first = explained["worked_out"], day(explained["month"])
    last = first.replace(day=calendar.monthrange(first.year, first.month)[1])
    total = sum((Decimal(amount) for when, amount in kept["documents"] if day(when) <= last), Decimal("0.00"))
    rest = total - Decimal(kept["accrued_before"])
    known = sorted(enrollments(kept, last), key=Enrollment.order)
    before, month, remaining = count(known, kept, first, last)
    in_month = sum(month.values())
    told = kept["total"], kept["remaining"], kept["sessions_in_month"], kept["sessions_remaining"]
    if told != (str(total), str(rest), in_month, remaining):
        raise ValueError(f"{total} {rest} {in_month} {remaining} come out, and {told} were kept")
    catch_up = kept["policy"]["SYNC_ACCRUAL_METHOD"] == "catch-up"
    if kept["sessions_before"] != (before if catch_up else None):
        raise ValueError(f"{before} were taught before, and {kept['sessions_before']} were kept")
    if explained["rule"]["row"] != 11:
        return [(last_of(known), rest, in_month)]
    in_force = [each for each in known if each.start <= min(last, each.over) and each.over >= first]
    final_now = last_of(in_force)
    if not remaining:
        return [(final_now, rest, 0)]
    counts = [(each.name, month[each.name]) for each in known if month[each.name]] or [(final_now, 0)]
    if catch_up:
        return shares(total, before, before + remaining, Decimal(kept["accrued_before"]), counts)
    return shares(rest, 0, remaining, Decimal("0.00"), counts)


def shares(
    whole: Decimal, taught: int, of: int, posted: Decimal, counts: list[tuple[str | None, int]]
) -> list[tuple[str | None, Decimal, int]]:
    """What each period adds to the part of `whole` that is taught, `posted` being there already."""
    postings = []
    for name, sessions in counts:
        taught += sessions
        upto = cents(Fraction(whole) * taught / of)
        postings.append((name, upto - posted, sessions))
        posted = upto
    return postings


def differences(explanations: list[Json]) -> list[str]:
    """Every posting that comes out otherwise; and every "accrued before" that is not what was posted before."""
    found = []
    earlier: dict[int, list[Json]] = defaultdict(list)
    for each in sorted(explanations, key=lambda one: str(one["month"])):
        contract, adjusted = each["contract"]["id"], [one for one in each["postings"] if one["rule"] == "adjustment"]
        decided = [one for one in each["postings"] if one not in adjusted]
        by_table = [(one["period"], one["amount"], one["sessions"]) for one in decided]
        # An adjustment that was posted later, though in this month or one before it, was not known.
        known = [one for one in earlier[contract] + adjusted if decided and one["number"] < decided[0]["number"]]
        before = sum((Decimal(one["amount"]) for one in known), Decimal("0.00"))
        earlier[contract] += each["postings"]
        where = f"contract {contract} in {each['month']}"
        if by_table and Decimal(each["worked_out"]["accrued_before"]) != before:
            found.append(f"{where}: {before} were accrued before, {each['worked_out']['accrued_before']} was kept")
        try:
            again = [(name, str(amount), sessions) for name, amount, sessions in redo(each)] if by_table else []
        except ValueError as error:
            found.append(f"{where}: {error}")
            continue
        if again != by_table:
            found.append(f"{where}: {again} come out, {by_table} are posted")
    return found


if __name__ == "__main__":
    given = json.load(sys.stdin)
    wrong = differences(given)
    sys.stdout.write("\n".join([*wrong, f"{len(given)} explanations, {len(wrong)} differences"]) + "\n")
    sys.exit(bool(wrong))
