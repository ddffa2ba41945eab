"""The shapes of the answers (docs/interfaces.md, HTTP API)."""

from datetime import date, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from steps.catalog import Step
from tracking.models import ErrorStatus, ExecutionStatus, SyncExecution


class StepAnswer(BaseModel):
    """A step as people know it."""

    id: str
    name: str
    description: str

    @classmethod
    def of(cls, step: Step) -> "StepAnswer":
        """From the catalog."""
        return cls(id=step.id, name=step.name, description=step.description)


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
    """One record that a step could not apply, and why. `error_details` is the vendor's own record."""

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
    execution_ids: list[int] = Field(description="One a month, in order; empty while a worker has not taken it up.")
