"""A run that was started from the page: its progress while it works, what came of it, and word when something fails."""

import asyncio
from collections.abc import Awaitable, Callable

from nicegui import ui

from flows.api.step_runs import StartedRun
from flows.page.executions import execution_rows
from flows.page.markup import Tag, announcer
from flows.page.notices import Complaint, ask, tell
from flows.page.visit import Visit
from flows.page.wording import failures_text
from steps.accruals.gate import Override
from steps.catalog import Step
from steps.domain.months import MonthWindow
from tracking.execution import OPEN_STATUSES, ExecutionStatus, SyncExecution
from tracking.history import executions_of_run

_POLL_SECONDS = 0.7


class RunProgress:
    """Shows one run at a time, by asking the history about it."""

    def __init__(self, visit: Visit, at_end: Callable[[], Awaitable[None]] | None = None) -> None:
        """Args: `at_end` is called when a run that was watched has ended."""
        self._visit, self._name = visit, ""
        self._run: StartedRun | None = None
        self._at_end = at_end
        self._seen: list[tuple[int | None, str]] = []
        self._complaint = Complaint()
        self._panel = Tag("section", classes="panel", aria_label=visit.texts("run.latest"))
        with self._panel:
            Tag("h3", visit.texts("run.latest"))
            self._line = announcer()
            self._bar = ui.linear_progress(0.0, show_value=False, size="8px").props("rounded instant-feedback")
            self._bar.props["aria-label"] = visit.texts("run.latest")
            self._rows = Tag("div")
        self._panel.set_visibility(False)
        self._timer = ui.timer(_POLL_SECONDS, self._look, active=False)

    async def start(self, step: Step, span: MonthWindow, override: Override | None = None) -> None:
        """Start a step as the API does, and watch it; it goes on when the browser is closed."""
        await self.watch(self._visit.texts(f"step.{step.id}"), lambda: self._visit.runs.start(step, span, override))

    async def watch(self, name: str, start: Callable[[], StartedRun]) -> None:
        """Start a run under this name and watch it."""
        texts = self._visit.texts
        self._name, self._complaint = name, Complaint()
        self._line.set_text(texts("run.starting"))
        self._rows.clear()
        self._bar.set_value(0.0)
        self._panel.set_visibility(True)
        self._run, self._seen = await ask(texts, start), []
        if self._run is None:
            self._panel.set_visibility(False)
            return
        self._line.set_text(texts("run.started", step=name))
        self._timer.activate()

    async def _look(self) -> None:
        if self._run is None:
            return
        ended = self._run.ended.done()  # asked first: what is read after it is all there will be
        executions = await asyncio.to_thread(executions_of_run, self._run.flow_run_id)
        now = [(each.id, each.status) for each in executions]
        if now != self._seen:
            self._seen = now
            self._show(executions)
        elif ended:
            self._finish_empty(self._run)
        if self._at_end and not self._timer.active:
            await self._at_end()

    def _finish_empty(self, run: StartedRun) -> None:
        """A run that ended without a single execution says why by itself."""
        self._timer.deactivate()
        self._line.set_text(str(run.ended.exception() or run.ended.result()))
        tell(self._line.text, good=False)

    def _show(self, executions: list[SyncExecution]) -> None:
        texts, total = self._visit.texts, len(executions)
        done = sum(each.status not in OPEN_STATUSES for each in executions)
        failed = sum(each.status == ExecutionStatus.FAILED for each in executions)
        self._rows.clear()
        with self._rows:
            execution_rows(self._visit, executions)
        self._bar.set_value(done / total if total else 0.0)
        if failed:
            self._complaint.say(failures_text(texts, self._name, executions))
        if done < total or not total:
            self._line.set_text(texts("run.progress", done=done, total=total))
            return
        self._timer.deactivate()
        key = "run.failed" if failed else "run.done"
        self._line.set_text(texts(key, step=self._name, total=total, failed=failed))
        if not failed:
            tell(self._line.text, good=True)
