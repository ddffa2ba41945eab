"""Commands `errors retry` (try records again) and `errors show` (one error with the vendor's own record)."""

import json
from collections.abc import Sequence
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from flows.cli.look_back import AsJson, error_json
from flows.cli.outcome import execution_json, show_outcome
from flows.cli.progress_view import error_line
from flows.cli.run import ExitStatus, run_flow
from flows.cli.sandbox import use_sandbox_database
from flows.retrying import Retry, plan_retry
from steps.errors import UsageError
from tracking.columns import utc_now
from tracking.error_work import MetError, find_met
from tracking.history import executions_of_run
from tracking.integration_error import ErrorStatus


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
    if not plan.cells:
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
