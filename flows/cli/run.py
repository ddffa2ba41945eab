"""Commands that run something: the import, accruals, a plan, records again; with the sandbox if asked."""

import json
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from enum import IntEnum
from getpass import getuser
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from flows.cli.output import RunView, show_outcome, state_grids
from flows.plan import (
    Assessment,
    ImportStep,
    Only,
    StepRunState,
    TypedOptions,
    assess,
    make_plan,
    step_runs_of,
    steps_from,
)
from flows.prefect_server import prefect_api, quiet_prefect
from steps.catalog import ACCRUALS
from steps.errors import UsageError
from steps.ledger.months import MonthWindow
from steps.sandbox.server import SandboxServer, serve_sandbox
from steps.sandbox.world import build_world
from steps.settings import SyncSettings
from tracking.database import get_engine
from tracking.recorder import Overlap
from tracking.settings import default_database_url

_LOCAL_RATE = "1000"
"""Requests a second: a server on loopback has no quota."""


def use_sandbox_database() -> bool:
    """Point `SYNC_DATABASE_URL` to the sandbox's own database, unless it is set. Whether it was not."""
    if os.environ.get("SYNC_DATABASE_URL"):
        return False
    os.environ["SYNC_DATABASE_URL"] = default_database_url("sandbox")
    return True


@contextmanager
def sandboxed() -> Iterator[SandboxServer]:
    """Serve the academy on loopback and let the environment point to it.

    Raises:
        UsageError: a remote backend is configured; it would ask the real vendors.
    """
    settings: SyncSettings = SyncSettings.load()
    if settings.backend_url:
        raise UsageError("--sandbox does not go with SYNC_BACKEND_URL: unset the one or leave out the other")
    use_sandbox_database()
    with serve_sandbox(build_world()) as server:
        rates = {f"{vendor}_RATE": _LOCAL_RATE for vendor in ("HOLDED", "FOURGEEKS", "NOTION")}
        os.environ.update(server.environment | rates)
        yield server


OverlapOption = Annotated[
    str,
    typer.Option(metavar="HOW", help="When another run works on a step and month: wait for it, or refuse (and fail)."),
]

OverrideOption = Annotated[
    str | None,
    typer.Option(metavar="REASON", help="Accruals only: accrue although gate or policy refuse the month."),
]


class ExitStatus(IntEnum):
    """What a shell is told (docs/interfaces.md, Command line)."""

    COMPLETED = 0
    FAILED = 1
    WRONG_USAGE = 2
    INTERRUPTED = 130


def run(options: TypedOptions, *, sandbox: bool, as_json: bool) -> ExitStatus:
    """Check everything, run the flow, show what came of it."""
    step, span = options.resolve()
    title = _title(options, step, span) + (", on the sandbox" if sandbox else "")
    state = run_flow(title, lambda: _start_flow(options, step, span), sandbox=sandbox)
    flow_run_id = str(state.state_details.flow_run_id)
    show_outcome(flow_run_id, str(state.name), state.message, as_json=as_json)
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
        stack.enter_context(RunView(title))
        if sandbox:
            stack.enter_context(sandboxed())
        get_engine()  # a database that cannot be used is said before Prefect boots
        quiet_prefect()
        stack.enter_context(prefect_api(meanwhile=_import_flows))
        return start()


def _import_flows() -> None:
    """What all flows import takes seconds, and a temporary server as many to boot."""
    import flows.run_steps  # noqa: F401 - the flow itself is imported when it is called


def login_name() -> str:
    """The name of the user of this machine; empty where it knows none, as in some containers."""
    try:
        return getuser().strip()
    except (OSError, KeyError):
        return ""


def _title(options: TypedOptions, step: str, span: MonthWindow) -> str:
    what = "Accruals" if step == ACCRUALS.id else f"Import from {step}"
    which = f", only what is {options.only}" if options.only else f", plan {options.plan}" if options.plan else ""
    return f"{what}, {span}{which}"


