"""Where each step_run stands, and plans that are run exactly as they were looked at or not at all."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import update
from sqlmodel import col

from flows.parameters import IMPORT_ORDER, Only
from flows.plan import (
    OutdatedPlanError,
    StepRun,
    StepRunState,
    assess,
    choose_step_runs,
    left_of_run,
    make_plan,
    step_runs_of,
    step_runs_of_plan,
)
from steps.catalog import ACCRUALS, CRM_CLIENTS, INVOICES, NOTION_EXTERNAL_ID, SERVICES
from steps.errors import UsageError
from steps.ledger.months import MonthWindow
from steps.settings import SyncSettings
from tracking.database import tracking_session
from tracking.models import SyncExecution
from tracking.recorder import plan_executions

MADRID = ZoneInfo("Europe/Madrid")
MARCH = MonthWindow.of(date(2024, 3, 1))
APRIL = MonthWindow.of(date(2024, 4, 1))
BOTH = MonthWindow(MARCH.start, APRIL.end)
LATER = datetime(2024, 6, 1, tzinfo=UTC)


def _executed(
    step_run: StepRun, result: dict[str, object] | None = None, *, at: datetime = LATER, status: str = "completed"
) -> int:
    """An execution of the past that took a minute."""
    (execution_id,) = plan_executions("run", [step_run.planned])
    with tracking_session() as session:
        session.execute(
            update(SyncExecution)
            .where(col(SyncExecution.id) == execution_id)
            .values(
                status=status,
                started_at=at,
                completed_at=at + timedelta(minutes=1),
                error_message="the vendor is down" if status == "failed" else None,
                details={"result": result or {}},
            )
        )
    return execution_id


def _state(step_run: StepRun) -> tuple[StepRunState, str]:
    (assessment,) = assess([step_run], MADRID)
    return assessment.state, assessment.why


def test_what_never_ran_is_missing(database: str) -> None:
    assert _state(StepRun(INVOICES, MARCH)) == (StepRunState.missing, "never run")


def test_the_newest_execution_counts(database: str) -> None:
    step_run = StepRun(INVOICES, MARCH)
    _executed(step_run, status="failed")
    assert _state(step_run) == (StepRunState.failed, "the vendor is down")

    _executed(step_run)
    assert _state(step_run) == (StepRunState.completed, "")


def test_what_is_open_is_running(database: str) -> None:
    step_run = StepRun(SERVICES)
    plan_executions("run", [step_run.planned])

    assert _state(step_run)[0] is StepRunState.running


def test_a_month_that_was_read_before_it_was_over_is_stale(database: str) -> None:
    step_run = StepRun(INVOICES, MARCH)
    _executed(step_run, at=datetime(2024, 3, 31, 21, 30, tzinfo=UTC))

    assert _state(step_run) == (StepRunState.stale, "read on 2024-03-31, before the month was over")


def test_a_month_that_was_read_right_after_midnight_in_madrid_is_not(database: str) -> None:
    step_run = StepRun(INVOICES, MARCH)
    _executed(step_run, at=datetime(2024, 3, 31, 22, 30, tzinfo=UTC))

    assert _state(step_run)[0] is StepRunState.completed


def test_what_was_built_on_something_that_changed_since_is_stale(database: str) -> None:
    step_run = StepRun(CRM_CLIENTS, MARCH)
    _executed(step_run)
    source = _executed(StepRun(INVOICES, MARCH), {"invoices_updated": 1}, at=LATER + timedelta(hours=1))

    (found,) = assess([step_run], MADRID)
    assert (found.state, found.why) == (
        StepRunState.stale,
        f"invoices 2024-03 has changed something since (execution {source})",
    )
    assert found.source is not None
    assert found.source.id == source


@pytest.mark.parametrize(
    ("source", "result"),
    [
        (StepRun(INVOICES, MARCH), {"invoices_updated": 0, "invoices_processed": 5}),
        (StepRun(INVOICES, APRIL), {"invoices_updated": 1}),
        (StepRun(ACCRUALS, MARCH), {"amount_accrued": "5.00"}),
    ],
    ids=["changed nothing", "another month", "comes later"],
)
def test_a_later_run_that_does_not_touch_it_leaves_it_completed(
    database: str, source: StepRun, result: dict[str, object]
) -> None:
    step_run = StepRun(CRM_CLIENTS, MARCH)
    _executed(step_run)
    _executed(source, result, at=LATER + timedelta(hours=1))

    assert _state(step_run)[0] is StepRunState.completed


def test_accruals_build_on_every_import_of_their_month_and_on_the_months_before(database: str) -> None:
    step_run = StepRun(ACCRUALS, APRIL)
    _executed(step_run)
    assert _state(step_run)[0] is StepRunState.completed

    _executed(StepRun(ACCRUALS, MARCH), {"amount_accrued": "10.00"}, at=LATER + timedelta(hours=1))
    assert _state(step_run)[1].startswith("accruals 2024-03 has changed")


def test_only_chooses_the_cells_that_stand_so(database: str) -> None:
    cells = step_runs_of(IMPORT_ORDER, BOTH, SyncSettings.load())
    for step_run in cells:
        _executed(step_run, status="failed" if step_run == StepRun(CRM_CLIENTS, APRIL) else "completed")

    assert choose_step_runs(cells, Only.failed, MADRID) == [StepRun(CRM_CLIENTS, APRIL)]
    assert choose_step_runs(cells, Only.missing, MADRID) == []
    assert choose_step_runs([*cells, StepRun(ACCRUALS, MARCH)], Only.due, MADRID) == [
        StepRun(CRM_CLIENTS, APRIL),
        StepRun(ACCRUALS, MARCH),
    ]


def test_a_plan_is_run_as_it_was_made(database: str) -> None:
    cells = step_runs_of(IMPORT_ORDER, BOTH, SyncSettings.load())

    plan_id = make_plan(assess(cells, MADRID), BOTH)

    assert step_runs_of_plan(plan_id, MADRID) == (cells, BOTH)


def test_a_plan_is_refused_when_something_ran_since(database: str) -> None:
    cells = step_runs_of((INVOICES,), BOTH, SyncSettings.load())
    plan_id = make_plan(assess(cells, MADRID), BOTH)
    execution_id = _executed(cells[1])

    line = rf"invoices 2024-04 was missing and is completed \(execution {execution_id}\)"
    with pytest.raises(OutdatedPlanError, match=line):
        step_runs_of_plan(plan_id, MADRID)


def test_an_unknown_plan_is_refused(database: str) -> None:
    with pytest.raises(UsageError, match="there is no plan 7"):
        step_runs_of_plan(7, MADRID)


def test_a_run_that_is_started_again_leaves_out_what_it_completed() -> None:
    plan = [StepRun(SERVICES), StepRun(INVOICES, MARCH), StepRun(INVOICES, APRIL), StepRun(CRM_CLIENTS, MARCH)]
    assert left_of_run("run", plan, MADRID) == plan

    _executed(plan[0])
    _executed(plan[1])
    _executed(plan[2], status="failed")

    assert left_of_run("run", plan, MADRID) == plan[2:]
    assert left_of_run("another run", plan, MADRID) == plan


def test_what_builds_on_what_is_done_again_is_done_again_too() -> None:
    plan = [
        StepRun(INVOICES, MARCH),
        StepRun(INVOICES, APRIL),
        StepRun(CRM_CLIENTS, MARCH),
        StepRun(CRM_CLIENTS, APRIL),
    ]
    _executed(plan[0], status="failed")
    for done in plan[1:]:
        _executed(done)

    assert left_of_run("run", plan, MADRID) == [plan[0], plan[2]]


def test_what_is_out_of_date_since_the_run_did_it_is_done_again() -> None:
    plan = [StepRun(INVOICES, MARCH), StepRun(CRM_CLIENTS, MARCH), StepRun(NOTION_EXTERNAL_ID)]
    _executed(plan[0])
    _executed(plan[1])
    _executed(plan[0], {"invoices_created": 1}, at=LATER + timedelta(hours=1))

    assert left_of_run("run", plan, MADRID) == plan[1:]


def test_a_run_that_completed_everything_does_everything_again() -> None:
    plan = [StepRun(SERVICES), StepRun(INVOICES, MARCH)]
    for done in plan:
        _executed(done)

    assert left_of_run("run", plan, MADRID) == plan


def test_the_months_of_a_redo_do_not_outdate_each_other() -> None:
    """They are done at once, so that an earlier month completes after a later one began."""
    months = [StepRun(ACCRUALS, MARCH), StepRun(ACCRUALS, APRIL)]
    ids = plan_executions("redo", [each.planned for each in months])
    values = {"started_at": LATER, "completed_at": LATER + timedelta(minutes=1), "status": "completed"}
    with tracking_session() as session:
        changed = {"details": {"result": {"summary": {}, "accrued_by_currency": {"EUR": "5.00"}}}}
        session.execute(update(SyncExecution).where(col(SyncExecution.id).in_(ids)).values(**values, **changed))

    assert _state(months[1]) == (StepRunState.completed, "")
