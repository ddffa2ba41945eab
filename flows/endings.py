"""Flow hooks for the ends that a task cannot mirror: a crash, a cancellation.

Runners call them by keyword, in a process that may not be the one that ran the flow.
"""

from typing import Any

from prefect import Flow
from prefect.client.schemas.objects import FlowRun, State

from tracking.reconcile import end_executions_of_ended_run


def close_after_crash(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:  # noqa: ARG001
    """End what the crashed run left open."""
    end_executions_of_ended_run(
        str(flow_run.id), f"never finished: the run crashed ({state.message or 'no reason given'})"
    )


def close_after_cancellation(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:  # noqa: ARG001
    """End what the cancelled run left open."""
    end_executions_of_ended_run(str(flow_run.id), "never finished: the run was cancelled")
