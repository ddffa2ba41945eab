"""Flow: the accruals step, month by month, ascending. It asks no vendor anything."""

from prefect import flow, runtime
from prefect.client.schemas.objects import State

from flows.artifacts import fails_in_words, leave_accrual_pictures
from flows.parameters import AskedRange, resolve_accrual_range, resolve_override
from flows.plan import (
    AskedOnly,
    AskedOverlap,
    AskedPeriod,
    AskedYear,
    EndDate,
    OverrideBy,
    OverrideReason,
    PlanId,
    StartDate,
    choose_step_runs,
    step_runs_of,
    step_runs_of_plan,
)
from flows.run_steps import FLOW_OPTIONS, RunOptions, run_creator, run_steps
from steps.catalog import ACCRUALS
from steps.settings import SyncSettings
from tracking.recorder import Overlap


@flow(name="process-accruals", **FLOW_OPTIONS)
@fails_in_words
def process_accruals(
    year: AskedYear = None,
    start_date: StartDate = None,
    end_date: EndDate = None,
    period: AskedPeriod = None,
    only: AskedOnly = None,
    plan: PlanId = None,
    overlap: AskedOverlap = Overlap.wait,
    override: OverrideReason = None,
    override_by: OverrideBy = None,
) -> State[None]:
    """Accrue each contract's revenue, month by month. Months build on each other: the first failure ends the run.

    Args:
        year: One of three ways to say which months. Of none of them: 2024, or the year of SYNC_DEFAULT_YEAR.
        start_date: The first month, as its first day (such as 2024-03-01). It wins over the other two ways.
        end_date: The month after the last one, as its first day; it is not accrued. It goes with the first month.
        period: Months relative to the day that the run is meant for, such as previous-month. It wins over the year.
        only: Leave out the months that are accrued; only those that failed, are missing or stale, or all three (due).
            Empty: every month.
        plan: Id of a plan that `sync-actions plan` made: exactly that is run, and all above is left aside.
        overlap: Wait until the other run is done with that month, or fail there.
        override: A month whose import is broken is accrued all the same, for this reason, which is kept.
        override_by: Whose reason it is. Empty: whoever created the run, if Prefect knows.
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
