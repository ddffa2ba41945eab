"""Flow: an open month is processed again, with every later one; or what that would change (docs/accrual-rules.md)."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from functools import partial
from typing import Any

from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.states import Completed
from prefect.utilities.annotations import quote

from flows.artifacts import best_effort, fails_in_words, leave_accrual_pictures, leave_redone
from flows.events import MONTH_REDONE, emit_months
from flows.parameters import resolve_override
from flows.plan import OverrideReason, RedoBy, RedoMonth, RedoPreview, RedoReason, StepRun
from flows.reconcile_executions import log_settings
from flows.run_steps import FLOW_OPTIONS, OngoingRun, RunOptions, run_creator, run_steps, tell
from steps.catalog import ACCRUALS
from steps.closing import Signature
from steps.context import StepContext
from steps.ledger.months import MonthWindow, next_month
from steps.redo import AskedRedo, Redone, preview_redo
from steps.redo import redo as do_again
from steps.settings import SyncSettings
from steps.task import describe_failure


@flow(name="redo", **FLOW_OPTIONS)
@fails_in_words
def redo(
    month: RedoMonth,
    reason: RedoReason,
    by: RedoBy = None,
    preview: RedoPreview = True,
    override: OverrideReason = None,
) -> State[None]:
    """Process an open month and every later one again; what was posted is set aside, and kept. A preview comes first.

    Args:
        month: The first month, as its first day (such as 2024-03-01). It must not be closed.
        reason: It stays in the books.
        by: Whose reason it is. Empty: whoever created the run, if Prefect knows.
        preview: On: nothing is changed, and a table says what would be. Off: it is done.
        override: Accrue a month although its import is broken, for this reason, which is kept.
    """
    settings: SyncSettings = SyncSettings.load()
    asked = AskedRedo.of(month, Signature(by or run_creator(), reason), datetime.now(settings.zone).date())
    overriding = resolve_override(ACCRUALS.id, override, asked.by.who)
    if preview:
        log_settings()
        with StepContext(settings=settings) as context:
            found = preview_redo(context.of_execution(None, override=overriding), asked)
        leave_redone(found)
        return Completed(message=f"{found.line}; nothing was changed")
    asked.require_reason()
    step_runs = [StepRun(ACCRUALS, MonthWindow.of(each)) for each in asked.months]
    state = run_steps(step_runs, None, RunOptions(override=overriding), partial(_do, asked))
    leave_accrual_pictures(MonthWindow(asked.months[0], next_month(asked.months[-1])), settings)
    return state


@task(name="redo", task_run_name="redo", cache_policy=NO_CACHE, persist_result=False)
def _redo_months(context: StepContext, asked: AskedRedo, execution_ids: Mapping[date, int]) -> State[Redone]:
    """All of them in one transaction, so that they are one task."""
    found = do_again(context, asked, execution_ids)
    return Completed(data=found, message=found.line)


def _do(asked: AskedRedo, run: OngoingRun, step_runs: Sequence[StepRun], execution_ids: Sequence[int]) -> None:
    context = run.context.of_execution(None, override=run.options.override)
    ids = dict(zip(asked.months, execution_ids, strict=True))
    limited = _redo_months.with_options(timeout_seconds=run.limit.seconds_left)
    state: State[Any] = limited(quote(context), quote(asked), quote(ids), return_state=True)
    found: Any = state.result(raise_on_failure=False)
    task_run_id = str(state.state_details.task_run_id)
    for step_run, execution_id in zip(step_runs, execution_ids, strict=True):
        if not state.is_completed():
            run.failures[step_run.name] = describe_failure(state)
            run.unrecorded[execution_id] = run.failures[step_run.name], type(found).__name__
        tell(step_run, execution_id, state, context.settings)
    if state.is_completed():
        context.progress.log(f"redo: {found.line}", task_run_id)
        leave_redone(found)
        best_effort(lambda: emit_months(MONTH_REDONE, asked.months))
    else:
        context.progress.log_failure(f"redo: FAILED: {describe_failure(state)}", task_run_id)
