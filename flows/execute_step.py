"""Flow: one step over its months, for whoever asks for just that: the HTTP API, the page, a person in Prefect."""

from enum import StrEnum
from typing import Annotated

from prefect import flow, runtime
from prefect.client.schemas.objects import State

from flows.artifacts import fails_in_words
from flows.parameters import AskedRange, resolve_override, resolve_range
from flows.plan import (
    AskedOverlap,
    AskedYear,
    EndDate,
    OverrideBy,
    OverrideReason,
    StartDate,
    step_runs_of,
    titled,
)
from flows.run_steps import FLOW_OPTIONS, RunOptions, run_creator, run_steps
from steps.catalog import ACCRUALS, CRM_CLIENTS, INVOICES, NOTION_EXTERNAL_ID, SERVICE_PERIODS, SERVICES, STEPS
from steps.settings import SyncSettings
from tracking.recorder import Overlap


class AnyStep(StrEnum):
    """The six steps as a drop-down."""

    services = SERVICES.id
    invoices = INVOICES.id
    crm_clients = CRM_CLIENTS.id
    service_periods = SERVICE_PERIODS.id
    notion_external_id = NOTION_EXTERNAL_ID.id
    accruals = ACCRUALS.id


@flow(name="execute-step", **FLOW_OPTIONS)
@fails_in_words
def execute_step(  # noqa: PLR0913, PLR0917 - these are the fields of the form
    step: Annotated[AnyStep, titled("Step")],
    year: AskedYear = None,
    start_date: StartDate = None,
    end_date: EndDate = None,
    overlap: AskedOverlap = Overlap.wait,
    override: OverrideReason = None,
    override_by: OverrideBy = None,
) -> State[None]:
    """Run one step, and none of those before or after it.

    Args:
        step: The step to run; services and notion-external-id take no notice of the months.
        year: One of two ways to say which months. Of none of them: 2024, or the year of SYNC_DEFAULT_YEAR.
        start_date: The first month, as its first day (such as 2024-03-01). It wins over the year.
        end_date: The month after the last one, as its first day; it is not included. It goes with the first month.
        overlap: Wait until the other run is done with that month, or fail there.
        override: Of accruals: a month whose import is broken is accrued all the same, for this reason, which is kept.
        override_by: Whose reason it is. Empty: whoever created the run, if Prefect knows.
    """
    settings: SyncSettings = SyncSettings.load()
    overriding = resolve_override(step, override, override_by or run_creator())
    asked = AskedRange(year, start_date, end_date)
    span = resolve_range(asked, runtime.flow_run.scheduled_start_time, settings)
    chosen = STEPS[step]
    run_options = RunOptions(overlap, stop_at_failure=chosen is ACCRUALS, override=overriding)
    return run_steps(step_runs_of((chosen,), span, settings), span, run_options)
