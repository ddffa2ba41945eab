"""What commands print: tables for people, JSON for programs."""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from steps.catalog import ACCRUALS
from steps.errors import UsageError
from steps.results import RecordedResult, amounts_in_words
from tracking.history import executions_of_run, pending_errors_by_kind
from tracking.models import ExecutionStatus, SyncExecution

if TYPE_CHECKING:
    from flows.plan import Assessment


_COUNTS = {"processed": "read", "created": "created", "updated": "updated", "skipped": "skipped"}
"""What a result counts -> the heading of its column; short ones, so that the table fits."""
_STATUS_STYLE: dict[str, str] = {
    ExecutionStatus.COMPLETED: "green",
    ExecutionStatus.FAILED: "bold red",
    ExecutionStatus.RUNNING: "cyan",
    ExecutionStatus.PENDING: "dim",
}


_STATE_MARKS = {
    "completed": ("ok", "green"),
    "failed": ("FAIL", "bold red"),
    "missing": ("-", "dim"),
    "running": ("run", "cyan"),
    "stale": ("old", "yellow"),
}
"""`StepRunState` -> three letters, so that a year fits, and their colour."""
GridCell = tuple[str, date | None, Text]
"""Step, month (None: once a run), and what is shown."""


def grids(executions: Sequence[SyncExecution]) -> Iterator[Group]:
    """Steps x months, a table for each year: how many records each window processed, or how it ended."""
    cells = [(execution.step_name, execution.window_start, _cell(execution)) for execution in executions]
    yield from _grids("Records processed", cells)


def state_grids(assessments: "Iterable[Assessment]") -> Iterator[Group]:
    """Steps x months, a table for each year: where each step run stands."""
    cells = [
        (each.step_run.step.id, each.step_run.window.start if each.step_run.window else None, _mark(each.state))
        for each in assessments
    ]
    yield from _grids("Where it stands", cells)


def _grids(what: str, cells: Sequence[GridCell]) -> Iterator[Group]:
    by_year: dict[int | None, list[GridCell]] = defaultdict(list)
    for cell in cells:
        by_year[cell[1].year if cell[1] else None].append(cell)
    for year, of_year in sorted(by_year.items(), key=lambda item: item[0] or 0):
        yield _grid(f"{what} in {year}, by step and month" if year else f"{what}, once a run", of_year)


def _grid(title: str, cells: Sequence[GridCell]) -> Group:
    months = sorted({month for _, month, _ in cells}, key=str)
    table = _narrow_table()
    for month in months:
        table.add_column(f"{month:%b}" if month else "all", justify="right", no_wrap=True)
    for step in dict.fromkeys(step for step, _, _ in cells):
        texts = {month: text for name, month, text in cells if name == step}
        table.add_row(step, *(texts.get(month, "") for month in months))
    return _titled(title, table)


def _mark(state: str) -> Text:
    return Text(_STATE_MARKS[state][0], style=_STATE_MARKS[state][1])


def accrual_table(executions: Sequence[SyncExecution]) -> Group:
    """Accruals month by month: how many contracts were decided how, and what was accrued."""
    table = Table(box=box.SIMPLE_HEAD, padding=0)
    for heading in ("month", "contracts", "accrued", "skipped", "failed", "closed", "canceled", "notes"):
        table.add_column(heading, justify="left" if heading == "month" else "right", no_wrap=True)
    for execution in executions:
        month = f"{execution.window_start:%Y-%m}" if execution.window_start else "all"
        table.add_row(month, *_accrual_cells(execution))
    return _titled("Accruals, by month", table)


def _accrual_cells(execution: SyncExecution) -> Iterator[str | Text]:
    result = RecordedResult(execution.result)
    summary, accrued = result.summary, result.accrued
    if summary is None or not summary.as_json():
        yield status_text(execution.status)
        return
    yield str(summary.count("total_contracts_processed"))
    yield ("-" if accrued is None else "\n".join(amounts_in_words(accrued, ",")) or "0.00")
    for name in ("skipped_accruals", "failed_accruals"):
        yield str(summary.count(name))
    for name in ("contracts_closed", "contracts_canceled"):
        yield str(result.count(name)) if name in result.as_json() else "-"
    yield str(len(result.notifications))


