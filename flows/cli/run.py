"""Run a flow from the command line, in this process, and answer with an exit status."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum
from getpass import getuser
from typing import Annotated, Any

import typer

from flows.assessment import Only
from flows.cli.outcome import show_outcome
from flows.cli.prefect_api import prefect_api, quiet_prefect
from flows.cli.progress_view import RunView
from flows.order import IMPORT_ORDER, ImportStep
from flows.parameters import (
    AskedRange,
    parse_month_date,
    parse_step,
    parse_year,
    resolve_override,
    resolve_range,
)
from flows.planning import cells_of_plan
from steps.catalog import ACCRUALS
from steps.domain.months import MonthWindow
from steps.errors import UsageError
from steps.progress import listening
from steps.settings import SyncSettings
from tracking.database import get_engine
from tracking.recorder import Overlap

OverlapOption = Annotated[
    str,
    typer.Option(metavar="HOW", help="When another run works on a step and month: wait for it, or refuse (and fail)."),
]

OverrideOption = Annotated[
    str | None,
    typer.Option(metavar="REASON", help="Accruals only: accrue although the import of a month is broken."),
]


class ExitStatus(IntEnum):
    """What a shell is told (interfaces.md, Command line)."""

    COMPLETED = 0
    FAILED = 1
    WRONG_USAGE = 2
    INTERRUPTED = 130


@dataclass(frozen=True)
class Request:
    """The options of a run, as they were typed."""

    from_step: str | None = None
    year: str | None = None
    start_date: str | None = None
    end_date: str | None = None
    only: str | None = None
    overlap: str = Overlap.wait
    plan: int | None = None
    """Run this plan; what says which steps and months does not go with it."""
    override: str | None = None
    sandbox: bool = False
    as_json: bool = False

    def resolve(self) -> tuple[str, MonthWindow]:
        """The first step and the range of months; whatever was typed is looked at.

        Raises:
            UsageError: one line that says what was given and what is allowed.
        """
        step, span = self._range()
        resolve_override(step, self.override, "")
        return step, span

    def _range(self) -> tuple[str, MonthWindow]:
        settings: SyncSettings = SyncSettings.load()
        if self.only is not None and self.only not in set(Only):
            raise UsageError(f"only {self.only!r} is not known: one of {', '.join(Only)} is expected")
        if self.overlap not in set(Overlap):
            raise UsageError(f"overlap {self.overlap!r} is not known: one of {', '.join(Overlap)} is expected")
        if self.plan is not None:
            cells, span = cells_of_plan(self.plan, settings.zone)
            return cells[0].step.id if cells else IMPORT_ORDER[0].id, span
        step = parse_step(self.from_step or IMPORT_ORDER[0].id)
        start = None if self.start_date is None else parse_month_date("start date", self.start_date)
        end = None if self.end_date is None else parse_month_date("end date", self.end_date)
        year = None if self.year is None or (start and end) else parse_year(self.year)
        return step, resolve_range(AskedRange(year, start, end), datetime.now(UTC), settings)


def run(request: Request) -> ExitStatus:
    """Check everything, run the flow, show what came of it."""
    step, span = request.resolve()
    state = run_flow(_title(request, step, span), lambda: _start_flow(request, step, span), sandbox=request.sandbox)
    flow_run_id = str(state.state_details.flow_run_id)
    show_outcome(flow_run_id, str(state.name), state.message, as_json=request.as_json)
    if state.is_cancelled():
        return ExitStatus.INTERRUPTED
    return ExitStatus.COMPLETED if state.is_completed() else ExitStatus.FAILED


def run_flow(title: str, start: Callable[[], Any], *, sandbox: bool) -> Any:
    """Run a flow in this process, telling what it does. Returns its final state.

    Args:
        title: What a person reads first.
        start: Imports the flow and runs it; called once Prefect is ready.
        sandbox: Serve the three vendors from the built-in sandbox meanwhile.
    """
    with ExitStack() as stack:
        view = stack.enter_context(RunView(title))
        stack.enter_context(listening(view.hear))
        if sandbox:
            from flows.cli.sandbox import sandboxed

            stack.enter_context(sandboxed())
        get_engine()  # a database that cannot be used is said before Prefect boots
        quiet_prefect()
        stack.enter_context(prefect_api())
        return start()


def login_name() -> str:
    """The name of the user of this machine; empty where it knows none, as in some containers."""
    try:
        return getuser().strip()
    except (OSError, KeyError):
        return ""


def _title(request: Request, step: str, span: MonthWindow) -> str:
    what = "Accruals" if step == ACCRUALS.id else f"Import from {step}"
    which = f", only what is {request.only}" if request.only else f", plan {request.plan}" if request.plan else ""
    return f"{what}, {span}{which}" + (", on the sandbox" if request.sandbox else "")


def _start_flow(request: Request, step: str, span: MonthWindow) -> Any:
    from flows.process_accruals import process_accruals
    from flows.sync_import import sync_import

    asked: dict[str, Any] = {
        "start_date": span.start,
        "end_date": span.end,
        "only": Only(request.only) if request.only else None,
        "plan": request.plan,
        "overlap": Overlap(request.overlap),
    }
    if step == ACCRUALS.id:
        asked |= {"override": request.override, "override_by": login_name()}
        return process_accruals(**asked, return_state=True)
    return sync_import(ImportStep(step), **asked, return_state=True)
