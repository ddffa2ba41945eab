"""What came of a run, on standard output: tables for people, or one JSON object for programs."""

import json
from collections.abc import Iterable
from typing import Any

from rich.console import Console
from rich.text import Text

from flows.cli.tables import accrual_table, counts_table, grids
from steps.catalog import ACCRUALS
from steps.report import notifications_of
from tracking.execution import SyncExecution
from tracking.history import executions_of_run, pending_errors_by_kind

_SHOWN_NOTIFICATIONS = 10


def show_outcome(flow_run_id: str, state: str, message: str | None, *, as_json: bool) -> None:
    """What came of a run: one JSON object, or two tables and a sentence."""
    executions = executions_of_run(flow_run_id)
    if as_json:
        answer = {"flow_run_id": flow_run_id, "state": state, "executions": [execution_json(e) for e in executions]}
        print(json.dumps(answer, indent=2))  # noqa: T201 - the one thing on standard output
        return
    console = Console(highlight=False)
    imports = [e for e in executions if e.step_name != ACCRUALS.id]
    accruals = [e for e in executions if e.step_name == ACCRUALS.id]
    if imports:
        for table in (*grids(imports), counts_table(imports)):
            console.print(table)
    if accruals:
        console.print(accrual_table(accruals))
        _show_notifications(console, accruals[-1])
        _show_overrides(console, accruals)
    console.print(Text(f"{state}: {message or ''}", style="green" if state == "Completed" else "bold red"))
    waiting = sum(kind.count for kind in pending_errors_by_kind([e.id for e in executions if e.id is not None]))
    if waiting:
        console.print(f"{waiting} records could not be applied; `sync-actions errors` lists them with the reason.")


def _show_notifications(console: Console, execution: SyncExecution) -> None:
    """What the last month wants a person to look at; the earlier months' are in the history."""
    notifications = notifications_of(execution.result or {})
    for note in notifications[:_SHOWN_NOTIFICATIONS]:
        about = f"contract {note.contract_id}: " if note.contract_id else ""
        console.print(Text(f"{execution.name}: {about}{note.message}", style="yellow"))
    if (more := len(notifications) - _SHOWN_NOTIFICATIONS) > 0:
        console.print(f"... and {more} more: sync-actions history --step accruals --json")


def _show_overrides(console: Console, executions: Iterable[SyncExecution]) -> None:
    """Which months were accrued although they were refused, by whom and why."""
    for execution in executions:
        override = (execution.result or {}).get("override")
        if override:
            what = "; ".join(override["overridden"]) or "nothing had to be overridden"
            line = f"{execution.name}: override by {override['by']} ({override['reason']}): {what}"
            console.print(Text(line, style="yellow"))


def execution_json(execution: SyncExecution) -> dict[str, Any]:
    """One execution as `--json` shows it (interfaces.md, Command line)."""
    times = {"started_at": execution.started_at, "completed_at": execution.completed_at}
    window = {"window_start": execution.window_start, "window_end": execution.window_end}
    return {
        "id": execution.id,
        "step_name": execution.step_name,
        **{name: day.isoformat() if day else None for name, day in window.items()},
        "status": str(execution.status),
        **{name: moment.isoformat().replace("+00:00", "Z") if moment else None for name, moment in times.items()},
        "error_message": execution.error_message,
        "result": execution.result,
    }