def _narrow_table() -> Table:
    """A year fits a terminal of 80 columns."""
    table = Table(box=box.SIMPLE_HEAD, padding=0)
    table.add_column("step", no_wrap=True)
    return table


def _titled(title: str, table: Table) -> Group:
    """A title of its own line: a table's own title is wrapped to the table's width."""
    return Group(Text(title, style="bold"), table)


def _cell(execution: SyncExecution) -> Text:
    done = execution.status == ExecutionStatus.COMPLETED
    return status_text(execution.status, str(_count(execution, "processed")) if done else None)


def status_text(status: str, shown: str | None = None) -> Text:
    """A status (or what is shown in its place) in its colour."""
    return Text(shown or status, style=_STATUS_STYLE.get(status, ""))


def counts_table(executions: Sequence[SyncExecution]) -> Group:
    """Each step's counts over all its windows."""
    table = _narrow_table()
    for heading in ("runs", "failed", *_COUNTS.values(), "errors", "seconds"):
        table.add_column(heading, justify="right", no_wrap=True)
    for step, rows in _by_step(executions).items():
        failed = sum(row.status == ExecutionStatus.FAILED for row in rows)
        counts = [sum(_count(row, name) for row in rows) for name in _COUNTS]
        errors = sum(_count(row, "errors") for row in rows)
        table.add_row(step, str(len(rows)), str(failed), *map(str, counts), str(errors), f"{_seconds(rows):.1f}")
        clients = {name: sum(_count(row, f"clients_{name}") for row in rows) for name in ("created", "updated")}
        if any("clients_created" in (row.result or {}) for row in rows):
            table.add_row("  clients", "", "", "", str(clients["created"]), str(clients["updated"]), "", "", "")
    return _titled("Counts, by step", table)


def _by_step(executions: Iterable[SyncExecution]) -> dict[str, list[SyncExecution]]:
    by_step: dict[str, list[SyncExecution]] = defaultdict(list)
    for execution in executions:
        by_step[execution.step_name].append(execution)
    return by_step


def _count(execution: SyncExecution, name: str) -> int:
    return RecordedResult(execution.result).count(name)


def _seconds(rows: Iterable[SyncExecution]) -> float:
    return sum(
        (row.completed_at - row.started_at).total_seconds() for row in rows if row.started_at and row.completed_at
    )


_SHOWN_NOTIFICATIONS = 10


def show_outcome(flow_run_id: str, state: str, message: str | None, *, as_json: bool) -> None:
    """What came of a run: one JSON object, or two tables and a sentence."""
    executions = executions_of_run(flow_run_id)
    if as_json:
        answer = {"flow_run_id": flow_run_id, "state": state, "executions": [execution_json(e) for e in executions]}
        print_json(answer)
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
    notifications = RecordedResult(execution.result).notifications
    for note in notifications[:_SHOWN_NOTIFICATIONS]:
        about = f"contract {note.contract_id}: " if note.contract_id else ""
        console.print(Text(f"{execution.name}: {about}{note.message}", style="yellow"))
    if (more := len(notifications) - _SHOWN_NOTIFICATIONS) > 0:
        console.print(f"... and {more} more: sync-actions history --step accruals --json")


def _show_overrides(console: Console, executions: Iterable[SyncExecution]) -> None:
    """Which months were accrued although they were refused, by whom and why."""
    for execution in executions:
        if override := RecordedResult(execution.result).override:
            what = "; ".join(override.overridden) or "nothing had to be overridden"
            line = f"{execution.name}: override by {override.by} ({override.reason}): {what}"
            console.print(Text(line, style="yellow"))


def print_json(value: Any, *, ensure_ascii: bool = True) -> None:
    """The one thing on standard output, for programs."""
    print(json.dumps(value, indent=2, ensure_ascii=ensure_ascii))  # noqa: T201


def execution_json(execution: SyncExecution) -> dict[str, Any]:
    """One execution as `--json` shows it (docs/interfaces.md, Command line)."""
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


def write_file(path: Path, content: bytes) -> None:
    """Write a file that somebody asked for.

    Raises:
        UsageError: it cannot be written.
    """
    try:
        path.write_bytes(content)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from None
