"""Commands that read what happened: `steps`, `history`, `errors`."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text
from typer.core import TyperGroup

from flows.cli.output import error_line, execution_json, show_outcome, status_text
from flows.cli.run import ExitStatus, run_flow, use_sandbox_database
from flows.parameters import parse_moment, parse_step
from flows.plan import IMPORT_ORDER, Retry, plan_retry
from steps.catalog import STEPS
from steps.errors import UsageError
from steps.reports.export import csv_text, errors_sheet
from steps.results import RecordedResult
from steps.settings import SyncSettings
from tracking.history import DEFAULT_LIMIT, HistoryFilter, executions_of_run, find_executions
from tracking.integration_errors import ErrorFilter, MetError, find_errors, find_met, mark_errors
from tracking.models import ErrorStatus, ExecutionStatus, IntegrationError, SyncExecution, utc_now
from tracking.reconcile import end_dead_executions

AsJson = Annotated[bool, typer.Option("--json", help="One JSON array on standard output instead of a table.")]


def show_steps(as_json: AsJson = False) -> None:
    """List the six steps, the import steps in their fixed order."""
    steps = list(STEPS.values())
    if as_json:
        _print_json([{"id": step.id, "name": step.name, "description": step.description} for step in steps])
        return
    table = Table("order", Column("step", no_wrap=True), "name", "what it does", "called")
    for step in steps:
        order = str(IMPORT_ORDER.index(step) + 1) if step in IMPORT_ORDER else "on its own"
        table.add_row(order, step.id, step.name, step.description, "by month" if step.by_month else "once")
    Console().print(table)


def show_history(
    step: Annotated[str | None, typer.Option(help="Only this step.", metavar="STEP")] = None,
    status: Annotated[str | None, typer.Option(help="Only pending, running, completed or failed.")] = None,
    since: Annotated[str | None, typer.Option(help="Recorded at or after this date or time (ISO 8601).")] = None,
    until: Annotated[str | None, typer.Option(help="Recorded before this date or time (ISO 8601).")] = None,
    limit: Annotated[int, typer.Option(help="How many at the most, newest first.", min=1, max=1000)] = DEFAULT_LIMIT,
    as_json: AsJson = False,
) -> None:
    """Show past and present executions, newest first."""
    wanted = HistoryFilter(
        step_name=None if step is None else parse_step(step),
        status=None if status is None else _one_of("status", status, [s.value for s in ExecutionStatus]),
        since=None if since is None else parse_moment("--since", since, _zone_settings().zone),
        until=None if until is None else parse_moment("--until", until, _zone_settings().zone),
        limit=limit,
    )
    end_dead_executions()
    executions = find_executions(wanted)
    if as_json:
        _print_json([execution_json(execution) for execution in executions])
    else:
        Console().print(_history_table(executions) if executions else "No execution fits.")


def show_errors(
    ids: Annotated[list[int] | None, typer.Argument(help="Ids to resolve or ignore.", metavar="[ID]...")] = None,
    resolve: Annotated[bool, typer.Option("--resolve", help="Mark these ids as resolved.")] = False,
    ignore: Annotated[bool, typer.Option("--ignore", help="Mark these ids as ignored: they stay so.")] = False,
    export: Annotated[Path | None, typer.Option(help="Write the errors to this CSV file.", metavar="FILE.csv")] = None,
    step: Annotated[str | None, typer.Option(help="Only this step.", metavar="STEP")] = None,
    status: Annotated[str, typer.Option(help="Only pending, resolved or ignored, or all.")] = ErrorStatus.PENDING,
    limit: Annotated[int, typer.Option(help="How many to list, newest first.", min=1, max=1000)] = DEFAULT_LIMIT,
    as_json: AsJson = False,
) -> None:
    """List records that could not be applied; export, resolve or ignore them."""
    if resolve or ignore:
        _mark(ids or [], resolve=resolve, ignore=ignore)
        return
    if ids:
        raise UsageError("ids are for --resolve or --ignore: neither was given")
    shown = _one_of("status", status, [*(s.value for s in ErrorStatus), "all"])
    wanted = ErrorFilter(
        operation=None if step is None else parse_step(step),
        status=None if shown == "all" else shown,
        limit=None if export else limit,
    )
    if export:
        _export(export, wanted)
        return
    errors = find_errors(wanted)
    if as_json:
        _print_json([error_json(error) for error in errors])
    else:
        Console().print(_error_table(errors) if errors else "No integration error fits.")


def _mark(ids: list[int], *, resolve: bool, ignore: bool) -> None:
    if resolve and ignore:
        raise UsageError("--resolve and --ignore exclude each other: give one of them")
    if not ids:
        raise UsageError("which errors? give their ids, such as: sync-actions errors --resolve 3 5")
    status = ErrorStatus.RESOLVED if resolve else ErrorStatus.IGNORED
    unknown = mark_errors(ids, status)
    if marked := [error_id for error_id in ids if error_id not in unknown]:
        Console().print(f"{status}: {', '.join(map(str, marked))}")
    if unknown:
        raise UsageError(f"no integration error has the id {', '.join(map(str, unknown))}")


def _export(path: Path, wanted: ErrorFilter) -> None:
    try:
        errors = find_errors(wanted)
        path.write_bytes(csv_text(errors_sheet(errors)).encode())
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from None
    Console().print(f"{len(errors)} errors written to {path}")


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


def _print_json(value: Any) -> None:
    print(json.dumps(value, indent=2))  # noqa: T201 - the one thing on standard output


def retry(
    ids: Annotated[
        list[int] | None, typer.Argument(help="Ids of errors. Default: all pending.", metavar="[ID]...")
    ] = None,
    step: Annotated[str | None, typer.Option(help="Only errors of this step.", metavar="STEP")] = None,
    sandbox: Annotated[bool, typer.Option("--sandbox", help="Use the built-in sandbox as the three vendors.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="End with one JSON object on standard output.")] = False,
) -> None:
    """Try records again that could not be applied, and nothing else; 1 if some are still in trouble."""
    if sandbox:
        use_sandbox_database()
    plan = plan_retry(ids or [], step)
    for line in plan.left_out:
        error_line(line)
    if not plan.step_runs:
        typer.echo("No pending error to try again.")
        return
    raise typer.Exit(_retry(plan, sandbox=sandbox, as_json=as_json))


def _retry(plan: Retry, *, sandbox: bool, as_json: bool) -> ExitStatus:
    from flows.retry_errors import retry_errors

    began = utc_now()
    state = run_flow(
        f"Retry of {len(plan.error_ids)} errors",
        lambda: retry_errors(plan.error_ids, return_state=True),
        sandbox=sandbox,
    )
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
        print(json.dumps(answer, indent=2))  # noqa: T201 - the one thing on standard output
    else:
        show_outcome(flow_run_id, str(state.name), state.message, as_json=False)
        console = Console(highlight=False)
        console.print(f"{len(met) - len(left)} of {len(met)} errors resolved.")
        for each in left:
            found = "" if each.error.last_seen_at >= began else " (not found this time: run its step and month again)"
            console.print(Text(f"{each.error.id} is still in trouble: {each.error.error_message}{found}"))
    return ExitStatus.FAILED if left or not state.is_completed() else ExitStatus.COMPLETED


def show_error(
    error_id: Annotated[int, typer.Argument(help="Id of the error.", metavar="ID")], as_json: AsJson = False
) -> None:
    """Show one error: what is wrong, since when, who met it, and the vendor's own record."""
    met = find_met([error_id])
    if not met:
        raise UsageError(f"no integration error has the id {error_id}")
    if as_json:
        answer = error_json(met[0].error)
        print(json.dumps(answer, indent=2, ensure_ascii=False))  # noqa: T201 - the one thing on standard output
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


_LIST = "list"


class _ListUnlessNamed(TyperGroup):
    """A group whose arguments are the list's, unless they begin with the name of another command or ask for help."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """What follows `errors`."""
        named = bool(args) and (args[0] in self.commands or args[0] in ctx.help_option_names)
        return super().parse_args(ctx, args if named else [_LIST, *args])


errors = typer.Typer(cls=_ListUnlessNamed, help="List records that could not be applied; export, mark or retry them.")
errors.command(_LIST)(show_errors)
errors.command("retry")(retry)
errors.command("show")(show_error)
