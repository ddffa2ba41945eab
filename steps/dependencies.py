"""What each step builds on, and what makes a completed execution out of date: for the gate, `--only`, `plan`.

An execution is out of date when it began before its month was over, or when something it builds on has changed since.
"""

from collections.abc import Iterator, Mapping
from datetime import date
from zoneinfo import ZoneInfo

from steps.catalog import ACCRUALS, CRM_CLIENTS, INVOICES, NOTION_EXTERNAL_ID, SERVICE_PERIODS, SERVICES
from steps.step_report import changed_something
from tracking.history import StepMonth, StepMonthHistory
from tracking.models import SyncExecution

BUILDS_ON: Mapping[str, tuple[str, ...]] = {
    SERVICES.id: (),
    INVOICES.id: (SERVICES.id,),
    CRM_CLIENTS.id: (SERVICES.id, INVOICES.id),
    SERVICE_PERIODS.id: (SERVICES.id, INVOICES.id, CRM_CLIENTS.id),
    NOTION_EXTERNAL_ID.id: (SERVICES.id, INVOICES.id, CRM_CLIENTS.id, SERVICE_PERIODS.id),
    ACCRUALS.id: (SERVICES.id, INVOICES.id, CRM_CLIENTS.id, SERVICE_PERIODS.id, NOTION_EXTERNAL_ID.id),
}
"""Step id -> the import steps it builds on (docs/interfaces.md, The six steps), in their order.

Within one month, where both are called by month. Accruals build on the accruals of earlier months besides.
"""


def began_before(done: SyncExecution, end: date, zone: ZoneInfo) -> date | None:
    """The day on which an execution began, if that was before `end` in `zone`; else None.

    Args:
        done: An execution; of one without a start nothing is known, and None is the answer.
        end: The first day after the month.
        zone: `SYNC_TIMEZONE`.
    """
    if done.started_at is None:
        return None
    day = done.started_at.astimezone(zone).date()
    return day if day < end else None


def changed_since(
    key: StepMonth, done: SyncExecution, histories: Mapping[StepMonth, StepMonthHistory]
) -> SyncExecution | None:
    """An execution that a step and month builds on, and that changed something after `done` began; None if none did.

    Records that were tried again by themselves count as a change, whatever their month.
    """
    if done.started_at is None:
        return None
    for source in _sources(key, histories):
        if source.completed_at and source.completed_at > done.started_at and changed_something(source.result or {}):
            return source
    return None


def _sources(key: StepMonth, histories: Mapping[StepMonth, StepMonthHistory]) -> Iterator[SyncExecution]:
    """What a step and month builds on, as it was last done; records that were tried again may be of any month."""
    for (step_name, month), history in histories.items():
        for source, of_month in ((history.newest_completed, month), (history.newest_retry, None)):
            if source is not None and _feeds(step_name, of_month, key):
                yield source


def _feeds(source_step: str, source_month: date | None, key: StepMonth) -> bool:
    """Whether a step and month builds on what the source step read, for this month or once for all."""
    step_id, month = key
    if source_step == ACCRUALS.id:
        return step_id == ACCRUALS.id and month is not None and source_month is not None and source_month < month
    same_month = month is None or source_month is None or source_month == month
    return same_month and source_step in BUILDS_ON[step_id]
