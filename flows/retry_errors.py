"""Flow: records that could not be applied are tried again, each through its own step, and nothing else."""

from typing import Annotated

from prefect import flow, runtime
from prefect.client.schemas.objects import State

from flows.artifacts import fails_in_words
from flows.parameters import ImportStep
from flows.plan import AskedOverlap, plan_retry, titled
from flows.run_steps import FLOW_OPTIONS, RunOptions, run_steps
from tracking.recorder import Overlap


@flow(name="retry-errors", **FLOW_OPTIONS)
@fails_in_words
def retry_errors(
    errors: Annotated[list[int] | None, titled("Errors, by id")] = None,
    step: Annotated[ImportStep | None, titled("Only those of this step")] = None,
    overlap: AskedOverlap = Overlap.wait,
) -> State[None]:
    """Try records that were in trouble again: those that were corrected are applied, and their errors resolved.

    Args:
        errors: Ids of pending integration errors, as `sync-actions errors` lists them. Empty: all that are pending.
        step: Of all that are pending, only those of this step.
        overlap: Wait until the other run is done with that month, or fail there.
    """
    retry = plan_retry(errors or [], step and step.value, started_again=int(runtime.flow_run.run_count) > 1)
    return run_steps(retry.step_runs, retry.span, RunOptions(overlap))
