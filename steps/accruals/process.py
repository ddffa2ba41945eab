"""One month of all contracts inside one transaction: load, decide, write and check, chunk by chunk."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlmodel import Session

from steps.accruals.decide import decide
from steps.accruals.due import Chunk, due_chunks
from steps.accruals.facts import AccrualRules
from steps.accruals.failures import FailureBook
from steps.accruals.ledger_check import LedgerCheck
from steps.accruals.load import Loader
from steps.accruals.month import MonthResult
from steps.accruals.outcome import ContractFailureError
from steps.accruals.periods import Span
from steps.accruals.post import Decided, post
from steps.accruals.reports.movements import counted_amount
from steps.accruals.reports.roll_forward import last_closed_month
from steps.accruals.rules import load_rules
from steps.accruals.service_facts import load_services
from steps.domain.months import last_of_month
from steps.progress import say
from steps.settings import SyncSettings

_OBJECTS_BETWEEN_COLLECTIONS = 100_000


@contextmanager
def _few_collections() -> Iterator[None]:
    """Let Python search for cycles about once a chunk: facts have none, and the search takes a quarter of the time."""
    before = gc.get_threshold()
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


@dataclass(frozen=True)
class MonthRun:
    """Everything that stays the same from chunk to chunk."""

    session: Session
    days: Span
    rules: AccrualRules
    closed: bool
    loader: Loader
    check: LedgerCheck
    failures: FailureBook
    result: MonthResult

    @classmethod
    def open(cls, session: Session, result: MonthResult, settings: SyncSettings) -> "MonthRun":
        """Read what all contracts share; the month is that of `result`, which is filled by and by.

        Raises:
            ConfigError: the country of the holidays is not known.
        """
        month, amount = result.month, counted_amount(settings)
        days = Span(month, last_of_month(month))
        closed = last_closed_month(session)
        return cls(
            session,
            days,
            load_rules(session, settings),
            closed is not None and closed >= month,
            Loader(session, days, amount, load_services(session)),
            LedgerCheck(session, days.last, amount),
            FailureBook.open(session, month),
            result,
        )

    def process(self, chunk_size: int, execution_id: int | None) -> None:
        """Fill the result and write the month. Nothing is committed.

        Raises:
            AccrualError: the month would not add up.
        """
        with _few_collections():
            for chunk in due_chunks(self.session, self.days.last, chunk_size):
                self._process_chunk(chunk)
                say(f"{self.days.first:%Y-%m}: {self.result.seen} contracts accrued")
        self.check.finish()
        self.failures.record(self.session, self.result.failures, execution_id)

    def _process_chunk(self, chunk: Chunk) -> None:
        decided = list(self._decide(chunk))
        post(self.session, self.days.first, decided)
        self.check.check(
            chunk,
            decided={each.outcome.contract_id for each in decided if each.outcome.state is not None},
            failed={row.id for row in chunk.rows} - {each.outcome.contract_id for each in decided},
        )

    def _decide(self, chunk: Chunk) -> Iterator[Decided]:
        """One that cannot be processed stops no other (accruals.md, promise 6)."""
        for loaded in self.loader.load(chunk):
            try:
                if isinstance(loaded, ContractFailureError):
                    raise loaded
                outcome = decide(loaded.facts, self.days.first, self.rules, closed=self.closed)
            except ContractFailureError as failure:
                self.result.fail(failure)
                continue
            self.result.add(outcome)
            self.failures.passed(outcome.contract_id)
            yield Decided(outcome, loaded.accrual_id, loaded.state)
