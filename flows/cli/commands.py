"""`sync-actions`: what may be typed, and which exit status and one clear line answers what should not have been.

A command's options and help stand here, what it does in another module, which it imports when its options were
understood: help and wrong usage are answered without settings, database and Prefect, which take seconds to import.
"""

import json
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from flows.cli.app import ExitStatus, error_line, importing
from flows.cli.book_commands import JsonValue, Month, Override, Who, books_app
from flows.parameters import IMPORT_ORDER, TypedOptions, parse_month, parse_report_range, parse_step
from steps.catalog import STEPS
from steps.errors import SyncError, UsageError

_HELP = ["-h", "--help"]
app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": _HELP},
)

FromStep = Annotated[str | None, typer.Option(metavar="STEP", help="First step.")]
Year = Annotated[str | None, typer.Option(metavar="YYYY", help="Whole year.")]
StartDate = Annotated[str | None, typer.Option(metavar="YYYY-MM-01", help="First month, included.")]
EndDate = Annotated[str | None, typer.Option(metavar="YYYY-MM-01", help="Month to stop before, excluded.")]
Overlap = Annotated[
    str,
    typer.Option(metavar="HOW", help="When another run works on a step and month: wait for it, or refuse (and fail)."),
]
Sandbox = Annotated[bool, typer.Option("--sandbox", help="Use the built-in sandbox as the three vendors.")]
OnlyStep = Annotated[str | None, typer.Option(help="Only this step.", metavar="STEP")]
Limit = Annotated[int, typer.Option(help="How many at the most, newest first.", min=1, max=1000)]
JsonArray = Annotated[bool, typer.Option("--json", help="One JSON array on standard output instead of a table.")]
JsonAtEnd = Annotated[
    bool, typer.Option("--json", help="End with one JSON object on standard output; progress on standard error.")
]


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
    start_date: StartDate = None,
    end_date: EndDate = None,
    only: Annotated[
        str | None,
        typer.Option(
            metavar="STATE", help="Only the steps and months that are failed, missing or stale; due: all of these."
        ),
    ] = None,
    overlap: Overlap = "wait",
    override: Override = None,
    sandbox: Annotated[
        bool,
        typer.Option("--sandbox", help="Use the built-in sandbox (an invented academy in 2024) as the three vendors."),
    ] = False,
    as_json: JsonAtEnd = False,
) -> None:
    """Import an academy's business data month by month, in the fixed order, from any step.

    Without a command the import runs. Exit status: 0 everything completed, 1 a step failed, 2 wrong usage,
    130 interrupted.
    """
    options = TypedOptions(from_step, year, start_date, end_date, only, overlap, override=override)
    if context.invoked_subcommand is None:
        raise typer.Exit(_run(options, sandbox=sandbox, as_json=as_json))
    if as_json or options != TypedOptions():
        raise UsageError(f"options of a run do not go before the command {context.invoked_subcommand!r}")
    context.obj = sandbox
    if sandbox:
        _use_sandbox_database()


def _use_sandbox_database() -> None:
    with importing():
        from flows.cli.run import use_sandbox_database
    use_sandbox_database()


def _run(options: TypedOptions, *, sandbox: bool, as_json: bool) -> ExitStatus:
    with importing():
        step, span = options.resolve()
        from flows.cli.run import run
    return run(options, step, span, sandbox=sandbox, as_json=as_json)


@app.command("plan")
def plan_run(
    from_step: FromStep = None,
    year: Year = None,
    start_date: StartDate = None,
    end_date: EndDate = None,
    only: Annotated[
        str | None, typer.Option(metavar="STATE", help="Only failed, missing or stale step runs; due: all of these.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object instead of tables.")] = False,
) -> None:
    """Show where each step and month stands, and keep the plan, without running anything."""
    step, span = TypedOptions(from_step, year, start_date, end_date, only=only).resolve()
    with importing():
        from flows.cli import history
    history.show_plan(step, span, only, as_json=as_json)


@app.command("run")
def run_plan(
    plan: Annotated[int, typer.Option(help="Id of a plan that `sync-actions plan` made.", min=1)],
    overlap: Overlap = "wait",
    override: Override = None,
    sandbox: Sandbox = False,
    as_json: JsonAtEnd = False,
) -> None:
    """Run exactly the step runs of a plan, or refuse because something ran since it was made."""
    options = TypedOptions(plan=plan, overlap=overlap, override=override)
    raise typer.Exit(_run(options, sandbox=sandbox, as_json=as_json))


