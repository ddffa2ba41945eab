"""The only place that turns a plain function into a tracked Prefect task.

Whatever a step does, its task has the step's id as its name, mirrors each of its states into `sync_execution`, is tried
again only when the vendor may be better later, and keeps neither caches nor results in Prefect: what happened is in our
database. With `SYNC_BACKEND_URL` set, the same task asks that backend to do the work instead.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, Protocol

from prefect import Task, runtime
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun

from steps.catalog import ACCRUALS, Step
from steps.connectors.backend import call_backend
from steps.domain.months import MonthWindow
from steps.errors import is_transient
from steps.settings import SyncSettings
from tracking.hooks import mirror

StepResult = dict[str, Any]
RETRIES = 1
RETRY_DELAY_SECONDS = 10.0


class MonthlyStep(Protocol):
    """A step that is called once for each month window."""

    __name__: str

    def __call__(self, window: MonthWindow, execution_id: int | None = None) -> StepResult:
        """Do the window's work for this execution; what it answers becomes the execution's result."""
        ...


class OnceStep(Protocol):
    """A step that is called once a run."""

    __name__: str

    def __call__(self, execution_id: int | None = None) -> StepResult:
        """Do the work for this execution; what it answers becomes the execution's result."""
        ...


def monthly_step(step: Step) -> Callable[[MonthlyStep], Task[..., StepResult]]:
    """Make the tracked task of a step that works on one month window."""

    def decorate(function: MonthlyStep) -> Task[..., StepResult]:
        @wraps(function)
        def run(window: MonthWindow, execution_id: int | None = None) -> StepResult:
            settings: SyncSettings = SyncSettings.load()
            if settings.backend_url:
                return call_backend(settings, step.endpoint, _window_parameters(step, window))
            return function(window, execution_id)

        return _tracked_task(step, run)

    return decorate


def once_step(step: Step) -> Callable[[OnceStep], Task[..., StepResult]]:
    """Make the tracked task of a step that works once a run."""

    def decorate(function: OnceStep) -> Task[..., StepResult]:
        @wraps(function)
        def run(execution_id: int | None = None) -> StepResult:
            settings: SyncSettings = SyncSettings.load()
            if settings.backend_url:
                return call_backend(settings, step.endpoint, {})
            return function(execution_id)

        return _tracked_task(step, run)

    return decorate


def run_name(step_id: str, window: MonthWindow | None) -> str:
    """The task run's name: `services`, or `invoices 2024-03` (interfaces.md, Prefect)."""
    return step_id if window is None else f"{step_id} {window}"


def _tracked_task(step: Step, function: Callable[..., StepResult]) -> Task[..., StepResult]:
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
    return run_name(str(runtime.task_run.task_name), runtime.task_run.parameters.get("window"))


def _worth_a_retry(_task: Task[..., Any], _task_run: TaskRun, state: State[Any]) -> bool:
    error = state.result(raise_on_failure=False)
    return isinstance(error, BaseException) and is_transient(error)


def _window_parameters(step: Step, window: MonthWindow) -> dict[str, str]:
    """The parameters of the step's endpoint (interfaces.md, HTTP API)."""
    if step.id == ACCRUALS.id:
        return {"period_start_date": window.start.isoformat()}
    return {"start_date": window.start.isoformat(), "end_date": window.end.isoformat()}
