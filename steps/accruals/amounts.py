"""The amount of a month, and its split over periods that loses no cent (accruals.md, The amount)."""

from collections.abc import Iterable
from decimal import Decimal
from itertools import accumulate, chain, pairwise

from steps.accruals.sessions import divide_half_up
from steps.domain.money import ZERO

WHOLE = Decimal("1.000000")
_PORTION_DIGITS = 6


def amount_for(remaining: Decimal, sessions: int, sessions_remaining: int) -> Decimal:
    """The part of `remaining`, in whole cents, that `sessions` of all `sessions_remaining` earn: rounded once."""
    cents = int(remaining.scaleb(2))
    earned = divide_half_up(abs(cents) * sessions, sessions_remaining)
    return Decimal(earned if cents >= 0 else -earned).scaleb(-2)


def split_amount(remaining: Decimal, sessions: Iterable[int], sessions_remaining: int) -> list[Decimal]:
    """One amount per entry of `sessions`, rounded on the running sum and not each by itself.

    So the first n amounts add up to the amount for the sessions of those n together, for every n.
    """
    sums = (amount_for(remaining, first_ones, sessions_remaining) for first_ones in accumulate(sessions))
    return [after - before for before, after in pairwise(chain((ZERO,), sums))]


def portion_of(sessions: int, sessions_remaining: int) -> Decimal:
    """Sessions / sessions remaining to six decimals, for people to read; never calculated with."""
    millionths = divide_half_up(sessions * 10**_PORTION_DIGITS, sessions_remaining)
    return Decimal(millionths).scaleb(-_PORTION_DIGITS)
