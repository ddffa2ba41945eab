"""What was asked for, as Prefect is told it: a flow, and parameters that a worker elsewhere can be sent."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from prefect import Flow

from flows.execute_step import execute_step
from flows.retry_errors import retry_errors
from flows.run_names import run_name
from steps.accruals.gate import Override
from steps.catalog import Step
from steps.domain.months import MonthWindow


@dataclass(frozen=True)
class AskedRun:
    """One run that somebody wants."""

    flow: Flow[..., Any]
    parameters: dict[str, Any]
    """As JSON: the same whether they go to a worker or stay here."""

    @property
    def deployment(self) -> str:
        """The full name of the flow's deployment that workers do (prefect.yaml)."""
        return f"{self.flow.name}/on-demand"

    @property
    def name(self) -> str:
        """What the run is called, also while it waits."""
        return run_name(self.flow.name, self.parameters, datetime.now(UTC))


def run_of_step(step: Step, span: MonthWindow, override: Override | None = None) -> AskedRun:
    """One step over these months; an override is for accruals alone."""
    months = {"start_date": span.start.isoformat(), "end_date": span.end.isoformat()}
    told = {"override": override.reason, "override_by": override.by} if override else {}
    return AskedRun(execute_step, {"step": step.id, **months, **told})


def run_of_retry(error_ids: Sequence[int]) -> AskedRun:
    """These integration errors once more."""
    return AskedRun(retry_errors, {"errors": list(error_ids)})