@app.command("demo")
def demo(context: typer.Context) -> None:
    """Import and accrue the sandbox academy's year, and show the deferred revenue."""
    with importing():
        from flows.cli.run import run_demo
    if (status := run_demo()) == ExitStatus.COMPLETED:
        show_report(context)
    raise typer.Exit(status)


@app.command("steps")
def show_steps(as_json: JsonArray = False) -> None:
    """List the six steps, the import steps in their fixed order."""
    steps = list(STEPS.values())
    if as_json:
        typer.echo(
            json.dumps(
                [{name: getattr(step, name) for name in ("id", "name", "description")} for step in steps], indent=2
            )
        )
        return
    from rich.console import Console  # help and wrong usage do without it
    from rich.table import Column, Table

    table = Table("order", Column("step", no_wrap=True), "name", "what it does", "called")
    for step in steps:
        order = str(IMPORT_ORDER.index(step) + 1) if step in IMPORT_ORDER else "on its own"
        table.add_row(order, step.id, step.name, step.description, "by month" if step.by_month else "once")
    Console().print(table)


@app.command("history")
def show_history(
    step: OnlyStep = None,
    status: Annotated[str | None, typer.Option(help="Only pending, running, completed or failed.")] = None,
    since: Annotated[str | None, typer.Option(help="Recorded at or after this date or time (ISO 8601).")] = None,
    until: Annotated[str | None, typer.Option(help="Recorded before this date or time (ISO 8601).")] = None,
    limit: Limit = 100,
    as_json: JsonArray = False,
) -> None:
    """Show past and present executions, newest first."""
    step_id = None if step is None else parse_step(step)
    with importing():
        from flows.cli import history
    history.show_history(step_id, status, since, until, limit, as_json=as_json)


@app.command("audit")
def show_audit(
    since: Annotated[str | None, typer.Option(help="Done at or after this date or time (ISO 8601).")] = None,
    until: Annotated[str | None, typer.Option(help="Done before this date or time (ISO 8601).")] = None,
    who: Annotated[str | None, typer.Option(help="Only by the token of this name.", metavar="NAME")] = None,
    limit: Limit = 100,
    export: Annotated[str | None, typer.Option(help="Write the acts to this CSV file.", metavar="FILE.csv")] = None,
    as_json: JsonArray = False,
) -> None:
    """Show who did what through the API and the page, from where, and which wrong tokens came; newest first."""
    with importing():
        from flows.cli import history
    history.show_audit(since, until, who, limit, export, as_json=as_json)


class _ListUnlessNamed(TyperGroup):
    """A group whose arguments are the list's, unless they begin with the name of another command or ask for help."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """What follows `errors`."""
        named = bool(args) and (args[0] in self.commands or args[0] in ctx.help_option_names)
        return super().parse_args(ctx, args if named else ["list", *args])


errors_app = typer.Typer(
    cls=_ListUnlessNamed, help="List records that could not be applied; export, mark or retry them."
)
app.add_typer(errors_app, name="errors")


@errors_app.command("list")
def show_errors(
    ids: Annotated[list[int] | None, typer.Argument(help="Ids to resolve or ignore.", metavar="[ID]...")] = None,
    resolve: Annotated[bool, typer.Option("--resolve", help="Mark these ids as resolved.")] = False,
    ignore: Annotated[bool, typer.Option("--ignore", help="Mark these ids as ignored: they stay so.")] = False,
    reason: Annotated[str, typer.Option(help="Why they are resolved or ignored; it is kept.", metavar="TEXT")] = "",
    export: Annotated[str | None, typer.Option(help="Write the errors to this CSV file.", metavar="FILE.csv")] = None,
    csv_format: Annotated[
        str | None, typer.Option("--format", metavar="FORMAT", help="Of --export: csv, or csv-es for a Spanish Excel.")
    ] = None,
    step: OnlyStep = None,
    status: Annotated[str, typer.Option(help="Only pending, resolved or ignored, or all.")] = "pending",
    limit: Limit = 100,
    as_json: JsonArray = False,
) -> None:
    """List records that could not be applied; export, resolve or ignore them."""
    if resolve and ignore:
        raise UsageError("--resolve and --ignore exclude each other: give one of them")
    if (resolve or ignore) and not ids:
        raise UsageError("which errors? give their ids, such as: sync-actions errors --resolve 3 5")
    if ids and not (resolve or ignore):
        raise UsageError("ids are for --resolve or --ignore: neither was given")
    step_id = None if step is None else parse_step(step)
    with importing():
        from flows.cli import history
    if ids:
        history.mark(list(ids), resolve=resolve, reason=reason)
    else:
        history.show_errors(step_id, status, limit, history.Export.of(export, csv_format), as_json=as_json)


@errors_app.command("retry")
def retry_errors(
    ids: Annotated[
        list[int] | None, typer.Argument(help="Ids of errors. Default: all pending.", metavar="[ID]...")
    ] = None,
    step: Annotated[str | None, typer.Option(help="Only errors of this step.", metavar="STEP")] = None,
    sandbox: Sandbox = False,
    as_json: JsonAtEnd = False,
) -> None:
    """Try records again that could not be applied, and nothing else; 1 if some are still in trouble."""
    step_id = None if step is None else parse_step(step)
    if sandbox:
        _use_sandbox_database()
    with importing():
        from flows.cli import history
    raise typer.Exit(history.retry(list(ids or ()), step_id, sandbox=sandbox, as_json=as_json))


@errors_app.command("show")
def show_error(
    error_id: Annotated[int, typer.Argument(help="Id of the error.", metavar="ID")], as_json: JsonValue = False
) -> None:
    """Show one error: what is wrong, since when, who met it, and the vendor's own record."""
    with importing():
        from flows.cli import history
    history.show_error(error_id, as_json=as_json)


