"""What one call of a step did: the counts of its result, and the records it could not apply."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlmodel import Session

from steps.catalog import Step
from steps.connectors.listing import Listing
from steps.error_budget import ErrorBudget
from steps.errors import STAND_IN, RecordRejectedError
from steps.scope import EVERYTHING, Scope
from tracking.error_book import FoundError, RecordKey, known_records, record_errors
from tracking.recorder import record_result


@dataclass
class StepReport:
    """Filled while a step applies its records; `created` and `updated` are rows that were written."""

    step: Step
    scope: Scope = EVERYTHING
    processed: int = 0
    created: int = 0
    updated: int = 0
    skipped: int = 0
    extra: dict[str, int] = field(default_factory=dict)
    """Counts that only this step has, such as `clients_created`."""
    _errors: dict[RecordKey, FoundError] = field(default_factory=dict, init=False)
    _checked: set[RecordKey] = field(default_factory=set, init=False)
    _refused: set[RecordKey] = field(default_factory=set, init=False)
    _unreadable: set[RecordKey] = field(default_factory=set, init=False)
    _listed: int = field(default=0, init=False)
    _whole: dict[str, frozenset[str]] = field(default_factory=dict, init=False)

    def reject(self, errors: Iterable[RecordRejectedError]) -> None:
        """Note records at hand that could not be applied. Two troubles of one are one error with both messages."""
        self._refused |= self._note(errors)

    def reject_unreadable(self, listing: Listing[Any]) -> None:
        """Note the unreadable records of a list that holds far more than what is processed, as those of the CRM do."""
        self._unreadable |= self._note(listing.rejected)
        self._listed += listing.count

    def report_gone(self, errors: Iterable[RecordRejectedError]) -> None:
        """Note records that the vendor has no longer: people should know, but no record at hand is in trouble."""
        self._note(errors)

    def _note(self, errors: Iterable[RecordRejectedError]) -> set[RecordKey]:
        noted: set[RecordKey] = set()
        for error in errors:
            known = self._errors.get(error.key)
            message = str(error) if known is None else f"{known.message}; {error}"
            details = _details(error) if known is None else known.details
            self._errors[error.key] = FoundError(*error.key, message, details)
            noted.add(error.key)
        return noted

    def checked(self, entity_type: str, external_ids: Iterable[str]) -> None:
        """Note records that were looked at: whoever is in no trouble now has a pending error of before resolved."""
        self._checked.update((entity_type, external_id) for external_id in external_ids)

    def read_whole(self, entity_type: str, undecided: Collection[str] = ()) -> None:
        """Note that a list was read to its end: what was in trouble before and is not now has passed, listed or not.

        Of some records that are tried again, one without an id is left out: once mended, it cannot be found again.

        Args:
            entity_type: Of the list.
            undecided: Ids on the list that other windows have to say about.
        """
        self._whole[entity_type] = frozenset(undecided)
        self._checked |= {key for key in self.scope.keys or () if not key[1].startswith(STAND_IN)}

    def record(self, session: Session, execution_id: int | None) -> None:
        """Write errors and result down, in the transaction of the records they belong to."""
        self._record(session, execution_id, (self._checked | self._of_whole_lists(session)) - self._errors.keys())
        record_result(session, execution_id, self.as_result())

    def record_found(self, session: Session, execution_id: int | None) -> None:
        """Write down just the errors of a window that was not applied: nothing of it has passed."""
        self._record(session, execution_id, set())

    def refuse_if_over(self, budget: ErrorBudget) -> None:
        """Let the budget decide; what people ask to be tried again is no matter for it.

        Raises:
            ErrorBudgetError: it is exceeded.
        """
        if not self.scope.is_everything:
            return
        for errors, of in ((self._refused, self.processed), (self._unreadable, self._listed)):
            budget.require(len(errors), of)

    def _record(self, session: Session, execution_id: int | None, passed: set[RecordKey]) -> None:
        record_errors(
            session,
            integration=self.step.integration,
            operation=self.step.id,
            execution_id=execution_id,
            found=self._errors_to_record(session),
            passed=passed,
        )

    def _of_whole_lists(self, session: Session) -> set[RecordKey]:
        if not self._whole or not self.scope.is_everything:
            return set()
        known = known_records(session, self.step.id)
        return {key for key in known if key[0] in self._whole and key[1] not in self._whole[key[0]]}

    def _errors_to_record(self, session: Session) -> list[FoundError]:
        """All; when just some records are tried again, theirs and new ones: the others' rows stay as they are."""
        if self.scope.is_everything:
            return list(self._errors.values())
        known = known_records(session, self.step.id)
        return [each for key, each in self._errors.items() if self.scope.concerns(*key) or key not in known]

    def as_result(self) -> dict[str, Any]:
        """The step's answer (interfaces.md, last lines)."""
        entity = self.step.entity
        return {
            f"{entity}_processed": self.processed,
            f"{entity}_created": self.created,
            f"{entity}_updated": self.updated,
            f"{entity}_skipped": self.skipped,
            **self.extra,
            "errors": sum(self.scope.concerns(*key) for key in self._errors),
        }


def _details(error: RecordRejectedError) -> dict[str, Any]:
    record = error.record
    return record if isinstance(record, dict) else {} if record is None else {"record": record}


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
