"""From what a column holds to a value that the engine may believe, or a reason in plain words."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import TypeVar

from steps.domain.accrual import AccrualStatus
from steps.domain.contract import ContractStatus
from steps.domain.period import PeriodStatus

Status = TypeVar("Status", bound=StrEnum)

CONTRACT_STATUS = {status.value: status for status in ContractStatus}
PERIOD_STATUS = {status.value: status for status in PeriodStatus}
ACCRUAL_STATUS = {status.value: status for status in AccrualStatus}


def read_day(text: str | None, what: str) -> date:
    """A date that must be there.

    Raises:
        ValueError: it is none; `what` names it.
    """
    try:
        return date.fromisoformat(text or "")
    except ValueError:
        raise ValueError(f"{what} is not a date: {text!r}") from None


def read_optional_day(text: str | None, what: str) -> date | None:
    """A date that may be missing."""
    return None if text is None else read_day(text, what)


def read_amount(text: str | None, what: str) -> Decimal:
    """An exact amount; whether it is one that can be used is for `check.py` to say."""
    try:
        return Decimal(text or "")
    except InvalidOperation:
        raise ValueError(f"{what} is not a number: {text!r}") from None


def read_count(number: object, what: str) -> int:
    """A whole number that is not negative (SQLite lets a column hold anything)."""
    if not isinstance(number, int) or number < 0:
        raise ValueError(f"{what} is not a count: {number!r}")
    return number


def read_status(text: str | None, known: Mapping[str, Status], what: str) -> Status:
    """One of the statuses of accruals.md."""
    status = known.get(text or "")
    if status is None:
        raise ValueError(f"{what} has the unknown status {text!r}")
    return status
