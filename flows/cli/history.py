"""What happened and where it stands: `history`, `audit`, `errors`, `plan`."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from flows.cli.app import ExitStatus, error_line
from flows.cli.output import execution_json, print_json, show_outcome, state_grids, status_text, write_file
from flows.cli.run import login_name
from flows.parameters import Only, parse_moment, steps_from
from steps.catalog import ACCRUALS
from steps.errors import UsageError
from steps.ledger.months import MonthWindow
from steps.reports.spreadsheet import CsvFormat, audit_sheet, csv_text, errors_sheet
from steps.results import RecordedResult
from steps.settings import SyncSettings
from tracking.audit import AuditEvent, AuditFilter, audit_trail
from tracking.history import HistoryFilter, executions_of_run, find_executions
from tracking.integration_errors import ErrorFilter, MetError, find_errors, find_met, mark_errors
from tracking.models import ErrorStatus, ExecutionStatus, IntegrationError, SyncExecution, utc_now
from tracking.recorder import end_dead_executions

if TYPE_CHECKING:
    from flows.plan import Assessment, Retry


def show_history(
    step_id: str | None, status: str | None, since: str | None, until: str | None, limit: int, *, as_json: bool
) -> None:
    """Show the executions that fit, newest first.

    Raises:
        UsageError: there is no such status, or what should be a time is none.
    """
    wanted = HistoryFilter(
        step_name=step_id,
        status=None if status is None else _one_of("status", status, [s.value for s in ExecutionStatus]),
        since=None if since is None else parse_moment("--since", since, _zone_settings().zone),
        until=None if until is None else parse_moment("--until", until, _zone_settings().zone),
        limit=limit,
    )
    end_dead_executions()
    executions = find_executions(wanted)
    if as_json:
        print_json([execution_json(execution) for execution in executions])
    else:
        Console().print(_history_table(executions) if executions else "No execution fits.")


def show_audit(
    since: str | None, until: str | None, who: str | None, limit: int, export: str | None, *, as_json: bool
) -> None:
    """Show the acts that fit, newest first, or write all of them to a file.

    Raises:
        UsageError: what should be a time is none, or the file cannot be written.
    """
    settings: SyncSettings = SyncSettings.load()
    wanted = AuditFilter(
        since=None if since is None else parse_moment("--since", since, settings.zone),
        until=None if until is None else parse_moment("--until", until, settings.zone),
        who=who,
        limit=None if export else limit,
    )
    events = audit_trail(wanted)
    if export:
        write_file(Path(export), csv_text(audit_sheet(events)).encode())
        Console().print(f"{len(events)} acts written to {export}")
    elif as_json:
        print_json([event.model_dump(mode="json") for event in events])
    else:
        Console().print(_audit_table(events, settings) if events else "No act fits.")


def _audit_table(events: Sequence[AuditEvent], settings: SyncSettings) -> Table:
    table = Table("id", "when", "who", "role", "from", "by", "act", "what came of it")
    for each in events:
        when, texts = f"{each.at.astimezone(settings.zone):%Y-%m-%d %H:%M:%S}", (each.action, each.outcome)
        table.add_row(str(each.id), when, each.who, each.role, each.address, each.door, *map(Text, texts))
    return table


@dataclass(frozen=True, slots=True)
class Export:
    """A CSV file to write."""

    file: Path
    spanish: bool

    @classmethod
    def of(cls, file_name: str | None, csv_format: str | None) -> "Export | None":
        """As it was asked for.

        Raises:
            UsageError: an unknown format, or one without a file.
        """
        if file_name is None:
            if csv_format is not None:
                raise UsageError("--format is for the file of --export: give that too")
            return None
        chosen = _one_of("format", csv_format or CsvFormat.CSV, [each.value for each in CsvFormat])
        return cls(Path(file_name), chosen == CsvFormat.SPANISH)


def show_errors(step_id: str | None, status: str, limit: int, export: Export | None, *, as_json: bool) -> None:
    """Show the errors that fit, newest first, or write all of them to a file.

    Raises:
        UsageError: there is no such status, or the file cannot be written.
    """
    shown = _one_of("status", status, [*(s.value for s in ErrorStatus), "all"])
    wanted = ErrorFilter(
        operation=step_id,
        status=None if shown == "all" else shown,
        limit=None if export else limit,
    )
    errors = find_errors(wanted)
    if export:
        write_file(export.file, csv_text(errors_sheet(errors), spanish=export.spanish).encode())
        Console().print(f"{len(errors)} errors written to {export.file}")
    elif as_json:
        print_json([error_json(error) for error in errors])
    else:
        Console().print(_error_table(errors) if errors else "No integration error fits.")


def mark(ids: list[int], *, resolve: bool, reason: str) -> None:
    """Mark errors as resolved, or else as ignored; who and why is kept.

    Raises:
        UsageError: some are not there; the others are marked.
    """
    status = ErrorStatus.RESOLVED if resolve else ErrorStatus.IGNORED
    unknown = mark_errors(ids, status, by=login_name() or "unknown", reason=reason)
    if marked := [error_id for error_id in ids if error_id not in unknown]:
        Console().print(f"{status}: {', '.join(map(str, marked))}")
    if unknown:
        raise UsageError(f"no integration error has the id {', '.join(map(str, unknown))}")


def error_json(error: IntegrationError) -> dict[str, Any]:
    """One integration error, its columns by name."""
    return error.model_dump(mode="json")


def _history_table(executions: list[SyncExecution]) -> Table:
    zone = _zone_settings().zone
    table = Table("id", Column("step", no_wrap=True), "month", "status", "started", "seconds", "result or reason")
    for execution in executions:
        started, ended = execution.started_at, execution.completed_at
        table.add_row(
            str(execution.id),
            execution.step_name,
            f"{execution.window_start:%Y-%m}" if execution.window_start else "",
            status_text(execution.status),
            f"{started.astimezone(zone):%Y-%m-%d %H:%M:%S}" if started else "",
            f"{(ended - started).total_seconds():.1f}" if started and ended else "",
            Text(execution.error_message or RecordedResult(execution.result).line),
        )
    return table


def _error_table(errors: list[IntegrationError]) -> Table:
    zone = _zone_settings().zone
    table = Table("id", Column("step", no_wrap=True), "record", "external id", "status", "seen", "what is wrong")
    for error in errors:
        first, last = (moment.astimezone(zone).date() for moment in (error.first_seen_at, error.last_seen_at))
        table.add_row(
            str(error.id),
            error.operation,
            error.entity_type,
            Text(error.entity_external_id),
            error.status,
            f"{error.occurrences} x\n{first}\n{last}",
            Text(error.error_message),
        )
    return table


def _one_of(name: str, text: str, allowed: list[str]) -> str:
    if text not in allowed:
        raise UsageError(f"{name} {text!r} is not known: one of {', '.join(allowed)} is expected")
    return text


def _zone_settings() -> SyncSettings:
    settings: SyncSettings = SyncSettings.load()
    return settings


def show_error(error_id: int, *, as_json: bool) -> None:
    """Show one error with the vendor's record.

    Raises:
        UsageError: there is none with this id.
    """
    met = find_met([error_id])
    if not met:
        raise UsageError(f"no integration error has the id {error_id}")
    if as_json:
        print_json(error_json(met[0].error), ensure_ascii=False)
        return
    console = Console(highlight=False, soft_wrap=True)
    for name, value in _facts(met[0]):
        console.print(Text(f"{name:<12}{value}"))
    console.print(Text(json.dumps(met[0].error.error_details, indent=2, ensure_ascii=False)))


def _facts(met: MetError) -> Sequence[tuple[str, str]]:
    error, execution = met.error, met.execution
    where = f"{execution.name} (execution {execution.id}, {execution.status})" if execution else "no tracked execution"
    return (
        ("error", f"{error.id}, {error.status}"),
        ("step", f"{error.operation} ({error.integration_name})"),
        ("record", f"{error.entity_type} {error.entity_external_id}"),
        ("wrong", error.error_message),
        ("met", f"{error.occurrences} times, {error.first_seen_at:%F %T} to {error.last_seen_at:%F %T} UTC"),
        ("by", where),
        ("record as sent", ""),
    )


def retry(ids: list[int], step_id: str | None, *, sandbox: bool, as_json: bool) -> ExitStatus:
    """Try records again that could not be applied: these, or all pending ones."""
    from flows.plan import plan_retry  # it brings the gate of the accruals

    plan = plan_retry(ids, step_id)
    for line in plan.left_out:
        error_line(line)
    if not plan.step_runs:
        Console().print("No pending error to try again.")
        return ExitStatus.COMPLETED
    return _retry(plan, sandbox=sandbox, as_json=as_json)


def _retry(plan: "Retry", *, sandbox: bool, as_json: bool) -> ExitStatus:
    from flows.cli.run import run_flow

    began = utc_now()
    state = run_flow(f"Retry of {len(plan.error_ids)} errors", lambda: _start(plan), sandbox=sandbox)
    flow_run_id = str(state.state_details.flow_run_id)
    met = find_met(plan.error_ids)
    left = [each for each in met if each.error.status == ErrorStatus.PENDING]
    if as_json:
        answer = {
            "flow_run_id": flow_run_id,
            "state": str(state.name),
            "executions": [execution_json(each) for each in executions_of_run(flow_run_id)],
            "resolved": [each.error.id for each in met if each not in left],
            "pending": [each.error.id for each in left],
        }
        print_json(answer)
    else:
        show_outcome(flow_run_id, str(state.name), state.message, as_json=False)
        console = Console(highlight=False)
        console.print(f"{len(met) - len(left)} of {len(met)} errors resolved.")
        for each in left:
            found = "" if each.error.last_seen_at >= began else " (not found this time: run its step and month again)"
            console.print(Text(f"{each.error.id} is still in trouble: {each.error.error_message}{found}"))
    return ExitStatus.FAILED if left or not state.is_completed() else ExitStatus.COMPLETED


def _start(plan: "Retry") -> Any:
    from flows.retry_errors import retry_errors

    return retry_errors(plan.error_ids, return_state=True)


_SHOWN_REASONS = 20
_WITH_REASON = frozenset({"failed", "stale", "running"})
"""States of which it is told why."""


def show_plan(step_id: str, span: MonthWindow, only: str | None, *, as_json: bool) -> None:
    """Show where each step and month stands, and keep those that are asked for as a plan."""
    from flows.plan import assess, is_meant, make_plan, step_runs_of  # as in `retry`

    settings: SyncSettings = SyncSettings.load()
    step_runs = step_runs_of((ACCRUALS,) if step_id == ACCRUALS.id else steps_from(step_id), span, settings)
    everything = assess(step_runs, settings.zone)
    chosen = [each for each in everything if only is None or is_meant(each, Only(only))]
    plan_id = make_plan(chosen, span)
    if as_json:
        print_json({"plan": plan_id, "cells": [_assessment_json(each) for each in chosen]})
    else:
        _show_states(everything, chosen, plan_id)


def _show_states(everything: "Sequence[Assessment]", chosen: "Sequence[Assessment]", plan_id: int) -> None:
    console = Console(highlight=False)
    for table in state_grids(everything):
        console.print(table)
    reasons = [each for each in everything if each.state in _WITH_REASON]
    for each in reasons[:_SHOWN_REASONS]:
        console.print(Text(f"{each.step_run.name} is {each.state}: {each.why}"))
    if len(reasons) > _SHOWN_REASONS:
        console.print(f"... and {len(reasons) - _SHOWN_REASONS} more; --json shows them all")
    counts = Counter(str(each.state) for each in everything)
    console.print(", ".join(f"{count} {state}" for state, count in counts.items()))
    console.print(
        f"Plan {plan_id}: {len(chosen)} executions. Run exactly these with: sync-actions run --plan {plan_id}"
    )


def _assessment_json(assessment: "Assessment") -> dict[str, object]:
    window = assessment.step_run.window
    return {
        "step": assessment.step_run.step.id,
        "month": window.start.isoformat() if window else None,
        "state": assessment.state,
        "why": assessment.why,
        "execution_id": assessment.execution_id,
    }
