"""Starts what was asked for as a flow run: a worker does it if there is one, else this process.

One Prefect API serves the whole life of the app: the configured one, else a temporary server, booted when it is first
needed. Only the configured one can have deployments and workers, and whether it has is looked up at each start. Claims
make two runs of one window take turns, whoever does them (`tracking/recorder.py`).
"""

from collections.abc import Sequence
from contextlib import ExitStack
from contextvars import Context, copy_context
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING

import httpx

from flows.api.step_runs import StartedRun
from flows.cli.prefect_api import PrefectUnavailableError, prefect_api
from steps.accruals.gate import Override
from steps.catalog import Step
from steps.domain.months import MonthWindow

if TYPE_CHECKING:  # Prefect takes seconds to import: it is imported when it is first needed
    from flows.api.asked_run import AskedRun
    from flows.api.deployed_runs import DeployedRuns
    from flows.api.in_process import InProcessRuns


class PrefectStepRuns:
    """Runs of the flows `execute-step` and `retry-errors`."""

    def __init__(self) -> None:
        self._api, self._opening = ExitStack(), Lock()
        self._open: _Opened | None = None
        self._unended: dict[str, StartedRun] = {}

    def start(self, step: Step, span: MonthWindow, override: Override | None = None) -> StartedRun:
        """Begin a run of one step over these months; an override is for accruals alone.

        Raises:
            TooManyRunsError: as many as this server can do, or watch, have not ended.
            PrefectUnavailableError: there is no Prefect API.
        """
        opened = self._opened()
        from flows.api.asked_run import run_of_step

        return self._begin(opened, run_of_step(step, span, override))

    def retry(self, error_ids: Sequence[int]) -> StartedRun:
        """Begin a run of `retry-errors` over these integration errors; raises as `start` does."""
        opened = self._opened()
        from flows.api.asked_run import run_of_retry

        return self._begin(opened, run_of_retry(error_ids))

    def follow(self, flow_run_id: str) -> StartedRun | None:
        """A run of `execute-step` that was started here, or that a worker does for whoever started it."""
        if known := self._unended.get(flow_run_id):
            return known
        try:
            opened = self._opened()
        except PrefectUnavailableError:
            return None
        if opened.deployed is None:
            return None
        return self._noted(opened.context.copy().run(opened.deployed.follow, flow_run_id))

    def warm_up(self) -> None:
        """Boot the Prefect API now, so that the first run need not wait for it."""
        self._opened()

    def close(self) -> None:
        """End the runs that this process does; those of workers go on."""
        with self._opening:
            if self._open is not None:
                self._open.close()
                self._open.context.run(self._api.close)
                self._open = None

    def _begin(self, opened: "_Opened", asked: "AskedRun") -> StartedRun:
        try:
            started = opened.context.copy().run(opened.begin, asked)
        except httpx.TransportError as error:
            raise PrefectUnavailableError(
                f"The Prefect server does not answer ({type(error).__name__}): nothing is known to have been started"
            ) from None
        self._noted(started)
        return started

    def _noted(self, started: StartedRun | None) -> StartedRun | None:
        if started is not None:
            self._unended[started.flow_run_id] = started
            started.ended.add_done_callback(lambda _: self._unended.pop(started.flow_run_id, None))
        return started

    def _opened(self) -> "_Opened":
        """To be called before anything imports Prefect: one thread at a time does that."""
        with self._opening:
            if self._open is None:
                context = copy_context()
                self._open = context.run(self._enter, context)
            return self._open

    def _enter(self, context: Context) -> "_Opened":
        from prefect.settings import PREFECT_API_URL

        from flows.api.deployed_runs import DeployedRuns
        from flows.api.in_process import InProcessRuns

        lasting = bool(PREFECT_API_URL.value())
        self._api.enter_context(prefect_api())
        here = InProcessRuns()
        return _Opened(context, here, DeployedRuns(here) if lasting else None)


@dataclass(frozen=True)
class _Opened:
    """The Prefect API, and the ways to do a run with it."""

    context: Context
    """In which it is known: Prefect sets it in context variables, not globally."""
    here: "InProcessRuns"
    deployed: "DeployedRuns | None"
    """None with a temporary server: nobody deployed anything to it."""

    def begin(self, asked: "AskedRun") -> StartedRun:
        left_to_worker = self.deployed.begin(asked) if self.deployed else None
        return left_to_worker or self.here.begin(asked)

    def close(self) -> None:
        if self.deployed:
            self.deployed.close()
        self.here.close()
