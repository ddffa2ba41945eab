"""One month of all contracts inside one transaction: load, decide, write and check, chunk by chunk."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

from sqlmodel import Session

from steps.engine.contract_month import AccrualRules, ContractFailureError, Counted, Notification, Outcome, Span
from steps.engine.decision_table import decide
from steps.engine.load import Chunk, Loader, due_chunks, load_rules, load_services
from steps.engine.post import ContractFailures, Decided, LedgerCheck, post
from steps.engine.settled import DOCUMENT, settled_cents
from steps.ledger.accrual import last_closed_month
from steps.ledger.contract import ContractStatus
from steps.ledger.money import ZERO
from steps.ledger.months import last_of_month
from steps.ledger.movements import counted_amount
from steps.progress import Progress
from steps.settings import SyncSettings


@dataclass
class MonthResult:
    """Fed with each contract's outcome or failure, in any order."""

    month: date
    """Its first day."""
    failures: list[ContractFailureError] = field(default_factory=list)
    override: dict[str, Any] | None = None
    """Reason, person and what was overridden; None: nobody asked for an override (`gate.py`)."""
    notifications: list[Notification] = field(default_factory=list)
    counted: Counter[Counted] = field(default_factory=Counter)
    became: Counter[ContractStatus] = field(default_factory=Counter)
    amount: Decimal = ZERO
    """Accrued, exact."""
    policy: dict[str, str] = field(default_factory=dict)

    @property
    def seen(self) -> int:
        """How many contracts were counted so far."""
        return self.counted.total() + len(self.failures)

    def add(self, outcome: Outcome) -> None:
        """Count a contract that was decided."""
        self.counted[outcome.counted] += 1
        self.amount += outcome.amount
        self.notifications.extend(outcome.notifications)
        if outcome.contract_status is not outcome.status_before:
            self.became[outcome.contract_status] += 1

    def fail(self, failure: ContractFailureError) -> None:
        """Count a contract that cannot be processed."""
        self.failures.append(failure)


@dataclass(frozen=True)
class MonthRun:
    """Everything that stays the same from chunk to chunk."""

    session: Session
    days: Span
    rules: AccrualRules
    closed: bool
    loader: Loader
    check: LedgerCheck
    failures: ContractFailures
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
            ContractFailures.open(session, month),
            result,
        )

    def process(self, chunk_size: int, execution_id: int | None, progress: Progress) -> None:
        """Fill the result and write the month, telling how far it is. Nothing is committed.

        Raises:
            AccrualError: the month would not add up.
        """
        settled = settled_cents(self.days, DOCUMENT[self.loader.amount.key], self.loader.services)
        for chunk in due_chunks(self.session, self.days.last, chunk_size, settled):
            self._process_chunk(chunk)
            progress.update(f"{self.days.first:%Y-%m}: {self.result.seen} contracts accrued")
        self.check.finish()
        self.failures.record(self.session, self.result.failures, execution_id)

    def _process_chunk(self, chunk: Chunk) -> None:
        self.result.counted[Counted.SKIPPED] += len(chunk.settled)
        for row in chunk.settled:
            self.failures.passed(row.id)
        decided = list(self._decide(chunk))
        post(self.session, self.days.first, decided)
        self.check.check(
            chunk,
            decided={each.outcome.contract_id for each in decided if each.outcome.state is not None},
            failed={row.id for row in chunk.rows} - {each.outcome.contract_id for each in decided},
        )

    def _decide(self, chunk: Chunk) -> Iterator[Decided]:
        """One that cannot be processed stops no other (docs/accrual-rules.md, Promise 6)."""
        for loaded in self.loader.load(chunk):
            try:
                if isinstance(loaded, ContractFailureError):
                    raise loaded
                outcome = decide(loaded.inputs, self.days.first, self.rules, closed=self.closed)
            except ContractFailureError as failure:
                self.result.fail(failure)
                continue
            self.result.add(outcome)
            self.failures.passed(outcome.contract_id)
            yield Decided(outcome, loaded.accrual_id, loaded.state)
