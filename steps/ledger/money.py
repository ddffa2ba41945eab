"""Money is a `Decimal` in cents; rounding is half up; a float never comes near it."""

import re
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from typing import Any

CENT = Decimal("0.01")
ZERO = Decimal("0.00")
LARGEST = Decimal("999999999999.99")
_LONGEST_SHOWN = 100
_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,3})?")
"""As JSON and people write it: `Decimal` would take `1_000`, digits of other scripts and `NaN` besides."""


def to_cents(exact: Fraction | Decimal) -> Decimal:
    """Rounded once, half away from zero, to the cent."""
    if isinstance(exact, Decimal):
        return exact.quantize(CENT, ROUND_HALF_UP)
    cents, rest = divmod(abs(exact) * 100, 1)
    whole = int(cents) + (1 if rest * 2 >= 1 else 0)
    return Decimal(whole if exact >= 0 else -whole).scaleb(-2)


def parse_amount(value: Any) -> Decimal:
    """A vendor's amount (a JSON number or a numeric string) in cents.

    Raises:
        ValueError: not a finite decimal number, or more than `NUMERIC(14,2)` holds. `"1.234,56"` is refused:
            guessing which mark is the decimal one could be wrong by a factor of a thousand.
    """
    text = str(value).strip()  # a bool, a list or None becomes a text that is no number
    if not _NUMBER.fullmatch(text):
        raise ValueError(f"{shown(value)} is not an amount; a number such as 1234.56 is expected")
    amount = Decimal(text)
    if not -LARGEST <= amount <= LARGEST:
        raise ValueError(f"{shown(value)} is not an amount between -{LARGEST} and {LARGEST}")
    return to_cents(amount)


def shown(value: Any) -> str:
    """A value as a message shows it: not too long."""
    text = repr(value)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}..."
