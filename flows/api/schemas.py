"""The shapes of the answers (docs/interfaces.md, HTTP API), and what came of a step."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

from flows.parameters import AskedRange, parse_month_date, parse_step, resolve_range
from steps.catalog import STEPS, Step
from steps.engine.gate import LONGEST_REASON
from steps.ledger.months import MonthWindow
from steps.settings import SyncSettings
from tracking.models import OPEN_STATUSES, ErrorStatus, ExecutionStatus, SyncExecution, utc_now

StepId = Annotated[str, Field(max_length=64), WithJsonSchema({"type": "string", "enum": list(STEPS)})]
FirstOfMonth = Annotated[
    str, Field(max_length=64), WithJsonSchema({"type": "string", "pattern": r"^20\d{2}-(0[1-9]|1[0-2])-01$"})
]
"""Both are judged by `flows/parameters.py`, whose messages name what was given: as long as that is short."""
KeptText = Annotated[str, Field(max_length=LONGEST_REASON, pattern=r"^[^\x00]*$")]
"""A text that the database keeps, or that is looked for in it: PostgreSQL has no NUL in a text."""
OverrideText = Annotated[
    KeptText | None,
    Field(description="Accruals only: accrue although the import of a month is broken. The reason, which is kept."),
]
OverrideBy = Annotated[KeptText | None, Field(description="Who overrides; kept with the reason. Default: api.")]


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


class StepAnswer(BaseModel):
    """A step as people know it."""

    id: str
    name: str
    description: str


class AvailableSteps(BaseModel):
    """The import steps in their order, and the accrual step."""

    import_steps: list[StepAnswer]
    accrual_steps: list[StepAnswer]


class ExecutionAnswer(BaseModel):
    """One execution of a step, for one month window or once. Times are UTC; null is what has not happened yet."""

    id: int
    step_name: str
    window_start: date | None = Field(description="First day of its month; null for a step that is called once a run.")
    window_end: date | None = Field(description="Exclusive.")
    status: ExecutionStatus
    started_at: datetime | None
    completed_at: datetime | None
    error_message: str | None
    result: dict[str, Any] | None = Field(description="What the step answered, once it completed.")
    flow_run_id: str | None = Field(description="The run in Prefect.")
    metadata: dict[str, Any]
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, execution: SyncExecution) -> "ExecutionAnswer":
        """From its row."""
        columns = {name: getattr(execution, name) for name in cls.model_fields if name != "metadata"}
        metadata = execution.details if isinstance(execution.details, dict) else {"metadata": execution.details}
        return cls(**columns, metadata=metadata)


class IntegrationErrorAnswer(BaseModel):
    """One record that could not be applied, and why. `error_details` is the vendor's record, or has it in `record`."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    integration_name: str
    operation: str
    entity_type: str
    entity_external_id: str
    error_message: str
    error_details: dict[str, Any]
    status: ErrorStatus
    sync_execution_id: int | None
    occurrences: int = Field(description="How often it was met, by whichever run.")
    first_seen_at: datetime
    last_seen_at: datetime = Field(description="When it was last met; `updated_at` moves only with what is said of it.")
    created_at: datetime
    updated_at: datetime


class ExecutionPage(BaseModel):
    """Executions, newest first."""

    executions: list[ExecutionAnswer]
    next_cursor: str | None = Field(description="Ask again with it as `cursor` for older ones; null: there are none.")


class ExecutionDetail(ExecutionAnswer):
    """One execution with the records it could not apply, newest first, 1000 at the most."""

    integration_errors: list[IntegrationErrorAnswer]


class ErrorPage(BaseModel):
    """Integration errors, newest first."""

    errors: list[IntegrationErrorAnswer]
    next_cursor: str | None = Field(description="Ask again with it as `cursor` for older ones; null: there are none.")


class Marked(BaseModel):
    """What became of a bulk update."""

    status: ErrorStatus
    updated: list[int] = Field(description="Ids that have the status now.")
    unknown: list[int] = Field(description="Ids that no error has.")


class Health(BaseModel):
    """The server lives, its database answers."""

    status: str
    database: str
    schema_version: str


class StepOutcome(BaseModel):
    """What came of a step (docs/interfaces.md, HTTP API).

    Over several months `executions` has one each, and the fields above sum them up: `status` is `failed` if any failed,
    `started_at` the first start, `completed_at` the last end, `execution_id` that of the first month, `result` the sum
    of the counts of those that completed. `error_message` is there only when something failed.
    """

    step_name: str
    status: ExecutionStatus
    started_at: datetime | None
    completed_at: datetime | None
    execution_id: int
    result: dict[str, Any] | None
    error_message: str = Field(default="", description="Only if it failed: why.")
    executions: list[ExecutionAnswer] = Field(default=[], description="Only for several months: one each.")


class Accepted(BaseModel):
    """A step that was started and goes on; `Location` is where to look."""

    step_name: str
    status: ExecutionStatus
    flow_run_id: str
    execution_ids: list[int] = Field(description="One a month, in order; empty while it has not begun.")
    waits_for: str | None = Field(default=None, description="What it waits for, such as a worker or another run.")


_WRITTEN = frozenset({"reason", "by"})
"""What a person wrote: never an amount, whatever it looks like."""


def outcome_of(executions: Sequence[SyncExecution]) -> StepOutcome:
    """One run of one step; at least one execution."""
    failures = [f"{each.name}: {each.error_message}" for each in executions if each.status == ExecutionStatus.FAILED]
    results = [each.result for each in executions if each.result is not None]
    return StepOutcome(
        step_name=executions[0].step_name,
        status=status_of_executions(executions),
        started_at=min((each.started_at for each in executions if each.started_at), default=None),
        completed_at=max((each.completed_at for each in executions if each.completed_at), default=None),
        execution_id=executions[0].id or 0,
        result=sum_results(results) if results else None,
        error_message="; ".join(failures),
        executions=[ExecutionAnswer.of(each) for each in executions] if len(executions) > 1 else [],
    )


def status_of_executions(executions: Iterable[SyncExecution]) -> ExecutionStatus:
    """Of all of them together: still running, failed if any failed, else completed."""
    statuses = {each.status for each in executions}
    if not statuses or statuses == {ExecutionStatus.PENDING}:
        return ExecutionStatus.PENDING
    if statuses & set(OPEN_STATUSES):
        return ExecutionStatus.RUNNING
    return ExecutionStatus.FAILED if ExecutionStatus.FAILED in statuses else ExecutionStatus.COMPLETED


def sum_results(results: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The results of several months as one of the same shape.

    Counts and amounts are added up, lists are put one after the other; of anything else (a month, values of different
    kinds) the first stands.
    """
    names = dict.fromkeys(name for result in results for name in result)
    return {name: _sum(name, [result[name] for result in results if name in result]) for name in names}


def _sum(name: str, values: Sequence[Any]) -> Any:
    first = values[0]
    if len(values) == 1 or isinstance(first, bool) or name in _WRITTEN:
        return first
    if all(isinstance(value, Mapping) for value in values):
        return sum_results(values)
    if all(isinstance(value, list) for value in values):
        return [item for value in values for item in value]
    if all(isinstance(value, int | float) for value in values):
        return sum(values)
    try:  # amounts travel as texts
        return str(sum((Decimal(value) for value in values), Decimal("0.00")))
    except (InvalidOperation, TypeError, ValueError):
        return first
