"""Plans that a person looks at first: kept as they were shown, run exactly so, or refused because the world moved."""

from collections.abc import Sequence
from datetime import date
from zoneinfo import ZoneInfo

from flows.assessment import Assessment, Only, assess, select_only
from flows.cells import Cell
from steps.catalog import STEPS
from steps.domain.months import MonthWindow
from steps.errors import SyncError, UsageError
from tracking.sync_plan import SyncPlan, find_plan, save_plan


class WorldMovedError(SyncError):
    """Something ran since the plan was made; it is not what was looked at any more."""


def choose_cells(cells: Sequence[Cell], only: Only | None, zone: ZoneInfo) -> list[Cell]:
    """The cells that a run is to do: all of them, or only those that stand so."""
    return list(cells) if only is None else select_only(assess(cells, zone), only)


def make_plan(assessments: Sequence[Assessment], span: MonthWindow) -> int:
    """Keep the cells and what is known of each. Returns the plan's id."""
    cells = [
        {
            "step": each.cell.step.id,
            "month": each.cell.window.start.isoformat() if each.cell.window else None,
            "state": each.state,
            "execution_id": each.execution_id,
        }
        for each in assessments
    ]
    return save_plan(SyncPlan(span_start=span.start, span_end=span.end, cells=cells))


def cells_of_plan(plan_id: int, zone: ZoneInfo) -> tuple[list[Cell], MonthWindow]:
    """The cells of a plan, and its range.

    Raises:
        UsageError: there is no such plan.
        WorldMovedError: a cell does not stand any more as it was shown.
    """
    plan = find_plan(plan_id)
    if plan is None:
        raise UsageError(f"there is no plan {plan_id}: `sync-actions plan` makes one")
    cells = [_cell(each["step"], each["month"]) for each in plan.cells]
    moved = [
        f"{now.cell.name} was {then['state']} and is {now.state}"
        + (f" (execution {now.execution_id})" if now.execution_id else "")
        for then, now in zip(plan.cells, assess(cells, zone), strict=True)
        if (then["state"], then["execution_id"]) != (now.state, now.execution_id)
    ]
    if moved:
        raise WorldMovedError(
            f"plan {plan_id} is out of date: {'; '.join(moved)}. Make a new one with sync-actions plan"
        )
    return cells, MonthWindow(plan.span_start, plan.span_end)


def _cell(step_id: str, month: str | None) -> Cell:
    return Cell(STEPS[step_id], MonthWindow.of(date.fromisoformat(month)) if month else None)
