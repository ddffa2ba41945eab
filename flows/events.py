"""Events of our own in Prefect, for automations to react to (docs/operations.md, Events).

Best effort: Prefect sends them in the background, a server that is away loses them, and no step waits for one or fails
because of it. What happened is in our own tables.
"""

import logging
from collections.abc import Iterable
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from flows.parameters import local_day
from flows.prefect_server import logs_delivered, quiet_prefect
from steps.ledger.accrual import last_closed_month
from steps.ledger.months import MonthWindow, first_of_month, next_month
from steps.settings import SyncSettings
from tracking.database import read_session
from tracking.history import pending_errors_by_kind

if TYPE_CHECKING:
    from flows.plan import StepRun

STEP_RUN_COMPLETED = "sync.step-run.completed"
STEP_RUN_FAILED = "sync.step-run.failed"
ERRORS_RECORDED = "sync.integration-error.recorded"
ACCRUALS_REFUSED = "sync.accruals.refused"
IMPORT_COMPLETED = "sync.import.completed"
MONTH_CLOSED = "sync.month.closed"
MONTH_REOPENED = "sync.month.reopened"
MONTH_REDONE = "sync.month.redone"
MONTH_NOT_CLOSED = "sync.month.not-closed"
MANY_ERRORS = "sync.errors.many"
"""Label: whether more records than `SYNC_NOTIFY_ERRORS` are in trouble."""
_HEALTH_SECONDS = 2.0
_MINUTES_TOLD = 5
"""Of each hour."""
_log = logging.getLogger(__name__)

Resource = dict[str, str]


def tell_step_run(
    step_run: "StepRun", execution_id: int, failure: str | None, *, refused: bool, notify_errors: int
) -> None:
    """One step and month has ended; whether its month was refused; how many records it could not apply, in one event.

    They are many above `notify_errors` (`SYNC_NOTIFY_ERRORS`). `failure` None: it completed.
    """
    step, window = step_run.step, step_run.window
    month = f"{window}" if window else ""
    about = {"step": step.id, "month": month, "execution_id": execution_id}
    resource, related = _resource("step", step.id, step.name), [_resource("month", month, month)] if month else []
    reason = {} if failure is None else {"reason": failure}
    emit(STEP_RUN_COMPLETED if failure is None else STEP_RUN_FAILED, resource, related, {**about, **reason})
    if refused and month:
        emit(ACCRUALS_REFUSED, related[0], [resource], {**about, **reason})
    if not (errors := sum(kind.count for kind in pending_errors_by_kind([execution_id]))):
        return
    # What made the step fail is told as that.
    many = failure is None and errors > notify_errors
    marked = {**resource, MANY_ERRORS: "true" if many else "false"}
    emit(ERRORS_RECORDED, marked, related, {**about, "errors": errors})


def tell_import(span: MonthWindow) -> None:
    """Every import step of these months was completed in one run."""
    dates = {"start_date": span.start.isoformat(), "end_date": span.end.isoformat()}
    emit(IMPORT_COMPLETED, {"prefect.resource.id": "sync.import", "prefect.resource.name": f"{span}"}, (), dates)


def tell_months(event: str, months: Iterable[date]) -> None:
    """Somebody closed or reopened these months, outside of any run: a server that does not answer is passed over."""
    quiet_prefect()
    import httpx
    from prefect.settings import PREFECT_API_URL

    if not (url := PREFECT_API_URL.value()):
        return
    try:
        httpx.get(f"{url}/health", timeout=_HEALTH_SECONDS).raise_for_status()
    except httpx.HTTPError as error:
        _log.info("Prefect was not told of %s: %s", event, type(error).__name__)
        return
    with logs_delivered():
        emit_months(event, months)


def emit_months(event: str, months: Iterable[date]) -> None:
    """This became of these months."""
    for month in months:
        emit(event, _resource("month", f"{month:%Y-%m}", f"{month:%Y-%m}"))


def tell_month_not_closed(scheduled: datetime, settings: SyncSettings) -> date | None:
    """From the day `SYNC_CLOSE_DAY` on: that the month before is not closed; once an hour. Returns that month.

    `scheduled` is when the run that looks was to start; there is one every five minutes.
    """
    today = local_day(scheduled, settings.zone)
    if not settings.close_day or today.day < settings.close_day or scheduled.minute >= _MINUTES_TOLD:
        return None
    month = next_month(first_of_month(today), -1)
    with read_session() as session:
        last = last_closed_month(session)
    if last is not None and last >= month:
        return None
    resource = _resource("month", f"{month:%Y-%m}", f"{month:%Y-%m}")
    emit(MONTH_NOT_CLOSED, resource, (), {"close_day": settings.close_day})
    return month


def emit(
    name: str, resource: Resource, related: Iterable[Resource] = (), payload: dict[str, Any] | None = None
) -> None:
    """Send one event, in the background. Prefect adds the run, its flow and its deployment, if there is a run."""
    from prefect.events import emit_event

    emit_event(name, resource=resource, related=list(related), payload=payload or {})


def _resource(kind: str, identifier: str, name: str) -> Resource:
    """Such as `sync.month.2024-03`."""
    return {
        "prefect.resource.id": f"sync.{kind}.{identifier}",
        "prefect.resource.name": name,
        "prefect.resource.role": kind,
    }
