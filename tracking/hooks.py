"""Hooks: each Prefect task state into its `sync_execution` row. Prefect is known to this file of the package only.

Prefect swallows what a hook raises and fires `on_running` again on each retry; the recorder is written for both.
It also logs four lines about the hooks of each task run, which say nothing of it: they are left out of every log.
"""

import logging
from contextlib import ExitStack
from typing import Any

from prefect import Task
from prefect.client.schemas.objects import State, TaskRun
from prefect.context import TaskRunContext
from prefect.utilities.annotations import BaseAnnotation

from tracking.locks import run_lock
from tracking.recorder import PlannedExecution, RunningTask, complete_execution, fail_execution, start_execution

_lone_locks: dict[str, ExitStack] = {}
"""The locks of tasks that were called outside of any flow, by task run; a flow holds its own."""


def _says_something(record: logging.LogRecord) -> bool:
    """Whether a line of Prefect's about a task run says more than that a hook was called, or that it completed."""
    line = record.getMessage()
    return not line.startswith(("Running hook 'mirror'", "Hook 'mirror'", "Finished in state Completed"))


logging.getLogger("prefect.task_runs").addFilter(_says_something)


def mirror(task: Task[..., Any], task_run: TaskRun, state: State[Any]) -> None:
    """Hook for running, completion and failure of every step's task."""
    task_run_id = str(task_run.id)
    if state.is_running():
        parameters = _parameters_of_this_task()
        context, window = parameters.get("context"), parameters.get("window")
        start, end = (window.start, window.end) if window else (None, None)
        running = RunningTask(
            task_run_id=task_run_id,
            flow_run_id=str(task_run.flow_run_id) if task_run.flow_run_id else None,
            run_count=task_run.run_count,
            planned=PlannedExecution(task.name, start, end, getattr(context, "record_count", None)),
        )
        if running.flow_run_id is None and task_run_id not in _lone_locks:
            _lone_locks[task_run_id] = ExitStack()
            _lone_locks[task_run_id].enter_context(run_lock(task_run_id))
        start_execution(getattr(context, "execution_id", None), running)
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


def _parameters_of_this_task() -> dict[str, Any]:
    """Without the annotations that they were handed over in, such as `quote`: a hook is called before they are off."""
    context = TaskRunContext.get()
    parameters = context.parameters.items() if context else ()
    return {name: each.unwrap() if isinstance(each, BaseAnnotation) else each for name, each in parameters}


def describe_failure(state: State[Any]) -> str:
    """What a person should read: our own errors speak for themselves, others are named by their type."""
    error = state.result(raise_on_failure=False)
    if not isinstance(error, BaseException):
        return state.message or f"the task run ended {state.name}"
    text = str(error).strip()
    ours = any(kind.__module__.startswith(("steps.", "tracking.")) for kind in type(error).__mro__)
    return text if ours and text else f"{type(error).__name__}: {text}".rstrip(": ")
