"""The six steps as a test calls them: without Prefect, and with their results as they are stored.

Each call has a context of its own, as a run of that one step and window has; inside `one_run` all share one.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any

import pytest

from steps import accruals, crm_clients, invoices, notion_external_ids, service_periods, services
from steps.context import StepContext
from steps.engine.load import CHUNK
from steps.ledger.months import MonthWindow
from steps.progress import PROGRESS_LOGGER
from steps.task import StepTask
from tracking.integration_errors import RecordKey

_runs: list[StepContext] = []


@contextmanager
def one_run(span: MonthWindow) -> Iterator[StepContext]:
    """Let the steps inside the block share what any of them reads, as those of a run over a range do."""
    with StepContext(span) as context:
        _runs.append(context)
        try:
            yield context
        finally:
            _runs.pop()


def progress_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The progress that was logged."""
    return [record.getMessage() for record in caplog.records if record.name == PROGRESS_LOGGER.name]


def sync_services(**limits: Any) -> dict[str, Any]:
    return _call(services.sync_services, **limits)


def sync_invoices(window: MonthWindow, execution_id: int | None = None, **limits: Any) -> dict[str, Any]:
    return _call(invoices.sync_invoices, window, execution_id=execution_id, **limits)


def sync_crm_clients(window: MonthWindow, **limits: Any) -> dict[str, Any]:
    return _call(crm_clients.sync_crm_clients, window, **limits)


def sync_service_periods(window: MonthWindow, **limits: Any) -> dict[str, Any]:
    return _call(service_periods.sync_service_periods, window, **limits)


def sync_notion_external_ids(**limits: Any) -> dict[str, Any]:
    return _call(notion_external_ids.sync_notion_external_ids, **limits)


def process_accruals(window: MonthWindow) -> dict[str, Any]:
    return _call(accruals.process_accruals, window)


def accrue_month(window: MonthWindow, today: date, chunk_size: int = CHUNK, **options: Any) -> dict[str, Any]:
    """As seen from a day; options are those of `StepContext.of_execution`."""
    with StepContext() as context:
        one = context.of_execution(options.pop("execution_id", None), **options)
        return accruals.accrue_month(one, window, today, chunk_size).as_json()


def _call(
    task: StepTask, *window: MonthWindow, execution_id: int | None = None, records: Iterable[RecordKey] | None = None
) -> dict[str, Any]:
    if _runs:
        return _answer(task, _runs[-1].of_execution(execution_id, records=records), window)
    with StepContext() as context:
        return _answer(task, context.of_execution(execution_id, records=records), window)


def _answer(task: StepTask, context: StepContext, window: tuple[MonthWindow, ...]) -> dict[str, Any]:
    answer: dict[str, Any] = task.fn(context, *window).data.as_json()
    return answer
