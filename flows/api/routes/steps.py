"""Steps: which there are, in which order, and run one (docs/interfaces.md, HTTP API).

The six integration calls make this project a backend for another one's `SYNC_BACKEND_URL`. Each is a run of its step
through Prefect, tracked like any other, and answers the step's result as it is. What a client sends is accepted in the
query or in the body; both may say the same.
"""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from flows.api.lists import TaggedRoute
from flows.api.problems import TRY_AGAIN, not_modified, problems
from flows.api.runs import (
    AppRuns,
    AppSettings,
    AppStarter,
    end_of_run,
    require_completed,
)
from flows.api.schemas import (
    Accepted,
    AvailableSteps,
    FirstOfMonth,
    OverrideBy,
    OverrideText,
    StepOutcome,
    StepRequest,
    outcome_of,
)
from flows.api.security import OPERATE, READ
from flows.parameters import IMPORT_ORDER, AskedRange, parse_month, parse_month_date, resolve_override, resolve_range
from flows.runs import Runs, RunStatus, Stage, request_step
from steps.catalog import ACCRUALS, STEPS, Step
from steps.errors import UsageError
from steps.ledger.months import MonthWindow
from steps.settings import SyncSettings
from tracking.models import utc_now

router = APIRouter(prefix="/api/sync", tags=["steps"], dependencies=[READ], route_class=TaggedRoute)
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
    dependencies=[OPERATE],
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
    starter: AppStarter,
) -> Any:
    """Run one step over its months through Prefect, and answer when it is done, or at once if asked so.

    A step that failed is an answer too: `status` is `failed`, and `error_message` says why. A request with the same
    `Idempotency-Key` and body as an earlier one runs nothing and gets the answer of that one's run. A run that no
    worker takes is answered with 202 after a while: it waits for one.
    """
    step, span = asked.resolve(settings)
    override = resolve_override(step.id, asked.override, asked.by or API_CALLER)
    answer = await starter.run(request_step(step, span, override), step)
    return outcome_of(answer.executions) if isinstance(answer, RunStatus) else answer


integrations = APIRouter(tags=["integrations"], dependencies=[OPERATE])


class _Months(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Nothing(_Months):
    """A call that knows no months."""


class Window(_Months):
    """Whole months; without dates the default year."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"start_date": "2024-03-01", "end_date": "2024-04-01"}]})

    start_date: FirstOfMonth | None = Field(default=None, description="First month, as its first day.")
    end_date: FirstOfMonth | None = Field(default=None, description="The month after the last one, as its first day.")


class AccrualMonth(_Months):
    """The month to accrue."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"period_start_date": "2024-03-01"}]})

    period_start_date: FirstOfMonth | None = Field(default=None, description="Required: the month, as its first day.")
    override: OverrideText = None
    by: OverrideBy = None


def _both(query: BaseModel, body: BaseModel | None) -> dict[str, str]:
    """What query and body say together.

    Raises:
        UsageError: they say different things.
    """
    said, besides = query.model_dump(exclude_none=True), body.model_dump(exclude_none=True) if body else {}
    for name in said.keys() & besides.keys():
        if said[name] != besides[name]:
            raise UsageError(f"{name} is {said[name]!r} in the query and {besides[name]!r} in the body: send one")
    return said | besides


def _span(said: dict[str, str], settings: SyncSettings) -> MonthWindow:
    if (text := said.get("period_start_date")) is not None:
        return MonthWindow.of(parse_month(text))
    dates = {name: parse_month_date(name, text) for name, text in said.items()}
    return resolve_range(AskedRange(None, dates.get("start_date"), dates.get("end_date")), utc_now(), settings)


async def _run(step: Step, said: dict[str, str], runs: Runs, settings: SyncSettings) -> dict[str, Any]:
    """The result of a step over the months that were said, their counts added up.

    Raises:
        HTTPException: a month failed, with the status that its error stands for; no worker came; or this server has a
            backend itself.
    """
    if settings.backend_url:
        raise HTTPException(
            HTTPStatus.CONFLICT, "this server passes its steps on to a SYNC_BACKEND_URL: it is no backend itself"
        )
    by = said.pop("by", "") or API_CALLER
    override = resolve_override(step.id, said.pop("override", None), by)
    flow_run_id = await run_in_threadpool(runs.start, request_step(step, _span(said, settings), override))
    status = await end_of_run(runs, flow_run_id)
    if status.stage is not Stage.ended:  # the caller of a backend calls again: nothing may come of this call later
        await run_in_threadpool(runs.cancel, flow_run_id)
        why = f"nothing was run: it waited for {status.waits_for}"
        raise HTTPException(HTTPStatus.SERVICE_UNAVAILABLE, why, TRY_AGAIN)
    require_completed(status)
    return outcome_of(status.executions).result or {}


def _add_call(step: Step, months: type[Nothing | Window | AccrualMonth]) -> None:
    async def call(
        query: Annotated[months, Query()],  # type: ignore[valid-type]
        settings: AppSettings,
        runs: AppRuns,
        body: months | None = None,  # type: ignore[valid-type]
    ) -> dict[str, Any]:
        said = _both(query, body)
        if months is AccrualMonth and "period_start_date" not in said:
            raise UsageError("period_start_date is missing: the first day of the month to accrue, such as 2024-03-01")
        return await _run(step, said, runs, settings)

    integrations.add_api_route(
        step.endpoint,
        call,
        methods=["POST"],
        name=step.id,
        summary=step.name,
        description=f"{step.description}. {_HOW[months]}",
        responses=problems(HTTPStatus.CONFLICT, HTTPStatus.BAD_GATEWAY),
    )


_HOW: dict[type[BaseModel], str] = {
    Nothing: "It is called once, for all months.",
    Window: (
        "Of several months each is processed by itself, ascending, and the answer has the sum of their counts; "
        "when one fails the others are still done, and the answer is the problem."
    ),
    AccrualMonth: "One month, which must be over, and whose import must be sound unless `override` gives a reason.",
}

for _step in STEPS.values():
    _add_call(_step, AccrualMonth if _step is ACCRUALS else Window if _step.by_month else Nothing)
