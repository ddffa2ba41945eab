"""Commands `plan` (look before a run) and `run --plan` (run exactly what was looked at)."""

import json
from collections import Counter
from collections.abc import Sequence
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from flows.assessment import Assessment, CellState, Only, assess
from flows.cells import cells_of
from flows.cli.run import OverlapOption, OverrideOption, Request, run
from flows.cli.tables import state_grids
from flows.order import steps_from
from flows.planning import make_plan
from steps.catalog import ACCRUALS
from steps.settings import SyncSettings
from tracking.recorder import Overlap

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
    request = Request(from_step, year, start_date, end_date, only=only)
    step, span = request.resolve()
    settings: SyncSettings = SyncSettings.load()
    cells = cells_of((ACCRUALS,) if step == ACCRUALS.id else steps_from(step), span, settings)
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
    raise typer.Exit(run(Request(plan=plan, overlap=overlap, override=override, sandbox=sandbox, as_json=as_json)))


def _show(everything: Sequence[Assessment], chosen: Sequence[Assessment], plan_id: int) -> None:
    console = Console(highlight=False)
    for table in state_grids(everything):
        console.print(table)
    reasons = [each for each in everything if each.state in {CellState.failed, CellState.stale, CellState.running}]
    for each in reasons[:_SHOWN_REASONS]:
        console.print(Text(f"{each.cell.name} is {each.state}: {each.why}"))
    if len(reasons) > _SHOWN_REASONS:
        console.print(f"... and {len(reasons) - _SHOWN_REASONS} more; --json shows them all")
    counts = Counter(str(each.state) for each in everything)
    console.print(", ".join(f"{count} {state}" for state, count in counts.items()))
    console.print(
        f"Plan {plan_id}: {len(chosen)} executions. Run exactly these with: sync-actions run --plan {plan_id}"
    )


def _as_json(assessment: Assessment) -> dict[str, object]:
    window = assessment.cell.window
    return {
        "step": assessment.cell.step.id,
        "month": window.start.isoformat() if window else None,
        "state": assessment.state,
        "why": assessment.why,
        "execution_id": assessment.execution_id,
    }
