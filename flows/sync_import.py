"""Flow: each import step in order, each month window of the range."""

from prefect import flow, runtime
from prefect.client.schemas.objects import State

from flows.artifacts import best_effort, fails_in_words
from flows.events import tell_import
from flows.parameters import AskedRange, ImportStep, resolve_range, steps_from
from flows.plan import (
    AskedOnly,
    AskedOverlap,
    AskedPeriod,
    AskedYear,
    EndDate,
    FromStep,
    PlanId,
    StartDate,
    choose_step_runs,
    step_runs_of,
    step_runs_of_plan,
)
from flows.run_steps import FLOW_OPTIONS, RunOptions, run_steps
from steps.settings import SyncSettings
from tracking.recorder import Overlap


@flow(name="sync-import", **FLOW_OPTIONS)
@fails_in_words
def sync_import(
    from_step: FromStep = ImportStep.services,
    year: AskedYear = None,
    start_date: StartDate = None,
    end_date: EndDate = None,
    period: AskedPeriod = None,
    only: AskedOnly = None,
    plan: PlanId = None,
    overlap: AskedOverlap = Overlap.wait,
) -> State[None]:
    """Import from Holded, the 4Geeks CRM and Notion, month by month, in the fixed order.

    Args:
        from_step: This step and those after it are run.
        year: One of three ways to say which months. Of none of them: 2024, or the year of SYNC_DEFAULT_YEAR.
        start_date: The first month, as its first day (such as 2024-03-01). It wins over the other two ways.
        end_date: The month after the last one, as its first day; it is not imported. It goes with the first month.
        period: Months relative to the day that the run is meant for, such as previous-month. It wins over the year.
        only: Leave out the months of steps that are done; only those that failed, are missing or stale, or all
            three (due). Empty: everything.
        plan: Id of a plan that `sync-actions plan` made: exactly that is run, and all above is left aside.
        overlap: Wait until the other run is done with that step and month, or fail there.
    """
    settings: SyncSettings = SyncSettings.load()
    if plan is not None:
        step_runs, span = step_runs_of_plan(plan, settings.zone)
        return run_steps(step_runs, span, RunOptions(overlap))
    asked = AskedRange(year, start_date, end_date, period)
    span = resolve_range(asked, runtime.flow_run.scheduled_start_time, settings)
    step_runs = choose_step_runs(step_runs_of(steps_from(from_step), span, settings), only, settings.zone)
    state = run_steps(step_runs, span, RunOptions(overlap))
    if state.is_completed() and from_step == ImportStep.services and only is None:
        best_effort(lambda: tell_import(span))
    return state
