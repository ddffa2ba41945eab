"""Steps: which there are, in which order, and run one (docs/interfaces.md, HTTP API)."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Header
from starlette.concurrency import run_in_threadpool

from flows.api.lists import TaggedRoute
from flows.api.problems import not_modified, problems
from flows.api.runs import AppRuns, AppSettings, IdempotencyKeyHeader, accepted, end_of_run
from flows.api.schemas import Accepted, AvailableSteps, StepOutcome, StepRequest, outcome_of
from flows.parameters import IMPORT_ORDER, resolve_override
from flows.runs import Stage, request_step
from steps.catalog import ACCRUALS, Step

router = APIRouter(prefix="/api/sync", tags=["steps"], route_class=TaggedRoute)
API_CALLER = "api"
"""Who overrides, when a request does not say."""


@router.get("/available-steps", response_model=AvailableSteps, responses={**problems(), **not_modified()})
def available_steps() -> dict[str, Sequence[Step]]:
    """The steps to choose from."""
    return {"import_steps": IMPORT_ORDER, "accrual_steps": [ACCRUALS]}


@router.get("/execution-order", responses={**problems(), **not_modified()})
def execution_order() -> list[str]:
    """The import steps in the order in which they run."""
    return [step.id for step in IMPORT_ORDER]


@router.post(
    "/execute-step",
    response_model=StepOutcome,
    response_model_exclude_defaults=True,
    responses={
        202: {
            "model": Accepted,
            "description": "Started, as `Prefer: respond-async` asked, or no worker takes it; `Location` says where.",
        },
        **problems(HTTPStatus.CONFLICT),
    },
)
async def execute_step(
    asked: StepRequest,
    settings: AppSettings,
    runs: AppRuns,
    prefer: Annotated[str, Header(max_length=255, description="`respond-async`: do not wait for the end.")] = "",
    idempotency_key: IdempotencyKeyHeader = None,
) -> Any:
    """Run one step over its months through Prefect, and answer when it is done, or at once if asked so.

    A step that failed is an answer too: `status` is `failed`, and `error_message` says why. A request with the same
    `Idempotency-Key` and body as an earlier one runs nothing and gets the answer of that one's run. A run that no
    worker takes is answered with 202 after a while: it waits for one.
    """
    step, span = asked.resolve(settings)
    override = resolve_override(step.id, asked.override, asked.by or API_CALLER)
    flow_run_id = await run_in_threadpool(runs.start, request_step(step, span, override), idempotency_key)
    if "respond-async" in {each.strip().lower() for each in prefer.split(",")}:
        return await accepted(runs, flow_run_id, step)
    status = await end_of_run(runs, flow_run_id)
    if status.stage is not Stage.ended:
        return await accepted(runs, flow_run_id, step)
    return outcome_of(status.executions)
