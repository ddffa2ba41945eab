"""What one call of a step did: its counts, the records it could not apply, and the transaction that writes both."""

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, TypeVar

from sqlmodel import Session

from steps.catalog import Step
from steps.errors import STAND_IN, ErrorBudgetError, RecordRejectedError
from steps.ledger.money import parse_amount
from steps.settings import ErrorBudget, SyncSettings
from steps.vendors.parsing import Listing
from tracking.database import write_session
from tracking.integration_errors import FoundError, RecordKey, known_records, record_errors
from tracking.recorder import record_result, require_window

Record = TypeVar("Record")


@dataclass(frozen=True)
class Scope:
    """All records, or those of these keys. The vendor's lists are read to their end in either case."""

    keys: frozenset[RecordKey] | None = None

    @property
    def is_everything(self) -> bool:
        """Whether it is a whole window, as in any ordinary run."""
        return self.keys is None

    def ids(self, entity_type: str) -> frozenset[str]:
        """The ids that are asked for by name; none if everything is."""
        return frozenset(external_id for kind, external_id in self.keys or () if kind == entity_type)

    def concerns(self, entity_type: str, external_id: str | None) -> bool:
        """Whether a record is meant."""
        return self.keys is None or (entity_type, external_id) in self.keys

    def rejected(self, errors: Iterable[RecordRejectedError]) -> list[RecordRejectedError]:
        """Those of the errors that are about a record that is meant."""
        return [error for error in errors if self.concerns(*error.key)]

    def narrow(self, listing: Listing[Record], concerns: Callable[[Record], bool]) -> Listing[Record]:
        """The part of a list that is meant."""
        if self.is_everything:
            return listing
        return Listing([each for each in listing.records if concerns(each)], self.rejected(listing.rejected))

    def ease(self, settings: SyncSettings) -> SyncSettings:
        """Without the guard against lists that lost most of what they had: of a few records many may be gone."""
        return settings if self.is_everything else settings.model_copy(update={"accept_loss": True})


EVERYTHING = Scope()


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
        """The step's answer (docs/interfaces.md, Results)."""
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


@dataclass(frozen=True)
class ResultNotification:
    """What a result wants a person to look at."""

    kind: str
    contract_id: str
    """Empty if it is about none."""
    message: str


_LARGEST_COUNT = 10**15
_MOST_COUNTS = 12
"""Of a result whose shape is not ours."""
_LONGEST_NAME, _LONGEST_NOTE = 60, 500
_WRITTEN = ("created", "updated", "voided", "linked")


def describe_result(result: Mapping[str, Any]) -> str:
    """A result's counts as a sentence: `invoices processed 40, invoices created 12`; what is zero is left out.

    The result may be another program's, or an old one: whatever it holds, there is a sentence.
    """
    if isinstance(result.get("summary"), Mapping):
        return _describe_accruals(result)
    counts = [f"{name[:_LONGEST_NAME].replace('_', ' ')} {value}" for name, value in _counts(result) if value]
    more = [f"and {len(counts) - _MOST_COUNTS} more counts"] if len(counts) > _MOST_COUNTS else []
    return ", ".join([*counts[:_MOST_COUNTS], *more]) or "nothing to do"


def count_of(result: Mapping[str, Any], name: str) -> int:
    """How many were, say, `processed`: the first such count of a result, which is that of the step's own entity."""
    return next((value for key, value in _counts(result) if key == name or key.endswith(f"_{name}")), 0)


def amount_accrued_of(result: Mapping[str, Any]) -> Decimal | None:
    """What a result of the accruals says was accrued; None if it does not say."""
    try:
        return parse_amount(result["amount_accrued"])
    except (KeyError, ValueError, ArithmeticError):
        return None


def changed_something(result: Mapping[str, Any]) -> bool:
    """Whether what builds on this step should be done again."""
    if any(value for name, value in _counts(result) if name.rpartition("_")[2] in _WRITTEN):
        return True
    accrued = amount_accrued_of(result)
    if accrued is None:
        return count_of(summary_of(result), "successful_accruals") > 0
    return accrued != 0


def summary_of(result: Mapping[str, Any]) -> Mapping[str, Any]:
    """The summary of a result of the accruals; an empty one if it has none."""
    summary = result.get("summary")
    return summary if isinstance(summary, Mapping) else {}


def notifications_of(result: Mapping[str, Any]) -> list[ResultNotification]:
    """A result's notifications; those of another program as far as they can be read."""
    found = result.get("notifications")
    return [_notification(each) for each in found] if isinstance(found, list) else []


def _notification(note: Any) -> ResultNotification:
    if not isinstance(note, Mapping):
        return ResultNotification("", "", str(note)[:_LONGEST_NOTE])
    message = note.get("message")
    text = message if isinstance(message, str) and message else json.dumps(note, ensure_ascii=False, default=str)
    contract = note.get("contract_id")
    about = str(contract)[:_LONGEST_NAME] if isinstance(contract, int | str) else ""
    return ResultNotification(str(note.get("type") or "")[:_LONGEST_NAME], about, text[:_LONGEST_NOTE])


def _counts(result: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    for name, value in result.items():
        if isinstance(value, int) and not isinstance(value, bool) and abs(value) < _LARGEST_COUNT:
            yield str(name), value


def _describe_accruals(result: Mapping[str, Any]) -> str:
    summary = summary_of(result)
    counts = {
        "contracts processed": count_of(summary, "total_contracts_processed"),
        "skipped": count_of(summary, "skipped_accruals"),
        "failed": count_of(summary, "failed_accruals"),
        "closed": count_of(result, "contracts_closed"),
        "canceled": count_of(result, "contracts_canceled"),
        "notifications": len(notifications_of(result)),
    }
    accrued = amount_accrued_of(result)
    told = [f"{value} {name}" for name, value in counts.items() if value or name == "contracts processed"]
    return ", ".join(told if accrued is None else [f"{accrued} accrued", *told])


@contextmanager
def applying(report: StepReport, settings: SyncSettings, execution_id: int | None) -> Iterator[Session]:
    """A ledger transaction in which a step applies its records; what the report holds at its end is written with them.

    When too many records are in trouble nothing of the window is applied, but the errors are written down, in a
    transaction of their own, so that people see which and why.

    Raises:
        ErrorBudgetError: more records are in trouble than `SYNC_ERROR_BUDGET` allows.
    """
    try:
        with write_session() as session:
            yield session
            report.record(session, execution_id)
            report.refuse_if_over(settings.budget)
    except ErrorBudgetError:
        with write_session() as session:
            require_window(session, execution_id)
            report.record_found(session, execution_id)
        raise