@app.command("report")
def show_report(
    context: typer.Context,
    kind: Annotated[
        str,
        typer.Argument(
            metavar="[KIND]",
            help="One of accruals, roll-forward, waterfall, journal, chart; of a month reconciliation, pack.",
        ),
    ] = "roll-forward",
    only_month: Annotated[str | None, typer.Argument(metavar="[MONTH]", help="The same as --month.")] = None,
    month: Annotated[str | None, typer.Option(metavar="YYYY-MM", help="One month.")] = None,
    year: Annotated[str | None, typer.Option(metavar="YYYY", help="Whole year; without any, the default year.")] = None,
    start_date: StartDate = None,
    end_date: EndDate = None,
    by: Annotated[
        str | None, typer.Option(metavar="GROUP", help="Roll-forward by service, cohort, client or currency.")
    ] = None,
    client: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Accruals of clients with this in name or email.")
    ] = None,
    service: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Accruals of services with this name or account.")
    ] = None,
    contract: Annotated[int | None, typer.Option(metavar="ID", help="Accruals of this contract.")] = None,
    output: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Write to this file; .csv or .xlsx, or of a chart .png or .svg."),
    ] = None,
    csv_format: Annotated[
        str | None,
        typer.Option("--format", metavar="FORMAT", help="csv, or csv-es for a Spanish Excel; without a file, shown."),
    ] = None,
    sandbox: Sandbox = False,
    as_json: JsonValue = False,
) -> None:
    """Show what was invoiced, accrued and is still deferred; the waterfall is that of the last month.

    A reconciliation reads the month's documents at Holded and compares them with the ledger: exit status 1 if they
    differ. It is kept for the month-end pack, which is one workbook with every report of a month.
    """
    if month and only_month:
        raise UsageError(f"the month was given twice: {only_month} and --month {month}")
    asked = parse_report_range(month or only_month, year, start_date, end_date)
    with importing():
        from flows.cli import reports
        from steps.reports.monthly import ContractFilter
    wanted = ContractFilter(client, service, contract)
    sandbox = sandbox or (context.obj is True and kind == reports.ReportKind.RECONCILIATION)
    options = reports.ReportOptions(by, wanted, output, csv_format, sandbox=sandbox, as_json=as_json)
    raise typer.Exit(reports.show_report(kind, asked, options))


@app.command("explain")
def show_explanation(
    contract: Annotated[int, typer.Argument(metavar="CONTRACT", help="Its id, as the reports show it.")],
    month: Month,
    as_json: JsonValue = False,
) -> None:
    """Explain a contract's month: its rule, its sessions day by day, its documents and what brought them."""
    day = parse_month(month)
    with importing():
        from flows.cli import explanation
    explanation.show_explanation(contract, day, as_json=as_json)


app.add_typer(books_app)


