"""Runs that only write down what a run would: the one seam of the API, so that most tests need no Prefect."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from typing import Any
from uuid import uuid4

from flows.plan import StepRun, step_runs_of
from flows.runs import KeyReusedError, RunRequest, Runs, RunStatus, Stage
from steps.catalog import STEPS
from steps.closing import Signature
from steps.context import StepContext
from steps.engine.gate import Override
from steps.ledger.months import MonthWindow
from steps.redo import AskedRedo
from steps.settings import SyncSettings
from tests.steps.accruals.database_ledger import LATER, redo_in_a_run
from tracking.history import executions_of_run
from tracking.recorder import RunningTask, complete_execution, fail_execution, plan_executions, start_execution

Result = dict[str, Any]


def counts_of(step_run: StepRun) -> Result:
    """What a step might answer: as many records as the number of its month."""
    entity, month = step_run.step.entity, step_run.window.start.month if step_run.window else 1
    return {f"{entity}_processed": month, f"{entity}_created": 1, "errors": 0}


@dataclass
class RecordedRuns(Runs):
    """Each run ends at once, with rows of its own in the database."""

    work: Callable[[StepRun], Result] = counts_of
    """What a step_run answers; what it raises fails the step_run."""
    asked: list[tuple[str, str]] = field(default_factory=list)
    """Step and months of each run that was started."""
    overrides: list[Override | None] = field(default_factory=list)
    """Of each run that was started."""
    keys: dict[str | None, tuple[RunRequest, str]] = field(default_factory=dict)
    """Idempotency-Key -> what was asked with it, and its run, as Prefect keeps them."""
    statuses: list[RunStatus] = field(default_factory=list)
    """What is told of a run first, one each time, before its executions tell."""
    cancelled: list[str] = field(default_factory=list)
    closed: bool = False
    worker_wait_seconds: float = 0.0

    def start(self, request: RunRequest, key: str | None = None) -> str:
        """Plan, run and end a run."""
        if key in self.keys and executions_of_run(self.keys[key][1]):  # else it is of another test's database
            first, flow_run_id = self.keys[key]
            if first != request:
                raise KeyReusedError("this Idempotency-Key was used for another request: choose a new one")
            return flow_run_id
        flow_run_id = str(uuid4())
        if request.flow == "redo":
            _redo(request, flow_run_id)
            if key:
                self.keys[key] = request, flow_run_id
            return flow_run_id
        self._record(request)
        step = STEPS[request.parameters["step"]]
        step_runs = step_runs_of((step,), _span(request), SyncSettings.load())
        ids = plan_executions(flow_run_id, [step_run.planned for step_run in step_runs])
        for step_run, execution_id in zip(step_runs, ids, strict=True):
            self._run(step_run, execution_id, flow_run_id)
        if key:
            self.keys[key] = request, flow_run_id
        return flow_run_id

    def status(self, flow_run_id: str) -> RunStatus:
        """What the test says, then what its executions tell."""
        if self.statuses:
            return self.statuses.pop(0)
        return RunStatus(Stage.ended, executions_of_run(flow_run_id))

    def cancel(self, flow_run_id: str) -> None:
        """Note that nobody waits any more."""
        self.cancelled.append(flow_run_id)

    def close(self) -> None:
        """There is nothing left to end."""
        self.closed = True

    def _record(self, request: RunRequest) -> None:
        asked = request.parameters
        self.asked.append((asked["step"], str(_span(request))))
        self.overrides.append(Override(asked["override"], asked["override_by"]) if "override" in asked else None)

    def _run(self, step_run: StepRun, execution_id: int, flow_run_id: str) -> None:
        task = str(uuid4())
        start_execution(execution_id, RunningTask(task, flow_run_id, 1, step_run.planned))
        try:
            complete_execution(task, self.work(step_run))
        except Exception as error:  # noqa: BLE001 - as a task does
            fail_execution(task, str(error), type(error).__name__)


def _redo(request: RunRequest, flow_run_id: str) -> None:
    """What a run of the flow does to the ledger; its failure is in its executions."""
    given = request.parameters
    by = Signature(given["by"], given["reason"])
    override = Override(given["override"], by.who) if "override" in given else None
    asked = AskedRedo.of(date.fromisoformat(given["month"]), by, LATER)
    with StepContext() as context, suppress(Exception):
        redo_in_a_run(context.of_execution(None, override=override), asked, flow_run_id)


def _span(request: RunRequest) -> MonthWindow:
    start, end = (date.fromisoformat(request.parameters[name]) for name in ("start_date", "end_date"))
    return MonthWindow(start, end)
