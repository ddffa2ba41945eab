"""What a step is given besides its window, and the transaction in which it hands back what it did."""

import gc
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, field
from typing import Any, Generic, Self, TypeVar

from sqlmodel import Session

from steps.engine.gate import Override
from steps.errors import STAND_IN, ErrorBudgetError, RecordRejectedError
from steps.ledger.client import Erased, read_erased
from steps.ledger.months import MonthWindow
from steps.progress import LOGGED, Progress
from steps.results import ImportResult
from steps.settings import SyncSettings
from steps.sources import VendorReads
from steps.vendors.http import HttpRules, Throttle, unthrottled
from steps.vendors.parsing import Listing
from tracking.database import read_session, write_session
from tracking.integration_errors import FoundError, RecordKey, known_records, record_errors
from tracking.recorder import Overlap, record_result, require_window

Record = TypeVar("Record")
Result = TypeVar("Result", bound=ImportResult)


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


EVERYTHING = Scope()
_OBJECTS_BETWEEN_COLLECTIONS = 100_000


class StepContext:
    """Everything a step uses besides its window. Made once a run, and closed with it.

    A plain class, handed to tasks in `quote`: Prefect searches other arguments for futures, however large they are.
    """

    execution_id: int | None = None
    """The row of the history that the step writes its result to; None: a lone call, which has none yet."""
    overlap: Overlap = Overlap.wait
    """What to do about a window that another run is working on."""
    scope: Scope = EVERYTHING
    """The records it is about."""
    override: Override | None = None
    """Of accruals alone: accrue although the import of a month is broken."""

    def __init__(
        self,
        span: MonthWindow | None = None,
        *,
        settings: SyncSettings | None = None,
        progress: Progress = LOGGED,
        throttle: Throttle = unthrottled,
    ) -> None:
        """What all steps of a run share.

        Args:
            span: The range of the run: its documents are read at once; None: each window by itself.
            settings: Those of the environment by default.
            progress: Is told what is done.
            throttle: Delays each request to a vendor.

        Raises:
            ConfigError: a setting is wrong.
        """
        self.settings: SyncSettings = settings or SyncSettings.load()
        self.progress = progress
        self.rules = HttpRules(throttle=throttle, progress=self.progress)
        self.reads = VendorReads(span, rules=self.rules, erased=_read_erased)

    def of_execution(
        self,
        execution_id: int | None,
        *,
        overlap: Overlap = Overlap.wait,
        records: Iterable[RecordKey] | None = None,
        override: Override | None = None,
    ) -> "StepContext":
        """The same context for one step and window.

        Args:
            execution_id: Its row of the history.
            overlap: What to do about a window that another run is working on.
            records: What it is limited to, when it tries just some records again. Of a few many may be gone, so that
                the guard against lists that lost most of what they had is off.
            override: Of accruals alone.
        """
        one = copy(self)
        one.execution_id, one.overlap, one.override = execution_id, overlap, override
        if records is not None:
            one.scope = Scope(frozenset(records))
            one.settings = self.settings.model_copy(update={"accept_loss": True})
        return one

    def __enter__(self) -> Self:
        """Let Python search for cycles rarely: records have none, and the search takes a quarter of the time."""
        self._collections = gc.get_threshold()
        gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS, *self._collections[1:])
        return self

    def __exit__(self, *_: object) -> None:
        self.reads.close()
        gc.set_threshold(*self._collections)


