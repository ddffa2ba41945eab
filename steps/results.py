"""What a step answers, and what is said of it (docs/interfaces.md, Results).

A step's own result is a model in the step's file. What a row of the history holds, or a backend answered, may have any
shape: it is kept as it came, and nothing that describes it raises.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, ClassVar

from pydantic import BaseModel

from steps.catalog import Step
from steps.ledger.money import ZERO, parse_amount


class StepResult(ABC):
    """Any answer of any step."""

    @abstractmethod
    def as_json(self) -> dict[str, Any]:
        """As it is stored and sent."""

    @property
    @abstractmethod
    def changed_something(self) -> bool:
        """Whether what builds on this step should be done again."""

    @property
    def line(self) -> str:
        """One line for people: `40 invoices: 12 new, 3 changed; clients: 2 new; 1 error`; what is zero is left out."""
        return RecordedResult(self.as_json()).line


class ImportResult(BaseModel, StepResult):
    """Counts of an import step, filled while it applies its records; created and updated are rows that were written.

    Each record that the vendor sent for the step and window is one of three: processed (the ledger says what it says),
    skipped (there is nothing to do about it) or among the errors (it, or what it cannot do without, is in trouble). So
    processed + skipped + errors = received. Rows that are alike in everything are one record.
    """

    step: ClassVar[Step]
    processed: int = 0
    created: int = 0
    updated: int = 0
    skipped: int = 0
    errors: int = 0
    other_errors: int = 0
    """Integration errors of what was not received for the window: records that are gone, documents of other months."""

    def as_json(self) -> dict[str, Any]:
        """The four counts with the step's entity before them, then the step's own, then the errors."""
        counts = self.model_dump()
        entity = {f"{self.step.entity}_{name}": counts.pop(name) for name in _ENTITY_COUNTS}
        errors = {name: counts.pop(name) for name in ("errors", "other_errors")}
        return {**entity, **counts, **errors}

    @property
    def changed_something(self) -> bool:
        """Whether rows were written."""
        return bool(self.created or self.updated)


_ENTITY_COUNTS = ("processed", "created", "updated", "skipped")


@dataclass(frozen=True)
class ResultNotification:
    """What a result wants a person to look at."""

    kind: str
    contract_id: str
    """Empty if it is about none."""
    message: str


@dataclass(frozen=True)
class ResultOverride:
    """A month that was accrued although its import is broken."""

    by: str
    reason: str
    overridden: tuple[str, ...]
    """Why it was refused; empty if it was not."""


_LARGEST_COUNT = 10**15
_MOST_COUNTS = 12
_COUNT_WORDS = {"processed": "", "created": "new", "updated": "changed", "skipped": "skipped", "voided": "void"}
"""Last word of a count of an entity -> what people read."""
_LONGEST_NAME, _LONGEST_NOTE = 60, 500
_WRITTEN = ("created", "updated", "voided", "linked")


class RecordedResult(StepResult):
    """A result as a row or a backend has it: of another program, an old version, or any other shape."""

    def __init__(self, answer: Mapping[str, Any] | None) -> None:
        self._answer = dict(answer or {})

    def as_json(self) -> dict[str, Any]:
        """As it came."""
        return self._answer

    @property
    def changed_something(self) -> bool:
        """Whether any count says that something was written, or an amount was accrued."""
        if any(value for name, value in self.counts() if name.rpartition("_")[2] in _WRITTEN):
            return True
        if self.accrued is None:
            return self.summary is not None and self.summary.count("successful_accruals") > 0
        return bool(self.accrued)

    @property
    def line(self) -> str:
        """The counts that can be read, not too many; of the accruals the amount before them."""
        if self.summary is not None:
            return self._accruals_line(self.summary)
        counts = [(name[:_LONGEST_NAME], value) for name, value in self.counts() if value]
        heads: dict[str, str] = {}
        parts: dict[str, list[str]] = {}
        for name, value in counts[:_MOST_COUNTS]:
            entity, _, what = name.rpartition("_")
            if entity and what in _COUNT_WORDS:
                words = entity.replace("_", " ")
                heads.setdefault(entity, _counted(value, words) if what == "processed" else words)
                parts.setdefault(entity, []).extend([] if what == "processed" else [f"{value} {_COUNT_WORDS[what]}"])
            else:
                heads[name] = _counted(value, name.replace("_", " "))
        more = [f"{len(counts) - _MOST_COUNTS} more counts"] if len(counts) > _MOST_COUNTS else []
        groups = [f"{head}: {', '.join(parts[key])}" if parts.get(key) else head for key, head in heads.items()]
        return "; ".join([*groups, *more]) or "nothing to do"

    def _accruals_line(self, summary: "RecordedResult") -> str:
        counts = {
            "contracts processed": summary.count("total_contracts_processed"),
            "skipped": summary.count("skipped_accruals"),
            "failed": summary.count("failed_accruals"),
            "closed": self.count("contracts_closed"),
            "canceled": self.count("contracts_canceled"),
            "notifications": len(self.notifications),
        }
        shown = [_counted(value, name) for name, value in counts.items() if value or name == "contracts processed"]
        amounts = " and ".join(amounts_in_words(self.accrued or {"": ZERO}))
        return ", ".join(shown if self.accrued is None else [f"{amounts} accrued", *shown])

    @property
    def summary(self) -> "RecordedResult | None":
        """The summary of the accruals; None in a result without."""
        summary = self._answer.get("summary")
        return RecordedResult(summary) if isinstance(summary, Mapping) else None

    @property
    def accrued(self) -> dict[str, Decimal] | None:
        """What the accruals posted, by currency; without one where the result names none. None: it does not say."""
        try:
            if isinstance(amounts := self._answer.get("accrued_by_currency"), Mapping):
                return {str(currency)[:_LONGEST_NAME]: parse_amount(amount) for currency, amount in amounts.items()}
            amount = parse_amount(self._answer["amount_accrued"])
        except (KeyError, ValueError, ArithmeticError):
            return None
        return {"": amount} if amount else {}

    @property
    def notifications(self) -> list[ResultNotification]:
        """As far as they can be read."""
        found = self._answer.get("notifications")
        return [_notification(each) for each in found] if isinstance(found, list) else []

    @property
    def override(self) -> "ResultOverride | None":
        """Who overrode the gate of the accruals; None if nobody did."""
        override = self._answer.get("override")
        if not override:
            return None
        if not isinstance(override, Mapping):
            return ResultOverride("unknown", str(override)[:_LONGEST_NOTE], ())
        refusals = override.get("overridden")
        return ResultOverride(
            str(override.get("by") or "unknown")[:_LONGEST_NOTE],
            str(override.get("reason") or "no reason")[:_LONGEST_NOTE],
            tuple(map(str, refusals)) if isinstance(refusals, list) else (),
        )

    def count(self, name: str) -> int:
        """How many were, say, `processed`: the first such count, which is that of the step's own entity."""
        return next((value for key, value in self.counts() if key == name or key.endswith(f"_{name}")), 0)

    def counts(self) -> Iterator[tuple[str, int]]:
        """Whatever is a count, by its name."""
        for name, value in self._answer.items():
            if isinstance(value, int) and not isinstance(value, bool) and abs(value) < _LARGEST_COUNT:
                yield str(name), value


def _counted(value: int, things: str) -> str:
    """`3 clients not found`, `1 client not found`."""
    first, blank, rest = things.partition(" ")
    return f"{value} {first.removesuffix('s') if value == 1 else first}{blank}{rest}"


def amounts_in_words(amounts: Mapping[str, Decimal], thousands: str = "") -> list[str]:
    """`1234.50 EUR`, each of its currency; with a mark between thousands if one is given."""
    return [f"{amount:{thousands}.2f} {currency}".strip() for currency, amount in amounts.items()]


def _notification(note: Any) -> ResultNotification:
    if not isinstance(note, Mapping):
        return ResultNotification("", "", str(note)[:_LONGEST_NOTE])
    message = note.get("message")
    text = message if isinstance(message, str) and message else json.dumps(note, ensure_ascii=False, default=str)
    contract = note.get("contract_id")
    about = str(contract)[:_LONGEST_NAME] if isinstance(contract, int | str) else ""
    return ResultNotification(str(note.get("type") or "")[:_LONGEST_NAME], about, text[:_LONGEST_NOTE])