@app.command("api")
def serve_api(
    host: Annotated[
        str, typer.Option(help="Address to serve on; another machine's clients need SYNC_API_TOKEN.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port; 0 takes a free one.", min=0, max=65535)] = 8000,
    no_worker: Annotated[
        bool,
        typer.Option("--no-worker", help="Bring no worker along: others on the server of PREFECT_API_URL do the runs."),
    ] = False,
    tls_certificate: Annotated[
        str | None, typer.Option(metavar="FILE", help="Serve HTTPS with this certificate and its chain (PEM).")
    ] = None,
    tls_key: Annotated[
        str | None, typer.Option(metavar="FILE", help="The certificate's key, without a passphrase (PEM).")
    ] = None,
    sandbox: Sandbox = False,
) -> None:
    """Serve the HTTP API and the page: run steps, see what happened, work the errors, take reports along."""
    if (tls_certificate is None) != (tls_key is None):
        raise UsageError("--tls-certificate and --tls-key go together: give both, or leave TLS to a proxy")
    with importing():
        from flows.cli import admin
    tls = (tls_certificate, tls_key) if tls_certificate and tls_key else None
    admin.serve_api(host, port, with_worker=not no_worker, sandbox=sandbox, tls=tls)


@app.command("reconcile")
def reconcile_now() -> None:
    """End what dead runs left open, here and in Prefect."""
    with importing():
        from flows.cli import admin
    admin.reconcile_now()


@app.command("sandbox")
def serve_sandbox(
    port: Annotated[int, typer.Option(help="Port on loopback; 0 takes a free one.", min=0, max=65535)] = 8700,
) -> None:
    """Serve the sandbox alone: the three vendor APIs of an invented academy, on loopback."""
    with importing():
        from steps.sandbox.server import serve_until_interrupted
    serve_until_interrupted(typer.echo, port=port)


database_app = typer.Typer(help="Look after the database: its schema, backups and encryption.")
app.add_typer(database_app, name="db")


@database_app.command("upgrade")
def upgrade_database() -> None:
    """Bring the schema up to date now (every command does it at its first use)."""
    with importing():
        from flows.cli import admin
    admin.upgrade()


@database_app.command("backup")
def back_up_database(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A file that is not there yet.")],
) -> None:
    """Copy a SQLite database that may be in use, and check the copy."""
    with importing():
        from flows.cli import admin
    admin.back_up(file)


@database_app.command("restore")
def restore_database(
    file: Annotated[str, typer.Argument(metavar="FILE", help="What `db backup` made, of this or an older version.")],
    replace: Annotated[
        bool, typer.Option("--replace", help="Although the database holds something: a copy of it is kept beside it.")
    ] = False,
) -> None:
    """Put a backup in the place of a SQLite database: all of it or nothing, and only while no run works on it."""
    with importing():
        from flows.cli import admin
    admin.restore(file, replace=replace)


@database_app.command("export")
def export_database(
    directory: Annotated[str, typer.Argument(metavar="DIRECTORY", help="One that is not there yet.")],
    decrypt: Annotated[
        bool, typer.Option("--decrypt", help="Names, emails and records in clear; needs SYNC_ENCRYPTION_KEY.")
    ] = False,
) -> None:
    """Write every table as a CSV file, and tables.json, which describes them.

    Encrypted texts stay as they are stored, unless --decrypt is said.
    """
    with importing():
        from flows.cli import admin
    admin.export(directory, decrypt=decrypt)


@database_app.command("erase-client")
def erase_client(
    client: Annotated[str, typer.Argument(metavar="CLIENT", help="Email, or id of the client.")],
    reason: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Erase, and keep why; it must not name the person.")
    ] = None,
    by: Who = None,
) -> None:
    """Erase the person behind a client (GDPR): names, emails, ids, records. Documents, postings and closes stay.

    Without a reason it only says what it would change.
    """
    with importing():
        from flows.cli import admin
    admin.erase(client, reason, by)


@database_app.command("encrypt")
def encrypt_database() -> None:
    """Encrypt names, emails and records with SYNC_ENCRYPTION_KEY: once, after it was set or changed."""
    with importing():
        from flows.cli import admin
    admin.encrypt()


@database_app.command("key")
def print_key() -> None:
    """Print a new key for SYNC_ENCRYPTION_KEY. Keep it: without it the names and emails are lost."""
    with importing():
        from tracking.encryption import new_key
    typer.echo(new_key())


prefect_app = typer.Typer(help="Look after a lasting Prefect server.")
app.add_typer(prefect_app, name="prefect")


