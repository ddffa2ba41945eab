"""The only place that turns a step's plain function into a tracked Prefect task. Step files never see Prefect.

Whatever a step does, its task has the step's id as its name, mirrors each of its states into `sync_execution`, is tried
again only when the vendor may be better later, and keeps neither caches nor results in Prefect: what happened is in our
database. With `SYNC_BACKEND_URL` set, the same task asks that backend to do the work instead.
"""

from collections.abc import Callable, Sequence
from typing import Any

from prefect import Task, runtime
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun

from steps.accruals.gate import Override
from steps.catalog import (
    ACCRUALS,
    CRM_CLIENTS,
    INVOICES,
    NOTION_EXTERNAL_ID,
    SERVICE_PERIODS,
    SERVICES,
    Step,
)
from steps.connectors.backend import backend_call, call_backend, called_by_month
from steps.domain.months import MonthWindow
from steps.errors import ConfigError, is_transient
from steps.process_accruals import process_accruals
from steps.progress import say
from steps.scope import Scope
from steps.settings import SyncSettings
from steps.sync_crm_clients import sync_crm_clients
from steps.sync_invoices import sync_invoices
from steps.sync_notion_external_ids import sync_notion_external_ids
from steps.sync_service_periods import sync_service_periods
from steps.sync_services import sync_services
from steps.vendor_reads import current_reads
from tracking.error_book import RecordKey
from tracking.execution import execution_name
from tracking.hooks import mirror
from tracking.recorder import Overlap, hold_window

StepResult = dict[str, Any]
StepTask = Task[..., StepResult]
MonthlyFunction = Callable[..., StepResult]
"""Of a window, an execution's id and a scope."""
OnceFunction = Callable[..., StepResult]
"""Of an execution's id and a scope."""
Records = Sequence[RecordKey]
"""What a call is limited to, when it tries just some records again."""

RETRIES = 1
"""Of a whole task, besides the connectors' own quick ones: for an outage of a minute, not of a second."""
RETRY_DELAY_SECONDS = 10.0


def monthly_task(step: Step, function: MonthlyFunction) -> StepTask:
    """The tracked task of a step that is called for each month window, or once by a backend without months."""

    def run(
        window: MonthWindow | None = None,
        execution_id: int | None = None,
        overlap: Overlap = Overlap.wait,
        records: Records | None = None,
    ) -> StepResult:
        settings: SyncSettings = SyncSettings.load()
        if execution_id is not None:
            hold_window(execution_id, overlap, say)
        if window is None and called_by_month(step, settings):
            raise ConfigError(f"{step.id} works by month here: SYNC_BACKEND_DIALECT was another when it was planned")
        if records is not None:
            return function(window, execution_id, _scope(settings, records))
        if settings.backend_url:
            return _ask_backend(settings, step, window)
        return function(window, execution_id)

    return _tracked_task(step, run)


def accruals_task() -> StepTask:
    """The tracked task of the accruals: a month window, and what a person says of a broken import.

    A backend looks at its own imports; it is told of the override.
    """

    def run(
        window: MonthWindow,
        execution_id: int | None = None,
        overlap: Overlap = Overlap.wait,
        override: Override | None = None,
    ) -> StepResult:
        settings: SyncSettings = SyncSettings.load()
        if execution_id is not None:
            hold_window(execution_id, overlap, say)
        if settings.backend_url:
            return _ask_backend(settings, ACCRUALS, window, override)
        return process_accruals(window, execution_id, override)

    return _tracked_task(ACCRUALS, run)


def once_task(step: Step, function: OnceFunction) -> StepTask:
    """The tracked task of a step that is called once a run."""

    def run(
        execution_id: int | None = None, overlap: Overlap = Overlap.wait, records: Records | None = None
    ) -> StepResult:
        settings: SyncSettings = SyncSettings.load()
        if execution_id is not None:
            hold_window(execution_id, overlap, say)
        if records is not None:
            return function(execution_id, _scope(settings, records))
        if settings.backend_url:
            return _ask_backend(settings, step, None)
        return function(execution_id)

    return _tracked_task(step, run)


def _tracked_task(step: Step, function: Callable[..., StepResult]) -> StepTask:
    return Task(
        function,
        name=step.id,
        description=step.description,
        task_run_name=_name_of_this_run,
        cache_policy=NO_CACHE,
        persist_result=False,
        retries=RETRIES,
        retry_delay_seconds=RETRY_DELAY_SECONDS,
        retry_jitter_factor=0.5,
        retry_condition_fn=_worth_a_retry,
        on_running=[mirror],
        on_completion=[mirror],
        on_failure=[mirror],
    )


def _name_of_this_run() -> str:
    window: MonthWindow | None = runtime.task_run.parameters.get("window")
    return execution_name(str(runtime.task_run.task_name), window.start if window else None)


def _worth_a_retry(_task: Task[..., Any], _task_run: TaskRun, state: State[Any]) -> bool:
    error = state.result(raise_on_failure=False)
    return isinstance(error, BaseException) and is_transient(error)


def _scope(settings: SyncSettings, records: Records) -> Scope:
    if settings.backend_url:
        raise ConfigError("SYNC_BACKEND_URL is set, and a backend takes whole windows only: run the step again instead")
    return Scope(frozenset(records))


def _ask_backend(
    settings: SyncSettings, step: Step, window: MonthWindow | None, override: Override | None = None
) -> StepResult:
    """The backend's answer; a backend that is down costs the run its patience once."""
    call = backend_call(settings, step, window)
    parameters = call.parameters | ({"override": override.reason, "by": override.by} if override else {})
    with current_reads(None) as reads:
        return reads.of_backend(
            (step.id, *call.parameters.values()),
            lambda: call_backend(settings, call.path, parameters, method=call.method),
        )


TASKS: dict[str, StepTask] = {
    SERVICES.id: once_task(SERVICES, sync_services),
    INVOICES.id: monthly_task(INVOICES, sync_invoices),
    CRM_CLIENTS.id: monthly_task(CRM_CLIENTS, sync_crm_clients),
    SERVICE_PERIODS.id: monthly_task(SERVICE_PERIODS, sync_service_periods),
    NOTION_EXTERNAL_ID.id: once_task(NOTION_EXTERNAL_ID, sync_notion_external_ids),
    ACCRUALS.id: accruals_task(),
}
"""Each step's task, by the step's id."""