def _start_flow(options: TypedOptions, step: str, span: MonthWindow) -> Any:
    from flows.process_accruals import process_accruals
    from flows.sync_import import sync_import

    asked: dict[str, Any] = {
        "start_date": span.start,
        "end_date": span.end,
        "only": Only(options.only) if options.only else None,
        "plan": options.plan,
        "overlap": Overlap(options.overlap),
    }
    if step == ACCRUALS.id:
        asked |= {"override": options.override, "override_by": login_name()}
        return process_accruals(**asked, return_state=True)
    return sync_import(ImportStep(step), **asked, return_state=True)


_SHOWN_REASONS = 20


def plan_run(
    from_step: Annotated[str | None, typer.Option(metavar="STEP", help="First step.")] = None,
    year: Annotated[str | None, typer.Option(metavar="YYYY", help="Whole year.")] = None,
    start_date: Annotated[str | None, typer.Option(metavar="YYYY-MM-01", help="First month, included.")] = None,
    end_date: Annotated[str | None, typer.Option(metavar="YYYY-MM-01", help="Month to stop before, excluded.")] = None,
    only: Annotated[str | None, typer.Option(metavar="STATE", help="Only failed, missing or stale cells.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object instead of tables.")] = False,
) -> None:
    """Show where each step and month stands, and keep the plan, without running anything."""
    step, span = TypedOptions(from_step, year, start_date, end_date, only=only).resolve()
    settings: SyncSettings = SyncSettings.load()
    cells = step_runs_of((ACCRUALS,) if step == ACCRUALS.id else steps_from(step), span, settings)
    everything = assess(cells, settings.zone)
    chosen = [each for each in everything if only is None or each.state == Only(only).value]
    plan_id = make_plan(chosen, span)
    if as_json:
        answer = {"plan": plan_id, "cells": [_as_json(each) for each in chosen]}
        print(json.dumps(answer, indent=2))  # noqa: T201 - the one thing on standard output
        return
    _show(everything, chosen, plan_id)


def run_plan(
    plan: Annotated[int, typer.Option(help="Id of a plan that `sync-actions plan` made.", min=1)],
    overlap: OverlapOption = Overlap.wait,
    override: OverrideOption = None,
    sandbox: Annotated[bool, typer.Option("--sandbox", help="Use the built-in sandbox as the three vendors.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="End with one JSON object on standard output.")] = False,
) -> None:
    """Run exactly the cells of a plan, or refuse because something ran since it was made."""
    options = TypedOptions(plan=plan, overlap=overlap, override=override)
    raise typer.Exit(run(options, sandbox=sandbox, as_json=as_json))


def _show(everything: Sequence[Assessment], chosen: Sequence[Assessment], plan_id: int) -> None:
    console = Console(highlight=False)
    for table in state_grids(everything):
        console.print(table)
    reasons = [
        each for each in everything if each.state in {StepRunState.failed, StepRunState.stale, StepRunState.running}
    ]
    for each in reasons[:_SHOWN_REASONS]:
        console.print(Text(f"{each.step_run.name} is {each.state}: {each.why}"))
    if len(reasons) > _SHOWN_REASONS:
        console.print(f"... and {len(reasons) - _SHOWN_REASONS} more; --json shows them all")
    counts = Counter(str(each.state) for each in everything)
    console.print(", ".join(f"{count} {state}" for state, count in counts.items()))
    console.print(
        f"Plan {plan_id}: {len(chosen)} executions. Run exactly these with: sync-actions run --plan {plan_id}"
    )


def _as_json(assessment: Assessment) -> dict[str, object]:
    window = assessment.step_run.window
    return {
        "step": assessment.step_run.step.id,
        "month": window.start.isoformat() if window else None,
        "state": assessment.state,
        "why": assessment.why,
        "execution_id": assessment.execution_id,
    }
