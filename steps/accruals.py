"""Step `accruals`: process contract accruals for one month, in one transaction (docs/accrual-rules.md).

No vendor is asked. The month's import is looked at first (`engine/gate.py`); what happens to each contract is in
`engine/`, from `engine/process.py` on.
"""

from datetime import date, datetime
from typing import Any

from steps.engine.gate import ImportRunningError, Override, look_at_import, require_none_running, wait_for_import
from steps.engine.load import CHUNK
from steps.engine.post import ContractFailures
from steps.engine.process import MonthResult, MonthRun
from steps.errors import ErrorBudgetError, UsageError
from steps.ledger.months import MonthWindow, next_month
from steps.settings import SyncSettings
from tracking.database import write_session
from tracking.recorder import record_result, require_window


def process_accruals(
    window: MonthWindow, execution_id: int | None = None, override: Override | None = None
) -> dict[str, Any]:
    """Accrue one month, which must be over, and whose import must be sound unless somebody overrides that."""
    settings: SyncSettings = SyncSettings.load()
    today = datetime.now(settings.zone).date()
    return accrue_month(window, today, settings, execution_id, override=override)


def accrue_month(
    window: MonthWindow,
    today: date,
    settings: SyncSettings,
    execution_id: int | None = None,
    *,
    override: Override | None = None,
    chunk_size: int = CHUNK,
) -> dict[str, Any]:
    """Accrue one month as seen from `today`; ledger writers take turns, so that two runs at once post once.

    While an import step of the month is open, it waits (`engine/gate.py`).

    Raises:
        UsageError: several months at once, or one that is not over; nothing was written.
        BrokenImportError: an import step of the month failed or began too early, and there is no override.
        AccrualError: the month would not add up; nothing was written.
        ErrorBudgetError: more contracts failed than `SYNC_ERROR_BUDGET` allows; just their failures were written.
        ConfigError: a setting is wrong.
    """
    if window.end != next_month(window.start):
        raise UsageError(f"accruals are processed a month at a time, {window} is more")
    if today < window.end:
        raise UsageError(f"{window} is not over in {settings.timezone}: it can be accrued from {window.end} on")
    while True:
        try:
            return _post_month(window, settings, execution_id, override, chunk_size)
        except ImportRunningError:  # nothing was written
            wait_for_import(window, execution_id)


def _post_month(
    window: MonthWindow, settings: SyncSettings, execution_id: int | None, override: Override | None, chunk_size: int
) -> dict[str, Any]:
    result = MonthResult(window.start)
    try:
        with write_session() as session:
            findings = look_at_import(session, window, settings.zone)
            result.override = findings.require(override)
            result.notify(findings.notifications())
            MonthRun.open(session, result, settings).process(chunk_size, execution_id)
            record_result(session, execution_id, result.as_result())
            settings.budget.require(len(result.failures), result.seen)
            require_none_running(session, window)
    except ErrorBudgetError:
        with write_session() as session:
            require_window(session, execution_id)
            ContractFailures.open(session, window.start).record(session, result.failures, execution_id)
        raise
    return result.as_result()
