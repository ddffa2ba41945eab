"""Step `accruals`: process contract accruals for one month, in one transaction (docs/accrual-rules.md).

No vendor is asked. The month's import is looked at first (`engine/gate.py`); then its contracts are loaded, decided,
written and checked, chunk by chunk. What happens to each of them is in `engine/`.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from pydantic import BaseModel
from sqlmodel import Session

from steps.catalog import ACCRUALS
from steps.context import StepContext
from steps.engine.contract_month import AccrualRules, ContractFailureError, Counted, Notification, Outcome
from steps.engine.decision_table import decide
from steps.engine.gate import ImportRunningError, look_at_import, require_none_running, wait_for_import
from steps.engine.load import CHUNK, Chunk, Loader, due_chunks, load_rules, load_services
from steps.engine.post import ContractFailures, Decided, LedgerCheck, compact, post, worked_out_from
from steps.engine.sessions import Span
from steps.engine.settled import DOCUMENT, settled_cents
from steps.errors import ErrorBudgetError, UsageError
from steps.ledger.accrual import last_closed_month
from steps.ledger.contract import ContractStatus
from steps.ledger.money import ZERO, to_cents
from steps.ledger.months import MonthWindow, last_of_month, next_month
from steps.ledger.movements import counted_amount
from steps.progress import Progress
from steps.results import StepResult
from steps.settings import SyncSettings
from steps.task import step_task
from tracking.database import write_session
from tracking.recorder import record_result, require_window


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
    amounts: dict[str, Decimal] = field(default_factory=dict)
    """Accrued, exact, of each currency in which anything was posted."""
    policy: dict[str, str] = field(default_factory=dict)

    @property
    def seen(self) -> int:
        """How many contracts were counted so far."""
        return self.counted.total() + len(self.failures)

    def add(self, outcome: Outcome, currency: str) -> None:
        """Count a contract that was decided."""
        self.counted[outcome.counted] += 1
        if any(posting.amount for posting in outcome.postings):
            self.amounts[currency] = self.amounts.get(currency, ZERO) + outcome.amount
        self.notifications.extend(outcome.notifications)
        if outcome.contract_status is not outcome.status_before:
            self.became[outcome.contract_status] += 1


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
    policy: str
    """What is set of it, as postings keep it."""

    @classmethod
    def open(cls, session: Session, result: MonthResult, settings: SyncSettings) -> "MonthRun":
        """Read what all contracts share; the month is that of `result`, which is filled by and by."""
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
            compact(settings.policy),
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
                self.result.failures.append(failure)
                continue
            self.result.add(outcome, loaded.inputs.currency)
            self.failures.passed(outcome.contract_id)
            sessions = outcome.sessions
            kept = worked_out_from(loaded.inputs, sessions, self.rules, self.policy) if sessions else None
            yield Decided(outcome, loaded.accrual_id, loaded.state, kept)


class AccrualsSummary(BaseModel):
    """How many contracts were decided how."""

    total_contracts_processed: int
    successful_accruals: int
    failed_accruals: int
    skipped_accruals: int


class AccrualsFailure(BaseModel):
    """A contract that was left as it is, and why."""

    contract_id: int
    reason: str


class AccrualsResult(BaseModel, StepResult):
    """What came of one month (docs/accrual-rules.md, Result). Lists are by contract id."""

    period_start_date: date
    summary: AccrualsSummary
    amount_accrued: Decimal
    """In cents, over all currencies: only whether it is zero says something where there are several."""
    accrued_by_currency: dict[str, Decimal]
    """In cents, of each currency in which anything was posted."""
    contracts_closed: int
    contracts_canceled: int
    notifications: list[Notification]
    """Those of the month itself first."""
    failures: list[AccrualsFailure]
    override: dict[str, Any] | None
    """Reason, person and what was overridden; None: nobody asked for an override (`gate.py`)."""
    policy: dict[str, str]
    """`SyncSettings.policy`."""

    @classmethod
    def of(cls, month: MonthResult) -> "AccrualsResult":
        """The result of a month whose contracts are all counted."""
        successful, skipped = month.counted[Counted.SUCCESSFUL], month.counted[Counted.SKIPPED]
        failures = sorted(month.failures, key=lambda failure: failure.contract_id)
        return cls(
            period_start_date=month.month,
            summary=AccrualsSummary(
                total_contracts_processed=successful + skipped + len(failures),
                successful_accruals=successful,
                failed_accruals=len(failures),
                skipped_accruals=skipped,
            ),
            amount_accrued=to_cents(sum(month.amounts.values(), ZERO)),
            accrued_by_currency={currency: to_cents(month.amounts[currency]) for currency in sorted(month.amounts)},
            contracts_closed=month.became[ContractStatus.CLOSED],
            contracts_canceled=month.became[ContractStatus.CANCELED],
            notifications=sorted(month.notifications, key=lambda note: note.contract_id or 0),
            failures=[AccrualsFailure(contract_id=each.contract_id, reason=each.reason) for each in failures],
            override=month.override,
            policy=month.policy,
        )

    def as_json(self) -> dict[str, Any]:
        """As it is stored and sent; amounts are text."""
        return self.model_dump(mode="json")

    @property
    def changed_something(self) -> bool:
        """Whether later months should be accrued again: also if what was posted adds up to nothing."""
        return bool(self.accrued_by_currency)


@step_task(ACCRUALS)
def process_accruals(context: StepContext, window: MonthWindow) -> AccrualsResult:
    """Accrue one month, which must be over, and whose import must be sound unless somebody overrides that."""
    return accrue_month(context, window, datetime.now(context.settings.zone).date())


def accrue_month(context: StepContext, window: MonthWindow, today: date, chunk_size: int = CHUNK) -> AccrualsResult:
    """Accrue one month as seen from `today`; ledger writers take turns, so that two runs at once post once.

    While an import step of the month is open, it waits (`engine/gate.py`).

    Raises:
        UsageError: several months at once, or one that is not over; nothing was written.
        BrokenImportError: an import step of the month failed or began too early, and there is no override.
        PolicyChangedError: the policy is not that of the month closed before it, and there is no override.
        AccrualError: the month would not add up; nothing was written.
        ErrorBudgetError: more contracts failed than `SYNC_ERROR_BUDGET` allows; just their failures were written.
        ConfigError: a setting is wrong.
    """
    if window.end != next_month(window.start):
        raise UsageError(f"accruals are processed a month at a time, {window} is more")
    if today < window.end:
        raise UsageError(f"{window} is not over in {context.settings.timezone}: it can be accrued from {window.end} on")
    while True:
        try:
            return _post_month(context, window, chunk_size)
        except ImportRunningError:  # nothing was written
            wait_for_import(window, context.execution_id, context.progress)


def _post_month(context: StepContext, window: MonthWindow, chunk_size: int) -> AccrualsResult:
    settings, execution_id = context.settings, context.execution_id
    month = MonthResult(window.start, policy=settings.policy)
    try:
        with write_session() as session:
            result = post_month(session, context, month, chunk_size)
            record_result(session, execution_id, result.as_json())
            require_none_running(session, window)
    except ErrorBudgetError:
        with write_session() as session:
            require_window(session, execution_id)
            ContractFailures.open(session, window.start).record(session, month.failures, execution_id)
        raise
    return result


def post_month(session: Session, context: StepContext, month: MonthResult, chunk_size: int = CHUNK) -> AccrualsResult:
    """Fill the result of a month and write what it posts, in the caller's transaction.

    Raises:
        ImportRunningError: an import step of the month has not ended.
    """
    settings = context.settings
    findings = look_at_import(session, MonthWindow.of(month.month), settings)
    month.override = findings.require(context.override)
    month.notifications.extend(findings.notifications())
    MonthRun.open(session, month, settings).process(chunk_size, context.execution_id, context.progress)
    settings.error_budget.require(len(month.failures), month.seen)
    return AccrualsResult.of(month)
