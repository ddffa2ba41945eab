"""Runs that only write down what a run would: the one seam of the API, so that most tests need no Prefect."""

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from flows.api.step_runs import StartedRun
from flows.plan import StepRun, step_runs_of
from steps.catalog import Step
from steps.engine.gate import Override
from steps.ledger.months import MonthWindow
from tracking.recorder import RunningTask, complete_execution, fail_execution, plan_executions, start_execution

Result = dict[str, Any]


def counts_of(cell: StepRun) -> Result:
    """What a step might answer: as many records as the number of its month."""
    entity, month = cell.step.entity, cell.window.start.month if cell.window else 1
    return {f"{entity}_processed": month, f"{entity}_created": 1, "errors": 0}


@dataclass
class RecordedRuns:
    """Each run ends at once, with rows of its own in the database."""

    work: Callable[[StepRun], Result] = counts_of
    """What a cell answers; what it raises fails the cell."""
    asked: list[tuple[str, str]] = field(default_factory=list)
    """Step and months of each run that was started."""
    overrides: list[Override | None] = field(default_factory=list)
    """Of each run that was started."""
    followed: dict[str, StartedRun] = field(default_factory=dict)
    """Runs of others that can be followed to their end."""
    closed: bool = False

    def start(self, step: Step, span: MonthWindow, override: Override | None = None) -> StartedRun:
        """Plan, run and end a run."""
        self.asked.append((step.id, str(span)))
        self.overrides.append(override)
        flow_run_id = str(uuid4())
        cells = step_runs_of((step,), span)
        ids = plan_executions(flow_run_id, [cell.planned for cell in cells])
        for cell, execution_id in zip(cells, ids, strict=True):
            self._run(cell, execution_id, flow_run_id)
        ended: Future[str] = Future()
        ended.set_result("Completed")
        return StartedRun(flow_run_id, ended)

    def follow(self, flow_run_id: str) -> StartedRun | None:
        """One of `followed`; of the others, executions tell everything."""
        return self.followed.get(flow_run_id)

    def close(self) -> None:
        """There is nothing left to end."""
        self.closed = True

    def _run(self, cell: StepRun, execution_id: int, flow_run_id: str) -> None:
        task = str(uuid4())
        start_execution(execution_id, RunningTask(task, flow_run_id, 1, cell.planned))
        try:
            complete_execution(task, self.work(cell))
        except Exception as error:  # noqa: BLE001 - as a task does
            fail_execution(task, str(error), type(error).__name__)
