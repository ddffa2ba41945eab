"""Tables for a terminal of 80 columns: steps by months, counts by step, accruals by month."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import date

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from flows.assessment import Assessment, CellState
from steps.report import amount_accrued_of, count_of, notifications_of, summary_of
from tracking.execution import ExecutionStatus, SyncExecution

_COUNTS = {"processed": "read", "created": "created", "updated": "updated", "skipped": "skipped"}
"""What a result counts -> the heading of its column; short ones, so that the table fits."""
_STATUS_STYLE: dict[str, str] = {
    ExecutionStatus.COMPLETED: "green",
    ExecutionStatus.FAILED: "bold red",
    ExecutionStatus.RUNNING: "cyan",
    ExecutionStatus.PENDING: "dim",
}


_STATE_MARKS = {
    CellState.completed: ("ok", "green"),
    CellState.failed: ("FAIL", "bold red"),
    CellState.missing: ("-", "dim"),
    CellState.running: ("run", "cyan"),
    CellState.stale: ("old", "yellow"),
}
GridCell = tuple[str, date | None, Text]
"""Step, month (None: once a run), and what is shown."""


def grids(executions: Sequence[SyncExecution]) -> Iterator[Group]:
    """Steps x months, a table for each year: how many records each window processed, or how it ended."""
    cells = [(execution.step_name, execution.window_start, _cell(execution)) for execution in executions]
    yield from _grids("Records processed", cells)


def state_grids(assessments: Iterable[Assessment]) -> Iterator[Group]:
    """Steps x months, a table for each year: where each cell stands."""
    cells = [
        (each.cell.step.id, each.cell.window.start if each.cell.window else None, _mark(each.state))
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


def _mark(state: CellState) -> Text:
    """A state in three letters, so that a year fits."""
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
    result = execution.result or {}
    if not (summary := summary_of(result)):
        yield status_text(execution.status)
        return
    accrued = amount_accrued_of(result)
    yield str(count_of(summary, "total_contracts_processed"))
    yield "-" if accrued is None else f"{accrued:,.2f}"
    for name in ("skipped_accruals", "failed_accruals"):
        yield str(count_of(summary, name))
    for name in ("contracts_closed", "contracts_canceled"):
        yield str(count_of(result, name)) if name in result else "-"
    yield str(len(notifications_of(result)))


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
    return count_of(execution.result or {}, name)


def _seconds(rows: Iterable[SyncExecution]) -> float:
    return sum(
        (row.completed_at - row.started_at).total_seconds() for row in rows if row.started_at and row.completed_at
    )
