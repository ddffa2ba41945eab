"""What is known of each cell: completed, failed, missing, running, or stale and why. What `--only` and `plan` go by.

A completed cell is stale when what it built on has changed since, or when it was read before its month was over.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from zoneinfo import ZoneInfo

from flows.cells import Cell
from flows.order import IMPORT_ORDER
from steps.catalog import ACCRUALS, Step
from steps.report import changed_something
from tracking.execution import OPEN_STATUSES, ExecutionStatus, SyncExecution
from tracking.history import CellHistory, CellKey, cell_histories


class CellState(StrEnum):
    """Where a cell stands."""

    completed = "completed"
    failed = "failed"
    missing = "missing"
    running = "running"
    stale = "stale"


class Only(StrEnum):
    """Which cells of the asked range a run does; the others are left as they are."""

    failed = "failed"
    missing = "missing"
    stale = "stale"


@dataclass(frozen=True)
class Assessment:
    """One cell, where it stands, and why it is not simply completed."""

    cell: Cell
    state: CellState
    why: str = ""
    execution_id: int | None = None
    """The newest execution that this was seen by."""
    source: SyncExecution | None = None
    """What it built on and has changed since, if that is why it is stale."""


def assess(cells: Sequence[Cell], zone: ZoneInfo) -> list[Assessment]:
    """Where each cell stands, from the executions that there are.

    Args:
        cells: In order.
        zone: In which it is judged whether a month was over.
    """
    histories = cell_histories()
    return [_assess_cell(cell, histories, zone) for cell in cells]


def select_only(assessments: Iterable[Assessment], only: Only) -> list[Cell]:
    """The cells that `--only` means."""
    return [each.cell for each in assessments if each.state == only.value]


def _assess_cell(cell: Cell, histories: Mapping[CellKey, CellHistory], zone: ZoneInfo) -> Assessment:
    history = histories.get(_key(cell))
    if history is None:
        return Assessment(cell, CellState.missing, "never run")
    newest = history.newest
    if newest.status in OPEN_STATUSES:
        return Assessment(cell, CellState.running, f"execution {newest.id} is {newest.status}", newest.id)
    if newest.status == ExecutionStatus.FAILED:
        return Assessment(cell, CellState.failed, newest.error_message or "", newest.id)
    return _assess_completed(cell, newest, histories, zone)


def _assess_completed(
    cell: Cell, done: SyncExecution, histories: Mapping[CellKey, CellHistory], zone: ZoneInfo
) -> Assessment:
    if done.started_at is None:
        return Assessment(cell, CellState.completed, execution_id=done.id)
    if cell.window and done.started_at.astimezone(zone).date() < cell.window.end:
        why = f"read on {done.started_at.astimezone(zone):%Y-%m-%d}, before the month was over"
        return Assessment(cell, CellState.stale, why, done.id)
    for source in _sources(cell, histories):
        if source.completed_at and source.completed_at > done.started_at and changed_something(source.result or {}):
            why = f"{source.name} has changed something since (execution {source.id})"
            return Assessment(cell, CellState.stale, why, done.id, source)
    return Assessment(cell, CellState.completed, execution_id=done.id)


def _sources(cell: Cell, histories: Mapping[CellKey, CellHistory]) -> Iterator[SyncExecution]:
    """What a cell builds on, as it was last done; records that were tried again may be of any month."""
    for (step_name, month), history in histories.items():
        for source, of_month in ((history.newest_completed, month), (history.newest_retry, None)):
            if source is not None and _feeds(step_name, of_month, cell):
                yield source


def _feeds(step_name: str, month: date | None, cell: Cell) -> bool:
    """Whether a cell builds on what this step read, for this month or once for all."""
    same_month = cell.window is None or month is None or month == cell.window.start
    if step_name == ACCRUALS.id:
        return cell.step is ACCRUALS and cell.window is not None and month is not None and month < cell.window.start
    return same_month and step_name in _steps_before(cell.step)


def _steps_before(step: Step) -> list[str]:
    ids = [each.id for each in IMPORT_ORDER]
    return ids if step is ACCRUALS else ids[: ids.index(step.id)]


def _key(cell: Cell) -> CellKey:
    return cell.step.id, cell.window.start if cell.window else None