@prefect_app.command("setup")
def set_up_prefect(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Change nothing: say what would be new or changed.")
    ] = False,
    notify: Annotated[
        str | None,
        typer.Option(
            metavar="BLOCK",
            help="Who is told when something goes wrong: a notification block, such as slack-webhook/us.",
        ),
    ] = None,
    notify_url: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESSES",
            help="The same by addresses of Apprise, such as mailto://...; several with commas. A secret: rather set "
            "SYNC_NOTIFY_URL.",
        ),
    ] = None,
) -> None:
    """Make or update what a Prefect server needs on that of PREFECT_API_URL; safe to repeat.

    Work pool, vendors' limits, deployments, and automations that tell somebody. Without --notify, --notify-url and
    SYNC_NOTIFY_URL those who are told stay.
    """
    if notify and notify_url:
        raise UsageError("--notify and --notify-url do not go together: the one names a block, the other makes it")
    with importing():
        from flows.cli import admin
    admin.set_up_prefect(dry_run=dry_run, notify=notify, notify_url=notify_url)


@app.command("doctor")
def examine_installation() -> None:
    """Look at everything that may be wrong around the program, and say what to do. Nothing is changed.

    Exit status: 0 no problem, 1 some.
    """
    with importing():
        from flows.cli import admin
    admin.examine_installation()


def run_command(arguments: list[str]) -> int:
    """Run one command; every foreseeable trouble is one line on standard error and an exit status."""
    command = typer.main.get_command(app)
    _coerce_without_pydantic(command)
    try:
        status = command.main(args=arguments, prog_name="sync-actions", standalone_mode=False)
    except UsageError as error:
        error_line(f"Error: {error}")
        return ExitStatus.WRONG_USAGE
    except typer.TyperException as error:
        where = getattr(getattr(error, "ctx", None), "command_path", "sync-actions")
        error_line(f"Error: {error.format_message()} (see {where} --help)")
        return ExitStatus.WRONG_USAGE
    except SyncError as error:
        error_line(f"Error: {error}")
        return ExitStatus.FAILED
    except Exception as error:
        if (line := _trouble_of_database(error)) is None:
            raise
        error_line(f"Error: {line}")
        return ExitStatus.FAILED
    finally:
        if database := sys.modules.get("tracking.database"):  # a command that needs none has not imported it
            database.dispose_engines()
    if status == ExitStatus.INTERRUPTED:  # typer turns a Ctrl-C into this status
        error_line("Interrupted: what had not ended is recorded as failed; run the same command again to go on.")
    return status if isinstance(status, int) else ExitStatus.COMPLETED


class _Coercion:
    """What Typer does with a text, a flag or a number, without Pydantic, which takes longer to import than Typer."""

    def coerce(self, value: Any, param: Any, ctx: Any) -> Any:
        """What was typed, or the default; a tuple for an argument that may be given often.

        Raises:
            BadParameter: it is no number, or none that is allowed.
        """
        if param.nargs == -1:
            return tuple(_number(each, param, ctx) for each in value or ())
        return value if value is None or param.type_descriptor.annotation is not int else _number(value, param, ctx)


def _number(value: Any, param: Any, ctx: Any) -> int:
    low, high = param.type_descriptor.parameter_info.min, param.type_descriptor.parameter_info.max
    try:
        number = int(value)
    except ValueError:
        raise typer.BadParameter(f"{value!r} is not a whole number.", ctx=ctx, param=param) from None
    if (low is not None and number < low) or (high is not None and number > high):
        allowed = f"at least {low}" if high is None else f"from {low} to {high}"
        raise typer.BadParameter(f"{number} is not allowed: {allowed} is expected.", ctx=ctx, param=param)
    return number


def _coerce_without_pydantic(command: Any) -> None:
    """Prepare all options below a command. A Typer of another version ignores the attribute."""
    for parameter in command.get_params(typer.Context(command, help_option_names=_HELP)):
        parameter._runtime_param = _Coercion()
    for below in getattr(command, "commands", {}).values():
        _coerce_without_pydantic(below)


def _trouble_of_database(error: Exception) -> str | None:
    """What is wrong with the database or its settings; None: the error is another's."""
    from sqlalchemy.exc import SQLAlchemyError

    from tracking.redaction import redact_message
    from tracking.settings import DatabaseUnusableError

    if isinstance(error, DatabaseUnusableError):
        return str(error)
    if isinstance(error, SQLAlchemyError):
        return f"the database failed: {redact_message(str(getattr(error, 'orig', error)).splitlines()[0])}"
    return None
