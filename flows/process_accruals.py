"""Flow: the accruals step, month by month, ascending. It asks no vendor anything."""

from prefect import flow, runtime
from prefect.client.schemas.objects import State

from flows.artifacts import leave_accrual_pictures
from flows.parameters import AskedRange, Only, Period, resolve_accrual_range, resolve_override
from flows.plan import MonthDate, OverrideReason, Year, choose_step_runs, step_runs_of, step_runs_of_plan
from flows.run_steps import RunOptions, close_run, name_of_this_run, run_creator, run_steps
from steps.catalog import ACCRUALS
from steps.settings import SyncSettings
from tracking.recorder import Overlap


@flow(name="process-accruals", flow_run_name=name_of_this_run, on_crashed=[close_run], on_cancellation=[close_run])
def process_accruals(
    year: Year | None = None,
    start_date: MonthDate | None = None,
    end_date: MonthDate | None = None,
    period: Period | None = None,
    only: Only | None = None,
    plan: int | None = None,
    overlap: Overlap = Overlap.wait,
    override: OverrideReason | None = None,
    override_by: str | None = None,
) -> State[None]:
    """Accrue each contract's revenue, month by month. Months build on each other: the first failure ends the run.

    Args:
        year: The whole year, when neither dates nor a period are given (default: SYNC_DEFAULT_YEAR).
        start_date: First month, as its first day (such as 2024-03-01).
        end_date: The month after the last one, as its first day; it is not included.
        period: Months relative to the scheduled start of the run, such as previous-month.
        only: Do just the steps and months that are failed, missing, stale, or due: any of these. The others are left.
        plan: Id of a plan that `sync-actions plan` made: exactly that is run, and all above is left aside.
        overlap: What to do about a month that another run is working on: wait for it, or be refused.
        override: Accrue although the import of a month is broken; the reason, which is kept.
        override_by: Who says so; default: whoever created the run, if Prefect knows.
    """
    settings: SyncSettings = SyncSettings.load()
    overriding = resolve_override(ACCRUALS.id, override, override_by or run_creator())
    if plan is not None:
        step_runs, span = step_runs_of_plan(plan, settings.zone)
    else:
        asked = AskedRange(year, start_date, end_date, period)
        span = resolve_accrual_range(asked, runtime.flow_run.scheduled_start_time, settings)
        step_runs = choose_step_runs(step_runs_of((ACCRUALS,), span, settings), only, settings.zone)
    state = run_steps(step_runs, span, RunOptions(overlap, stop_at_failure=True, override=overriding))
    leave_accrual_pictures(span, settings)
    return state
