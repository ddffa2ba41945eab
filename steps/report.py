"""What one call of a step did: the counts of its result, and the records it could not apply."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from sqlmodel import Session

from steps.catalog import Step
from steps.errors import RecordRejectedError
from tracking.error_book import FoundError, RecordKey, record_errors
from tracking.recorder import record_result


@dataclass
class StepReport:
    """Filled while a step applies its records; `created` and `updated` are rows that were written."""

    step: Step
    processed: int = 0
    created: int = 0
    updated: int = 0
    skipped: int = 0
    extra: dict[str, int] = field(default_factory=dict)
    """Counts that only this step has, such as `clients_created`."""
    _errors: dict[RecordKey, FoundError] = field(default_factory=dict, init=False)
    _checked: set[RecordKey] = field(default_factory=set, init=False)

    def reject(self, errors: Iterable[RecordRejectedError]) -> None:
        """Note records that could not be applied. Two troubles of one record are one error with both messages."""
        for error in errors:
            key = error.entity_type, error.external_id or _stand_in(error)
            known = self._errors.get(key)
            message = str(error) if known is None else f"{known.message}; {error}"
            self._errors[key] = FoundError(*key, message, _details(error) if known is None else known.details)

    def checked(self, entity_type: str, external_ids: Iterable[str]) -> None:
        """Note records that were looked at: whoever is in no trouble now has a pending error of before resolved."""
        self._checked.update((entity_type, external_id) for external_id in external_ids)

    def record_errors(self, session: Session, execution_id: int | None) -> None:
        """Write errors and result down, in the transaction of the records they belong to."""
        record_errors(
            session,
            integration=self.step.integration,
            operation=self.step.id,
            execution_id=execution_id,
            found=list(self._errors.values()),
            passed=self._checked,
        )
        record_result(session, execution_id, self.as_result())

    def as_result(self) -> dict[str, Any]:
        """The step's answer (interfaces.md, last lines)."""
        entity = self.step.entity
        return {
            f"{entity}_processed": self.processed,
            f"{entity}_created": self.created,
            f"{entity}_updated": self.updated,
            f"{entity}_skipped": self.skipped,
            **self.extra,
            "errors": len(self._errors),
        }


def _details(error: RecordRejectedError) -> dict[str, Any]:
    record = error.record
    return record if isinstance(record, dict) else {} if record is None else {"record": record}


def _stand_in(error: RecordRejectedError) -> str:
    """A name for a record without an id, the same each time it is met."""
    return f"without-id-{sha256(json.dumps(error.record, sort_keys=True, default=str).encode()).hexdigest()[:16]}"


def describe_result(result: Mapping[str, Any]) -> str:
    """A step's counts as a sentence: `invoices processed 40, invoices created 12`; what is zero is left out."""
    if "summary" in result:
        return _describe_accruals(result)
    counts = [f"{name.replace('_', ' ')} {value}" for name, value in result.items() if value and isinstance(value, int)]
    return ", ".join(counts) or "nothing to do"


def _describe_accruals(result: Mapping[str, Any]) -> str:
    summary = result["summary"]
    counts = {
        "skipped": summary["skipped_accruals"],
        "failed": summary["failed_accruals"],
        "closed": result["contracts_closed"],
        "canceled": result["contracts_canceled"],
        "notifications": len(result["notifications"]),
    }
    told = "".join(f", {value} {name}" for name, value in counts.items() if value)
    return f"{result['amount_accrued']} accrued, {summary['total_contracts_processed']} contracts processed{told}"
