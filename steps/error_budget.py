"""How many records a step may leave out before it counts as failed (`SYNC_ERROR_BUDGET`)."""

import re
from dataclasses import dataclass
from decimal import Decimal

from steps.errors import ErrorBudgetError

FEWEST_WEIGHED = 10
"""Below this many records no share is taken: two of three may well be in trouble."""
_FORM = re.compile(r"(\d{1,9}(?:\.\d{1,4})?)(%?)")
_WHOLE = 100


@dataclass(frozen=True)
class ErrorBudget:
    """A share of the records at hand in percent, or a number of them."""

    amount: Decimal
    is_share: bool

    @classmethod
    def parse(cls, text: str) -> "ErrorBudget":
        """Of `50%` or `200`.

        Raises:
            ValueError: it is neither; the message says what is expected, and not what was given.
        """
        match = _FORM.fullmatch(text.strip())
        if match is None or (not match[2] and "." in match[1]) or (match[2] and Decimal(match[1]) > _WHOLE):
            raise ValueError("a share of the records such as 50%, or a whole number of them such as 200, is expected")
        return cls(Decimal(match[1]), is_share=bool(match[2]))

    def __str__(self) -> str:
        """As it was written."""
        return f"{self.amount}{'%' if self.is_share else ''}"

    def is_exceeded(self, errors: int, of: int) -> bool:
        """Whether so many errors among so many records are too many."""
        if self.is_share:
            return of >= FEWEST_WEIGHED and errors * _WHOLE > self.amount * of
        return errors > self.amount

    def require(self, errors: int, of: int) -> None:
        """Refuse to go on with too many in trouble.

        Raises:
            ErrorBudgetError: with the counts, the budget and what to do.
        """
        if self.is_exceeded(errors, of):
            raise ErrorBudgetError(
                f"{errors} of {of} records are in trouble, more than SYNC_ERROR_BUDGET={self} allows: nothing was "
                "applied; see sync-actions errors, mend the cause or raise the budget, run it again"
            )
