"""Steps: which there are, in which order, and run one (docs/interfaces.md, HTTP API)."""

import json
from hashlib import sha256
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Header, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

from flows.api.answers import Accepted, AvailableSteps, StepAnswer, StepOutcome
from flows.api.documented import not_modified, problems
from flows.api.following import executions_so_far, outcome_of_known_run, outcome_of_run
from flows.api.idempotent import IdempotencyKeyHeader, run_once
from flows.api.outcome import outcome_of, status_of
from flows.api.parts import AppRuns, AppSettings
from flows.api.tagged import TaggedRoute
from flows.order import IMPORT_ORDER
from flows.parameters import AskedRange, parse_month_date, parse_step, resolve_override, resolve_range
from steps.catalog import ACCRUALS, STEPS, Step
from steps.engine.gate import LONGEST_REASON
from steps.ledger.months import MonthWindow
from steps.settings import SyncSettings
from tracking.models import utc_now

router = APIRouter(prefix="/api/sync", tags=["steps"], route_class=TaggedRoute)

StepId = Annotated[str, Field(max_length=64), WithJsonSchema({"type": "string", "enum": list(STEPS)})]
FirstOfMonth = Annotated[
    str, Field(max_length=64), WithJsonSchema({"type": "string", "pattern": r"^20\d{2}-(0[1-9]|1[0-2])-01$"})
]
"""Both are judged by `flows/parameters.py`, whose messages name what was given: as long as that is short."""
OverrideText = Annotated[
    str | None,
    Field(
        max_length=LONGEST_REASON,
        description="Accruals only: accrue although the import of a month is broken. The reason, which is kept.",
    ),
]
OverrideBy = Annotated[
    str | None, Field(max_length=LONGEST_REASON, description="Who overrides; kept with the reason. Default: api.")
]
API_CALLER = "api"
"""Who overrides, when a request does not say."""


class StepRequest(BaseModel):
    """One step, and its months: the dates, else the year, else the default year."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={
            "examples": [
                {"step_name": "invoices", "year": 2024, "start_date": "2024-03-01", "end_date": "2024-07-01"},
                {"step_name": "accruals", "year": 2024},
            ]
        },
    )

    step_name: StepId
    year: int | None = Field(default=None, description="From 2000 to 2100; ignored when both dates are given.")
    start_date: FirstOfMonth | None = Field(default=None, description="First month, as its first day.")
    end_date: FirstOfMonth | None = Field(default=None, description="The month after the last one, as its first day.")

    override: OverrideText = None
    by: OverrideBy = None

    def resolve(self, settings: SyncSettings) -> tuple[Step, MonthWindow]:
        """What is to be run.

        Raises:
            UsageError: one line that says what was given and what is allowed.
        """
        step = STEPS[parse_step(self.step_name)]
        start = None if self.start_date is None else parse_month_date("start date", self.start_date)
        end = None if self.end_date is None else parse_month_date("end date", self.end_date)
        return step, resolve_range(AskedRange(self.year, start, end), utc_now(), settings)

    @property
    def fingerprint(self) -> str:
        """The same for the same request."""
        return sha256(json.dumps(self.model_dump(), sort_keys=True).encode()).hexdigest()


@router.get("/available-steps", responses={**problems(), **not_modified()})
def available_steps() -> AvailableSteps:
    """The steps to choose from."""
    return AvailableSteps(
        import_steps=[StepAnswer.of(step) for step in IMPORT_ORDER], accrual_steps=[StepAnswer.of(ACCRUALS)]
    )


@router.get("/execution-order", responses={**problems(), **not_modified()})
def execution_order() -> list[str]:
    """The import steps in the order in which they run."""
    return [step.id for step in IMPORT_ORDER]


@router.post(
    "/execute-step",
    response_model=StepOutcome,
    response_model_exclude_unset=True,
    responses={
        202: {"model": Accepted, "description": "Started, as `Prefer: respond-async` asked; `Location` says where."},
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
    `Idempotency-Key` and body as an earlier one runs nothing and gets the answer of that one's run.
    """
    step, span = asked.resolve(settings)
    override = resolve_override(step.id, asked.override, asked.by or API_CALLER)
    run = await run_once(lambda: runs.start(step, span, override), idempotency_key, asked.fingerprint)
    if "respond-async" in {each.strip().lower() for each in prefer.split(",")}:
        return await _accepted(step, run.flow_run_id)
    if run.started is None:
        return outcome_of(await outcome_of_known_run(runs, run.flow_run_id))
    return outcome_of(await outcome_of_run(run.started))


async def _accepted(step: Step, flow_run_id: str) -> Response:
    executions = await executions_so_far(flow_run_id)
    ids = [each.id or 0 for each in executions]
    location = f"/api/sync/executions/{ids[0]}" if len(ids) == 1 else f"/api/sync/executions?flow_run_id={flow_run_id}"
    body = Accepted(
        step_name=step.id, status=status_of(executions), flow_run_id=flow_run_id, execution_ids=ids
    ).model_dump(mode="json")
    headers = {"Location": location, "Preference-Applied": "respond-async"}
    return JSONResponse(body, HTTPStatus.ACCEPTED, headers)
