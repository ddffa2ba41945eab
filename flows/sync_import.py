"""Flow: each import step in order, each month window of the range."""

from prefect import flow, runtime
from prefect.client.schemas.objects import State

from flows.artifacts import best_effort
from flows.events import tell_import
from flows.parameters import AskedRange, ImportStep, Only, Period, resolve_range, steps_from
from flows.plan import MonthDate, Year, choose_step_runs, step_runs_of, step_runs_of_plan
from flows.run_steps import RunOptions, close_run, name_of_this_run, run_steps
from steps.settings import SyncSettings
from tracking.recorder import Overlap


@flow(name="sync-import", flow_run_name=name_of_this_run, on_crashed=[close_run], on_cancellation=[close_run])
def sync_import(
    from_step: ImportStep = ImportStep.services,
    year: Year | None = None,
    start_date: MonthDate | None = None,
    end_date: MonthDate | None = None,
    period: Period | None = None,
    only: Only | None = None,
    plan: int | None = None,
    overlap: Overlap = Overlap.wait,
) -> State[None]:
    """Import from Holded, the 4Geeks CRM and Notion, month by month, in the fixed order.

    Args:
        from_step: The first step to run; those before it are skipped.
        year: The whole year, when neither dates nor a period are given (default: SYNC_DEFAULT_YEAR).
        start_date: First month, as its first day (such as 2024-03-01).
        end_date: The month after the last one, as its first day; it is not included.
        period: Months relative to the scheduled start of the run, such as previous-month.
        only: Do just the steps and months that are failed, missing, stale, or due: any of these. The others are left.
        plan: Id of a plan that `sync-actions plan` made: exactly that is run, and all above is left aside.
        overlap: What to do about a step and month that another run is working on: wait for it, or be refused.
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
