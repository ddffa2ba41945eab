"""The decorator that makes a step's function a tracked Prefect task.

Whatever a step does, its task has the step's id as its name, mirrors each of its states into `sync_execution`, is tried
again only when the vendor may be better later, and keeps neither caches nor results in Prefect: what happened is in our
database, and a line of it is the message of the task run's state. With `SYNC_BACKEND_URL` set, the same task asks that
backend to do the work instead.

Prefect swallows what a hook raises and fires `on_running` again on each retry; the recorder is written for both. What
it logs about hooks, four lines a task run, says nothing of the task, and the traceback of an error of ours nothing to
the person who runs it: they are left out.
"""

import logging
from collections.abc import Callable
from contextlib import ExitStack
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

from prefect import Task, runtime
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.context import TaskRunContext
from prefect.states import Completed
from prefect.task_engine import TaskRunTimeoutError
from prefect.utilities.annotations import BaseAnnotation

from steps.catalog import Step
from steps.context import StepContext
from steps.errors import ConfigError, is_transient, speaks_for_itself
from steps.ledger.months import MonthWindow
from steps.results import RecordedResult, StepResult
from steps.vendors.backend import backend_call, backend_rules, call_backend
from tracking.locks import run_lock
from tracking.models import execution_name
from tracking.recorder import (
    PlannedExecution,
    RunningTask,
    complete_execution,
    fail_execution,
    hold_window,
    start_execution,
)

Window = ParamSpec("Window")
"""The step's month window, if it works by month; nothing else."""
Result = TypeVar("Result", bound=StepResult)
StepTask = Task[..., Any]
"""Of any step; it answers a state with a `StepResult`."""

RETRIES = 1
"""Of a whole task, besides the connectors' own quick ones: for an outage of a minute, not of a second."""
RETRY_DELAY_SECONDS = 10.0


def step_task(
    step: Step,
) -> Callable[
    [Callable[Concatenate[StepContext, Window], Result]],
    Task[Concatenate[StepContext, Window], State[Result | RecordedResult]],
]:
    """Make a function of a context, and of a month window where the step works by month, the tracked task of a step.

    Hand the context over in Prefect's `quote`. A backend without months is asked with None as the window. The task
    answers a state with the result as its data; its `fn` does the same without Prefect.
    """

    def decorate(
        function: Callable[Concatenate[StepContext, Window], Result],
    ) -> Task[Concatenate[StepContext, Window], State[Result | RecordedResult]]:
        @wraps(function)
        def run(context: StepContext, window: MonthWindow | None = None) -> State[StepResult]:
            if context.execution_id is not None:
                hold_window(context.execution_id, context.overlap, context.progress.update)
            if window is None and context.settings.calls_by_month(step):
                raise ConfigError(
                    f"{step.id} works by month here: SYNC_BACKEND_DIALECT was another when it was planned"
                )
            result: StepResult
            if context.settings.backend_url:
                result = _ask_backend(context, step, window)
            else:
                work = cast(Callable[..., Result], function)
                result = work(context, window) if step.by_month else work(context)
            return Completed(data=result, message=result.line)

        return cast(Task[Concatenate[StepContext, Window], State[Result | RecordedResult]], _tracked(step, run))

    return decorate


def _tracked(step: Step, function: Callable[..., State[StepResult]]) -> StepTask:
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


def _ask_backend(context: StepContext, step: Step, window: MonthWindow | None) -> RecordedResult:
    """The backend's answer; a backend that is down costs the run its patience once.

    It looks at its own imports before it accrues, and is told of an override.
    """
    if not context.scope.is_everything:
        raise ConfigError("SYNC_BACKEND_URL is set, and a backend takes whole windows only: run the step again instead")
    settings, override = context.settings, context.override
    call = backend_call(settings, step, window)
    parameters = call.parameters | ({"override": override.reason, "by": override.by} if override else {})
    rules = backend_rules(settings, context.rules)
    answer = context.reads.of_backend(
        (step.id, *call.parameters.values()),
        lambda: call_backend(settings, call.path, parameters, rules, method=call.method),
    )
    return RecordedResult(answer)


_SAYS_NOTHING = (
    "Running hook 'mirror'",
    "Hook 'mirror'",
    "Finished in state Completed",
    "Finished in state Failed",
)


def _says_something(record: logging.LogRecord) -> bool:
    """Whether a line of Prefect's about a task run says more than that a hook was called, or that it ended.

    How it ended, and why, is a line of the run's own; so is an error of ours, which nobody looks for in the code.
    """
    line = record.getMessage()
    if line.startswith("Task run failed with exception") and record.exc_info:
        return not speaks_for_itself(record.exc_info[1])
    return not line.startswith(_SAYS_NOTHING)


logging.getLogger("prefect.task_runs").addFilter(_says_something)
_lone_locks: dict[str, ExitStack] = {}
"""The locks of tasks that were called outside of any flow, by task run; a flow holds its own."""


def mirror(task: Task[..., Any], task_run: TaskRun, state: State[Any]) -> None:
    """Hook for running, completion and failure of every step's task."""
    task_run_id = str(task_run.id)
    if state.is_running():
        run = TaskRunContext.get()
        parameters = {  # a hook is called before the annotations are off that they were handed over in, such as `quote`
            name: each.unwrap() if isinstance(each, BaseAnnotation) else each
            for name, each in (run.parameters.items() if run else ())
        }
        context: StepContext | None = parameters.get("context")
        window: MonthWindow | None = parameters.get("window")
        start, end = (window.start, window.end) if window else (None, None)
        keys = context.scope.keys if context else None
        running = RunningTask(
            task_run_id=task_run_id,
            flow_run_id=str(task_run.flow_run_id) if task_run.flow_run_id else None,
            run_count=task_run.run_count,
            planned=PlannedExecution(task.name, start, end, None if keys is None else len(keys)),
        )
        if running.flow_run_id is None and task_run_id not in _lone_locks:
            _lone_locks[task_run_id] = ExitStack()
            _lone_locks[task_run_id].enter_context(run_lock(task_run_id))
        start_execution(context.execution_id if context else None, running)
        return
    if state.is_completed():
        # What the step answered is in the state; `state.result()` would send a coroutine to another thread for it.
        result: Any = getattr(state.data, "result", state.data)
        complete_execution(task_run_id, result.as_json())
    else:
        error = state.result(raise_on_failure=False)
        fail_execution(task_run_id, describe_failure(state), type(error).__name__)
    if lock := _lone_locks.pop(task_run_id, None):
        lock.close()


def describe_failure(state: State[Any]) -> str:
    """What a person should read: our own errors speak for themselves, others are named by their type."""
    error = state.result(raise_on_failure=False)
    if not isinstance(error, BaseException):
        return state.message or f"the task run ended {state.name}"
    if isinstance(error, TaskRunTimeoutError):
        return "interrupted at work: the time limit of its run was reached (SYNC_RUN_HOURS)"
    text = str(error).strip()
    return text if speaks_for_itself(error) else f"{type(error).__name__}: {text}".rstrip(": ")
