"""What a run leaves in Prefect for people to look at: its progress, then a summary and charts, or why it failed."""

import logging
from base64 import b64encode
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from decimal import Decimal
from functools import partial, wraps
from html import escape
from textwrap import shorten
from typing import TYPE_CHECKING, Any, ParamSpec
from uuid import UUID

from prefect import runtime
from prefect.artifacts import (
    create_markdown_artifact,
    create_progress_artifact,
    update_progress_artifact,
)
from prefect.client.schemas.objects import State
from prefect.exceptions import FailedRun
from prefect.logging import get_run_logger
from prefect.states import Failed

from steps.catalog import ACCRUALS
from steps.errors import speaks_for_itself
from steps.ledger.months import MonthWindow
from steps.reports.roll_forward import RollForwardChain, draw_roll_forward, roll_forwards
from steps.results import RecordedResult, amounts_in_words
from steps.settings import SyncSettings
from tracking.database import read_session
from tracking.history import ErrorCount, pending_errors_by_kind
from tracking.models import ExecutionStatus, SyncExecution
from tracking.recorder import Overlap

if TYPE_CHECKING:
    from steps.redo import Redone

_WRITTEN = {"created": "new", "updated": "changed", "voided": "void"}
_NOTES_SHOWN = 10
_CONTRACTS_SHOWN = 200
_ERROR_SHOWN = 50


class ProgressBar:
    """The share of a run's executions that have ended, and which one began last, as a progress artifact."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._artifact: UUID | None = best_effort(
            lambda: create_progress_artifact(0.0, key="sync-progress", description="Nothing has begun")
        )

    def show(self, done: int, failed: int, begun: str | None = None) -> None:
        """So many have ended, of which so many failed, and this one begins; None: no more is to be done.

        The line is true of a run that was cancelled too, which cannot change it any more.
        """
        line = f"{done} of {self._total} ended" + (f", {failed} failed" if failed else "")
        line += f", begun: {begun}" if begun else ""
        if (artifact := self._artifact) is not None:
            share = 100.0 * done / max(self._total, 1)
            # Without an answer no more of them: each would take as long as a request may.
            self._artifact = best_effort(lambda: update_progress_artifact(artifact, share, line) and artifact)


def leave_summary(executions: Sequence[SyncExecution], failures: Sequence[str], settings: SyncSettings) -> None:
    """A page about the run. One artifact: Prefect's UI shows several of a run in no order of ours."""
    parameters = runtime.flow_run.parameters
    asked = {name: value for name, value in parameters.items() if value is not None and value is not Overlap.wait}

    def leave() -> None:
        kinds = pending_errors_by_kind([execution.id for execution in executions if execution.id is not None])
        text = summary(asked, executions, failures, kinds, settings.page_url)
        create_markdown_artifact(text, key="run-summary", description=_completed(executions))

    best_effort(leave)


def _completed(executions: Sequence[SyncExecution]) -> str:
    completed = sum(each.status == ExecutionStatus.COMPLETED for each in executions)
    return f"{completed} of {len(executions)} steps and months completed"


def summary(
    asked: dict[str, Any],
    executions: Sequence[SyncExecution],
    failures: Sequence[str],
    kinds: Sequence[ErrorCount],
    page_url: str | None,
) -> str:
    """The page about a run, as markdown: what was asked, what changed in the ledger, what needs a person, what is next.

    Each execution with its counts is under that. `failures` are what failed and why.
    """
    parameters = ", ".join(f"{name.replace('_', ' ')} `{value}`" for name, value in asked.items())
    need = list(_need_a_person(executions, failures, kinds, page_url)) or ["Nothing."]
    return "\n\n".join(
        [
            f"**{_completed(executions)}.** Asked: {parameters or 'the defaults'}.",
            "## What changed in the ledger",
            "\n".join(_changes(executions)),
            "## What needs a person",
            "\n".join(f"- {each}" for each in need),
            "## What to do next",
            "\n".join(f"- {each}" for each in _next(executions, failures, kinds)),
            "## Every step and month",
            "\n".join(_table([execution_row(execution) for execution in executions])),
        ]
    )


