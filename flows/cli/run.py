"""Run a flow from the command line, in this process, and answer with an exit status."""

from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum
from typing import Any

from flows.cli import screen
from flows.cli.prefect_api import prefect_api, quiet_prefect
from flows.parameters import AskedRange, parse_month_date, parse_step, parse_year, resolve_range
from steps.catalog import ACCRUALS
from steps.domain.months import MonthWindow
from steps.progress import listening
from steps.settings import SyncSettings
from tracking.database import get_engine


class ExitStatus(IntEnum):
    """What a shell is told (interfaces.md, Command line)."""

    COMPLETED = 0
    FAILED = 1
    WRONG_USAGE = 2
    INTERRUPTED = 130


@dataclass(frozen=True)
class Request:
    """The options of a run, as they were typed."""

    from_step: str | None
    year: str | None
    start_date: str | None
    end_date: str | None
    sandbox: bool
    as_json: bool

    def resolve(self) -> tuple[str, MonthWindow]:
        """The first step and the range of months.

        Raises:
            UsageError: one line that says what was given and what is allowed.
        """
        step = parse_step(self.from_step or "services")
        settings: SyncSettings = SyncSettings.load()
        start = None if self.start_date is None else parse_month_date("start date", self.start_date)
        end = None if self.end_date is None else parse_month_date("end date", self.end_date)
        year = None if self.year is None or (start and end) else parse_year(self.year)
        return step, resolve_range(AskedRange(year, start, end), datetime.now(UTC), settings)


def run(request: Request) -> ExitStatus:
    """Check everything, run the flow, show what came of it."""
    step, span = request.resolve()
    flow_run_id: str | None = None
    with ExitStack() as stack:
        view = stack.enter_context(screen.RunView(_title(step, span, sandbox=request.sandbox)))
        stack.enter_context(listening(view.hear))
        if request.sandbox:
            from flows.cli.sandbox import sandboxed

            stack.enter_context(sandboxed())
        get_engine()  # a database that cannot be used is said before Prefect boots
        quiet_prefect()
        stack.enter_context(prefect_api())
        state = _run_flow(step, span)
        flow_run_id = str(state.state_details.flow_run_id)
    screen.show_outcome(flow_run_id, str(state.name), state.message, as_json=request.as_json)
    return ExitStatus.COMPLETED if state.is_completed() else ExitStatus.FAILED


def _title(step: str, span: MonthWindow, *, sandbox: bool) -> str:
    what = "Accruals" if step == ACCRUALS.id else f"Import from {step}"
    return f"{what}, {span}" + (", on the sandbox" if sandbox else "")


def _run_flow(step: str, span: MonthWindow) -> Any:
    from flows.order import ImportStep
    from flows.process_accruals import process_accruals
    from flows.sync_import import sync_import

    if step == ACCRUALS.id:
        return process_accruals(start_date=span.start, end_date=span.end, return_state=True)
    return sync_import(ImportStep(step), start_date=span.start, end_date=span.end, return_state=True)