@dataclass
class StepReport(Generic[Result]):
    """Filled while a step applies its records: its result, and the records that are in trouble or no longer."""

    result: Result
    context: StepContext
    _errors: dict[RecordKey, FoundError] = field(default_factory=dict, init=False)
    _checked: set[RecordKey] = field(default_factory=set, init=False)
    _refused: set[RecordKey] = field(default_factory=set, init=False)
    _unreadable: set[RecordKey] = field(default_factory=set, init=False)
    _listed: int = field(default=0, init=False)
    _at_hand: int = field(default=0, init=False)
    _received: set[RecordKey] = field(default_factory=set, init=False)
    _whole: dict[str, frozenset[str]] = field(default_factory=dict, init=False)

    def count(
        self,
        listing: Listing[Record],
        keys: Callable[[Record], Collection[RecordKey]],
        is_skipped: Callable[[Record], bool],
        at_hand: int | None = None,
    ) -> None:
        """Count each record received once: in trouble, else skipped, else processed. To be called when all is noted.

        Args:
            listing: What was received.
            keys: The record's own, and those of what it cannot do without, such as a document's contact.
            is_skipped: Whether there is nothing to do about it.
            at_hand: How many of them the window is about; all, if not said.
        """
        self._at_hand = listing.count if at_hand is None else at_hand
        self._received.update(error.key for error in listing.rejected)
        processed = skipped = 0
        for record in listing.records:
            own = keys(record)
            if not self._errors.keys().isdisjoint(own):
                self._received.update(own)
            elif is_skipped(record):
                skipped += 1
            else:
                processed += 1
        self.result.processed, self.result.skipped = processed, skipped
        self.result.errors = listing.count - processed - skipped

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
            details = error.details if known is None else known.details or error.details
            self._errors[error.key] = FoundError(*error.key, message, details)
            noted.add(error.key)
        return noted

    def checked(self, entity_type: str, external_ids: Iterable[str]) -> None:
        """Note records that were looked at: one that is in no trouble now has a pending error of before resolved."""
        self._checked.update((entity_type, external_id) for external_id in external_ids)

    def read_whole(self, entity_type: str, undecided: Collection[str] = ()) -> None:
        """Note that a list was read to its end: what was in trouble before and is not now has passed, listed or not.

        Of some records that are tried again, one without an id is left out: once repaired, it cannot be found again.

        Args:
            entity_type: Of the list.
            undecided: Ids on the list that other windows have to say about.
        """
        self._whole[entity_type] = frozenset(undecided)
        self._checked |= {key for key in self.context.scope.keys or () if not key[1].startswith(STAND_IN)}

    def record(self, session: Session) -> None:
        """Write errors and result down, in the transaction of the records they belong to."""
        passed = set(self._checked)
        if self._whole and self.context.scope.is_everything:
            known = known_records(session, self.result.step.id)
            passed |= {key for key in known if key[0] in self._whole and key[1] not in self._whole[key[0]]}
        self.record_errors(session, passed - self._errors.keys())
        others = self._errors.keys() - self._received
        self.result.other_errors = sum(self.context.scope.concerns(*key) for key in others)
        record_result(session, self.context.execution_id, self.result.as_json())

    def refuse_if_over_budget(self) -> None:
        """Let the budget decide; what people ask to be tried again is no matter for it.

        Raises:
            ErrorBudgetError: it is exceeded.
        """
        if not self.context.scope.is_everything:
            return
        for errors, of in ((self._refused, self._at_hand), (self._unreadable, self._listed)):
            self.context.settings.error_budget.require(len(errors), of)

    def record_errors(self, session: Session, passed: Collection[RecordKey] = ()) -> None:
        """Write just the errors down; nothing of a window that was not applied has passed.

        When just some records are tried again, theirs and new ones: the others' rows stay as they are.
        """
        found, scope = list(self._errors.values()), self.context.scope
        if not scope.is_everything:
            known = known_records(session, self.result.step.id)
            found = [each for each in found if scope.concerns(*each.key) or each.key not in known]
        record_errors(
            session,
            integration=self.result.step.integration,
            operation=self.result.step.id,
            execution_id=self.context.execution_id,
            found=found,
            passed=passed,
        )


@contextmanager
def applying(report: StepReport[Any]) -> Iterator[Session]:
    """A ledger transaction in which a step applies its records; what the report holds at its end is written with them.

    When too many records are in trouble nothing of the window is applied, but the errors are written down, in a
    transaction of their own, so that people see which and why.

    Raises:
        ErrorBudgetError: more records are in trouble than `SYNC_ERROR_BUDGET` allows.
    """
    try:
        with write_session() as session:
            yield session
            report.record(session)
            report.refuse_if_over_budget()
    except ErrorBudgetError:
        with write_session() as session:
            require_window(session, report.context.execution_id)
            report.record_errors(session)
        raise


def _read_erased() -> Erased:
    with read_session() as session:
        return read_erased(session)