def _changes(executions: Sequence[SyncExecution]) -> Iterator[str]:
    """Rows written, by what they are, as a table; and what was accrued."""
    results = [RecordedResult(execution.result) for execution in executions]
    written: dict[str, Counter[str]] = defaultdict(Counter)
    for name, value in (count for result in results for count in result.counts()):
        entity, _, what = name.rpartition("_")
        if value and entity and what in _WRITTEN:
            written[entity][what] += value
    months = [result.accrued for result in results if result.accrued]
    accrued: dict[str, Decimal] = defaultdict(Decimal)
    for currency, amount in (each for month in months for each in month.items()):
        accrued[currency] += amount
    if written:
        yield f"| | {' | '.join(_WRITTEN.values())} |"
        yield "| --- | ---: | ---: | ---: |"
    for entity, counts in written.items():
        yield f"| {entity.replace('_', ' ')} | {' | '.join(str(counts[what]) for what in _WRITTEN)} |"
    if accrued:
        amounts = " and ".join(amounts_in_words(dict(sorted(accrued.items())), ","))
        yield f"\n{amounts} accrued in {len(months)} month{'' if len(months) == 1 else 's'}."
    if not written and not accrued:
        is_done = all(execution.status == ExecutionStatus.COMPLETED for execution in executions)
        yield "Nothing: all of it was there already." if is_done else "Nothing."


def _need_a_person(
    executions: Sequence[SyncExecution], failures: Sequence[str], kinds: Sequence[ErrorCount], page_url: str | None
) -> Iterator[str]:
    """A line for each thing that nobody but a person can put right."""
    page = f" [See them on the page]({page_url.rstrip('/')}/en/todo)." if page_url else ""
    yield from (f"Failed: {_plain(each)}" for each in failures)
    new = sum(kind.count for kind in kinds)
    if errors := max(new, sum(RecordedResult(execution.result).count("errors") for execution in executions)):
        which = ", ".join(f"{_counted(kind)} ({kind.operation})" for kind in kinds) or "none"
        times = "Once" if errors == 1 else f"{errors} times"
        yield f"{times} a record could not be applied, while all others were. New in this run: {which}.{page}"
    # What is said of a contract month after month is said once, as it was in the last one.
    newest = {
        note.contract_id or note.message: (execution, note)
        for execution in executions
        for note in RecordedResult(execution.result).notifications
    }
    notes = list(newest.values())
    for execution, note in notes[:_NOTES_SHOWN]:
        yield f"{execution.name}{f', contract {note.contract_id}' if note.contract_id else ''}: {_plain(note.message)}"
    if len(notes) > _NOTES_SHOWN:
        yield f"And {len(notes) - _NOTES_SHOWN} more notes: `sync-actions history --step accruals`."


def _counted(kind: ErrorCount) -> str:
    return f"{kind.count} {kind.entity_type.replace('_', ' ')}{'' if kind.count == 1 else 's'}"


def _plain(text: str) -> str:
    """In one line, and no part of the page: a vendor's error may be HTML."""
    return escape(" ".join(text.split()), quote=False)


def _next(executions: Sequence[SyncExecution], failures: Sequence[str], kinds: Sequence[ErrorCount]) -> Iterator[str]:
    """A line for each thing that is to be done now."""
    accrued = [each.window_start for each in executions if each.step_name == ACCRUALS.id and each.window_start]
    if failures:
        yield (
            "Put right what the reasons name; if a vendor is down, wait. Then start the same run again: what is done "
            "already is not done twice, and `due` under “only what is not done” leaves it out."
        )
    if kinds or any(RecordedResult(execution.result).count("errors") for execution in executions):
        yield (
            "See the records in trouble with `sync-actions errors`, repair them at the vendor, then "
            "`sync-actions errors retry`; ignore those that are right as they are."
        )
    if accrued and not failures:
        month = f"{max(accrued):%Y-%m}"
        yield f"Look at the report, and close the month when its books are right: `sync-actions close {month}`."
    elif not failures:
        yield "Accrue these months: `process-accruals`. The monthly import starts it by itself."


def _table(rows: Sequence[dict[str, Any]]) -> Iterator[str]:
    for number, row in enumerate(rows):
        if number == 0:
            yield f"| {' | '.join(row)} |"
            yield f"|{' --- |' * len(row)}"
        yield f"| {' | '.join(_plain(str(value)).replace('|', '&#124;') for value in row.values())} |"


