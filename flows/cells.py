"""The cells of a run: a step and, if the step works by month, one month window. Knows no Prefect."""

from collections.abc import Sequence
from dataclasses import dataclass

from steps.catalog import Step
from steps.connectors.backend import called_by_month
from steps.domain.months import MonthWindow
from steps.settings import SyncSettings
from tracking.error_book import RecordKey
from tracking.execution import execution_name
from tracking.recorder import PlannedExecution


@dataclass(frozen=True)
class Cell:
    """One task run to come."""

    step: Step
    window: MonthWindow | None = None
    records: tuple[RecordKey, ...] | None = None
    """What it is limited to, if it tries just some records again."""

    @property
    def name(self) -> str:
        """As the task run is called."""
        return execution_name(self.step.id, self.window.start if self.window else None)

    @property
    def planned(self) -> PlannedExecution:
        """As it is written down before anything starts."""
        start, end = (self.window.start, self.window.end) if self.window else (None, None)
        return PlannedExecution(self.step.id, start, end, None if self.records is None else len(self.records))


def cells_of(steps: Sequence[Step], span: MonthWindow, settings: SyncSettings | None = None) -> list[Cell]:
    """The plan of a run: each step in order, each month of the range for those that work by month.

    Args:
        steps: In order.
        span: The range.
        settings: Where a backend does the work, its dialect says which steps have months.
    """
    by_month = {step.id: step.by_month if settings is None else called_by_month(step, settings) for step in steps}
    return [Cell(step, window) for step in steps for window in (span.months() if by_month[step.id] else (None,))]
