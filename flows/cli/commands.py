"""`sync-actions`: what may be typed, and which exit status and one clear line answers what should not have been.

This module imports every command; `app.py` is the console script.
"""

from typing import Annotated

import typer
from sqlalchemy.exc import SQLAlchemyError

from flows.cli.admin import AMOUNTS_BELOW_ZERO, adjust, close, database_app, prefect_app, reopen, serve_api, verify
from flows.cli.history import errors, show_history, show_steps
from flows.cli.output import error_line
from flows.cli.reports import show_explanation, show_report
from flows.cli.run import ExitStatus, OverlapOption, OverrideOption, plan_run, run, run_plan
from flows.plan import TypedOptions
from flows.prefect_server import prefect_api, quiet_prefect
from steps.catalog import STEPS
from steps.errors import SyncError, UsageError
from tracking.database import dispose_engines
from tracking.recorder import Overlap
from tracking.redaction import redact_message
from tracking.settings import DatabaseUnusableError, export_settings_file

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(database_app, name="db")
app.add_typer(prefect_app, name="prefect")
app.command("plan")(plan_run)
app.command("run")(run_plan)
app.command("steps")(show_steps)
app.command("history")(show_history)
app.add_typer(errors, name="errors")
app.command("report")(show_report)
app.command("explain")(show_explanation)
app.command("close")(close)
app.command("reopen")(reopen)
app.command("adjust", context_settings=AMOUNTS_BELOW_ZERO)(adjust)
app.command("verify")(verify)
app.command("api")(serve_api)


@app.callback(invoke_without_command=True)
def sync_actions(
    context: typer.Context,
    from_step: Annotated[
        str | None,
        typer.Option(metavar="STEP", help=f"First step to run: {', '.join(STEPS)}. Default: every import step."),
    ] = None,
    year: Annotated[
        str | None, typer.Option(metavar="YYYY", help="Whole year; ignored when both dates are given.")
    ] = None,
    start_date: Annotated[str | None, typer.Option(metavar="YYYY-MM-01", help="First month, included.")] = None,
    end_date: Annotated[str | None, typer.Option(metavar="YYYY-MM-01", help="Month to stop before, excluded.")] = None,
    only: Annotated[
        str | None,
        typer.Option(metavar="STATE", help="Only the steps and months that are failed, missing or stale."),
    ] = None,
    overlap: OverlapOption = Overlap.wait,
    override: OverrideOption = None,
    sandbox: Annotated[
        bool,
        typer.Option("--sandbox", help="Use the built-in sandbox (an invented academy in 2024) as the three vendors."),
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="End with one JSON object on standard output; progress on standard error.")
    ] = False,
) -> None:
    """Import an academy's business data month by month, in the fixed order, from any step.

    Without a command the import runs. Exit status: 0 everything completed, 1 a step failed, 2 wrong usage,
    130 interrupted.
    """
    export_settings_file()
    options = TypedOptions(from_step, year, start_date, end_date, only, overlap, override=override)
    if context.invoked_subcommand is None:
        raise typer.Exit(run(options, sandbox=sandbox, as_json=as_json))
    if any((from_step, year, start_date, end_date, only, overlap != Overlap.wait, as_json)) or override is not None:
        raise UsageError(f"options of a run do not go before the command {context.invoked_subcommand!r}")
    if sandbox:
        from flows.cli.run import use_sandbox_database

        use_sandbox_database()


@app.command("reconcile")
def reconcile_now() -> None:
    """End what dead runs left open, here and in Prefect."""
    quiet_prefect()
    with prefect_api():
        from flows.reconcile_executions import reconcile

        typer.echo(str(reconcile()))


@app.command("sandbox")
def serve_sandbox(
    port: Annotated[int, typer.Option(help="Port on loopback; 0 takes a free one.", min=0, max=65535)] = 8700,
) -> None:
    """Serve the sandbox alone: the three vendor APIs of an invented academy, on loopback."""
    from steps.sandbox.server import serve_until_interrupted

    serve_until_interrupted(typer.echo, port=port)


def run_command(arguments: list[str]) -> int:
    """Run one command; every foreseeable trouble is one line on standard error and an exit status."""
    command = typer.main.get_command(app)
    try:
        status = command.main(args=arguments, prog_name="sync-actions", standalone_mode=False)
    except UsageError as error:
        error_line(f"Error: {error}")
        return ExitStatus.WRONG_USAGE
    except typer.TyperException as error:
        error_line(f"Error: {error.format_message()} (see sync-actions --help)")
        return ExitStatus.WRONG_USAGE
    except (SyncError, DatabaseUnusableError) as error:
        error_line(f"Error: {error}")
        return ExitStatus.FAILED
    except SQLAlchemyError as error:
        error_line(f"Error: the database failed: {redact_message(str(getattr(error, 'orig', error)).splitlines()[0])}")
        return ExitStatus.FAILED
    finally:
        dispose_engines()
    if status == ExitStatus.INTERRUPTED:  # typer turns a Ctrl-C into this status
        error_line("Interrupted: what had not ended is recorded as failed; run the same command again to go on.")
    return status if isinstance(status, int) else ExitStatus.COMPLETED
