"""What is known of each cell: completed, failed, missing, running, or stale and why. What `--only` and `plan` go by.

A completed cell is stale when what it built on has changed since, or when it was read before its month was over.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from zoneinfo import ZoneInfo

from flows.cells import Cell
from steps.builds_on import began_before, changed_since
from tracking.database import read_session
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
    with read_session() as session:
        histories = cell_histories(session)
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
    if cell.window and (day := began_before(done, cell.window.end, zone)):
        return Assessment(cell, CellState.stale, f"read on {day}, before the month was over", done.id)
    if source := changed_since(_key(cell), done, histories):
        why = f"{source.name} has changed something since (execution {source.id})"
        return Assessment(cell, CellState.stale, why, done.id, source)
    return Assessment(cell, CellState.completed, execution_id=done.id)


def _key(cell: Cell) -> CellKey:
    return cell.step.id, cell.window.start if cell.window else None
