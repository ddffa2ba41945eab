"""Flow: records that could not be applied are tried again, each through its own step, and nothing else."""

from prefect import flow, runtime
from prefect.client.schemas.objects import State

from flows.plan import plan_retry
from flows.run_steps import RunOptions, close_run, name_of_this_run, run_steps
from tracking.recorder import Overlap


@flow(name="retry-errors", flow_run_name=name_of_this_run, on_crashed=[close_run], on_cancellation=[close_run])
def retry_errors(
    errors: list[int] | None = None, step: str | None = None, overlap: Overlap = Overlap.wait
) -> State[None]:
    """Try records that were in trouble again: those that were corrected are applied, and their errors resolved.

    Args:
        errors: Ids of pending integration errors (default: all that are pending).
        step: Only errors of this step.
        overlap: What to do about a step and month that another run is working on: wait for it, or be refused.
    """
    retry = plan_retry(errors or [], step, started_again=int(runtime.flow_run.run_count) > 1)
    return run_steps(retry.step_runs, retry.span, RunOptions(overlap))
