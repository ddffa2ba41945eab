"""Step `accruals`: process contract accruals for one month, in one transaction (docs/accrual-rules.md).

No vendor is asked. The month's import is looked at first (`engine/gate.py`); what happens to each contract is in
`engine/`, from `engine/process.py` on.
"""

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from pydantic import BaseModel

from steps.catalog import ACCRUALS
from steps.context import StepContext
from steps.engine.contract_month import Counted, Notification
from steps.engine.gate import ImportRunningError, look_at_import, require_none_running, wait_for_import
from steps.engine.load import CHUNK
from steps.engine.post import ContractFailures
from steps.engine.process import MonthResult, MonthRun
from steps.errors import ErrorBudgetError, UsageError
from steps.ledger.contract import ContractStatus
from steps.ledger.money import to_cents
from steps.ledger.months import MonthWindow, next_month
from steps.results import StepResult
from steps.task import step_task
from tracking.database import write_session
from tracking.recorder import record_result, require_window


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
    """In cents."""
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
            amount_accrued=to_cents(month.amount),
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
        """Whether later months should be accrued again."""
        return self.amount_accrued != 0


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
            findings = look_at_import(session, window, settings)
            month.override = findings.require(context.override)
            month.notifications.extend(findings.notifications())
            MonthRun.open(session, month, settings).process(chunk_size, execution_id, context.progress)
            result = AccrualsResult.of(month)
            record_result(session, execution_id, result.as_json())
            settings.budget.require(len(month.failures), month.seen)
            require_none_running(session, window)
    except ErrorBudgetError:
        with write_session() as session:
            require_window(session, execution_id)
            ContractFailures.open(session, window.start).record(session, month.failures, execution_id)
        raise
    return result