def execution_row(execution: SyncExecution) -> dict[str, Any]:
    """One execution as people read it: Prefect's tables are narrow, and each reason is told in full above it."""
    started, ended = execution.started_at, execution.completed_at
    error = shorten(execution.error_message or "-", _ERROR_SHOWN, placeholder=" ...")
    return {
        "step and month": execution.name,
        "status": execution.status,
        "seconds": round((ended - started).total_seconds(), 2) if started and ended else "-",
        "result": RecordedResult(execution.result).line if execution.result else error,
    }


def best_effort(leave: Callable[[], Any]) -> Any:
    """Leave an artifact or an event, or a line in the log: it is never worth failing a run for."""
    try:
        return leave()
    except Exception as error:  # noqa: BLE001 - whatever Prefect's API answers, the run's work is done
        get_run_logger().warning("An artifact or an event could not be left: %s", error)
        return None


def leave_redone(found: "Redone") -> None:
    """What a redo changed, or would change: contract by contract, and the totals."""
    rows = [
        {
            "client": each.contract.client or each.contract.email,
            "contract": each.contract.id,
            "old": f"{each.old:,.2f}",
            "new": f"{each.new:,.2f}",
            "difference": f"{each.difference:,.2f} {each.currency}",
            "why": each.why,
        }
        for each in found.contracts[:_CONTRACTS_SHOWN]
    ]
    left_out = len(found.contracts) - len(rows)
    more = [f"\nAnd {left_out} more contracts: `sync-actions redo {found.month:%Y-%m} --preview`."] if left_out else []
    text = "\n".join([f"{found.line}.", "", *_table(rows), *more])
    preview = ", preview" if found.redo_id is None else ""
    description = f"{found.month:%Y-%m}{preview}: {found.outcome}"
    best_effort(lambda: create_markdown_artifact(text, key="sync-redo", description=description))


def leave_accrual_pictures(span: MonthWindow, settings: SyncSettings) -> None:
    """Draw the years that the run touched, up to its last month: a single month alone shows nothing."""
    best_effort(partial(_leave_pictures, MonthWindow(date(span.start.year, 1, 1), span.end), settings))


def _leave_pictures(window: MonthWindow, settings: SyncSettings) -> None:
    with read_session() as session:
        report = roll_forwards(session, window, settings)
    for currency in filter(report.moves, report.currencies):
        _leave(report, currency)


def _leave(report: RollForwardChain, currency: str) -> None:
    """The picture within a text: of one that stands alone Prefect prints the address, which is all of its data."""
    picture = b64encode(draw_roll_forward(report, currency)).decode()
    title = f"{report.window} in {currency}: accrued and deferred revenue"
    lines = [(month.month, month.line(currency)) for month in report.months]
    rows = [f"| {month:%Y-%m} | {line.accrued:,.2f} | {line.closing:,.2f} |" for month, line in lines]
    table = "\n".join(["| | accrued | deferred at its end |", "| --- | ---: | ---: |", *rows])
    create_markdown_artifact(
        f"![{title}](data:image/png;base64,{picture})\n\n{table}",
        key=f"sync-accruals-{currency.lower()}",
        description=f"Revenue {report.window} in {currency}",
    )


_Parameters = ParamSpec("_Parameters")


def fails_in_words(function: Callable[_Parameters, State[None]]) -> Callable[_Parameters, State[None]]:
    """The function of a flow, which answers an error of ours as a failed state with just its message.

    Prefect would put the name of a class before the reason, and log what the run's own lines say already twice more,
    with the calls of Prefect itself. What nobody foresaw keeps all of that.
    """

    @wraps(function)
    def run(*args: _Parameters.args, **kwargs: _Parameters.kwargs) -> State[None]:
        try:
            return function(*args, **kwargs)
        except Exception as error:
            if not speaks_for_itself(error):
                raise
            state: State[Any] = Failed(data=error, message=str(error))
            return state

    return run


def _is_news(record: logging.LogRecord) -> bool:
    """Whether a line of Prefect's about a flow run says more than its state does."""
    line = record.getMessage()
    if line.startswith("Engine execution exited with unexpected exception"):
        error = record.exc_info[1] if record.exc_info else None
        return not isinstance(error, FailedRun) and not speaks_for_itself(error)
    return line != "Finished in state Running()"  # of a run that was cancelled, while its end is on its way


logging.getLogger("prefect.flow_runs").addFilter(_is_news)
