"""What the routes and the page need of whoever starts runs; `prefect_runs.py` is who does."""

from concurrent.futures import Future
from dataclasses import dataclass
from typing import Protocol

from steps.accruals.gate import Override
from steps.catalog import Step
from steps.domain.months import MonthWindow
from steps.errors import SyncError


class TooManyRunsError(SyncError):
    """This server is working on, or waiting for, as much as it can."""


class OtherDatabaseError(SyncError):
    """A worker did the run, and wrote what it did to another database than this server's."""


@dataclass(frozen=True)
class StartedRun:
    """A flow run that was asked for; who does it, and where, is not to be seen."""

    flow_run_id: str
    ended: "Future[str]"
    """Resolves with the last words of the run when it has ended, however it did."""


class StepRuns(Protocol):
    """What the routes need: tests put runs of their own here."""

    def start(self, step: Step, span: MonthWindow, override: Override | None = None) -> StartedRun:
        """Begin a run of one step over these months; an override is for accruals alone."""

    def follow(self, flow_run_id: str) -> StartedRun | None:
        """A run that was started earlier; None when only its executions can tell what becomes of it."""

    def close(self) -> None:
        """End what this server does itself."""


def unended() -> "Future[str]":
    """The `ended` of a run that goes on whoever stops waiting for it: a cancelled waiter must not cancel it."""
    ended: Future[str] = Future()
    ended.set_running_or_notify_cancel()
    return ended
