"""Commands that look after the installation: `api`, `close`, `reopen`, `db`, `doctor`, `prefect`."""

import os
from contextlib import ExitStack
from datetime import datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from flows.cli.output import error_line
from flows.cli.reports import roll_forward_tables
from flows.cli.run import ExitStatus, login_name, sandboxed
from flows.events import MONTH_CLOSED, MONTH_REOPENED, tell_months
from flows.parameters import parse_month
from flows.prefect_server import prefect_api, quiet_prefect
from steps.closing import Candidate, ClosingRefusedError, Signature, close_month, reopen_month
from steps.errors import UsageError
from steps.ledger.months import MonthWindow
from steps.reports.roll_forward import RollForwardChain
from steps.settings import SyncSettings
from tracking.database import configured_database_url, make_engine, upgrade_database
from tracking.encryption import encrypt_again, new_key

Month = Annotated[str, typer.Argument(metavar="MONTH", help="Such as 2024-03.")]
Who = Annotated[str | None, typer.Option(metavar="WHO", help="Who says so; default: the login name.")]


def close(
    month: Month,
    reason: Annotated[str, typer.Option(help="A remark that stays in the books.")] = "",
    by: Who = None,
) -> None:
    """Close a month for good: its postings never change again. Refused with the list of what is in the way."""
    settings: SyncSettings = SyncSettings.load()
    candidate = Candidate(parse_month(month), datetime.now(settings.zone).date(), settings)
    try:
        stored = close_month(candidate, Signature(_who(by), reason))
    except ClosingRefusedError as refusal:
        error_line(f"{candidate.month:%Y-%m} cannot be closed:")
        for blocker in refusal.blockers:
            error_line(f"- {blocker.message}")
        raise typer.Exit(ExitStatus.FAILED) from None
    console = Console(highlight=False)
    for part in roll_forward_tables(RollForwardChain(MonthWindow.of(candidate.month), (stored,))):
        console.print(part)
    console.print(f"{candidate.month:%Y-%m} is closed.")
    tell_months(MONTH_CLOSED, [candidate.month])


def reopen(
    month: Month,
    reason: Annotated[str, typer.Option(help="Why; it stays in the books.")] = "",
    by: Who = None,
) -> None:
    """Open a closed month again, and every closed month after it."""
    opened = reopen_month(parse_month(month), Signature(_who(by), reason))
    Console(highlight=False).print(f"open again: {', '.join(f'{each:%Y-%m}' for each in opened)}")
    tell_months(MONTH_REOPENED, opened)


def _who(by: str | None) -> str:
    """Who signs.

    Raises:
        UsageError: nobody does: the option is blank, or the machine knows no login name.
    """
    who = login_name() if by is None else by.strip()
    if not who:
        raise UsageError("who closes or reopens a month stays in the books: give a name with --by")
    return who


database_app = typer.Typer(help="Look after the database: its schema, and its encryption.", no_args_is_help=True)


@database_app.command("upgrade")
def upgrade() -> None:
    """Bring the schema up to date now (every command does it at its first use)."""
    engine = make_engine(configured_database_url())
    typer.echo(f"The schema is at {upgrade_database(engine)}.")
    engine.dispose()


@database_app.command("encrypt")
def encrypt() -> None:
    """Encrypt names, emails and records with SYNC_ENCRYPTION_KEY: once, after it was set or changed."""
    engine = make_engine(configured_database_url())
    upgrade_database(engine)
    typer.echo(f"{encrypt_again(engine)} rows encrypted.")
    engine.dispose()


@database_app.command("key")
def key() -> None:
    """Print a new key for SYNC_ENCRYPTION_KEY. Keep it: without it the names and emails are lost."""
    typer.echo(new_key())


prefect_app = typer.Typer(no_args_is_help=True)


@prefect_app.callback()
def prefect() -> None:
    """Look after a lasting Prefect server."""


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
            envvar="SYNC_NOTIFY_URL",
            show_envvar=True,
            help="The same by addresses of Apprise, such as mailto://...; several with commas. A secret.",
        ),
    ] = None,
) -> None:
    """Make or update what a Prefect server needs on that of PREFECT_API_URL; safe to repeat.

    Work pool, vendors' limits, deployments, and automations that tell somebody. Without --notify and --notify-url those
    who are told stay.
    """
    if notify and notify_url:
        raise UsageError("--notify and --notify-url do not go together: the one names a block, the other makes it")
    quiet_prefect()
    from prefect.settings import PREFECT_API_URL

    if not PREFECT_API_URL.value():
        raise UsageError("PREFECT_API_URL is not set: the URL of a Prefect server that lasts is expected")
    with prefect_api():
        from prefect.client.orchestration import get_client

        from flows.prefect_setup import Change, Setup, find_block, make_block, set_up

        with get_client(sync_client=True) as client:
            items, block = [], find_block(client, notify) if notify else None
            if notify_url:
                block, item = make_block(client, notify_url, dry_run=dry_run)
                items.append(item)
            items += set_up(client, Setup(dry_run=dry_run, block=block))
    for each in items:
        is_to_be = dry_run and each.change != Change.unchanged
        typer.echo(f"{each.name}: would be {each.change}" if is_to_be else str(each))
    if not any(each.is_message for each in items):
        typer.echo("Nobody is told when a run fails: say --notify BLOCK or --notify-url ADDRESSES.")


def examine_installation() -> None:
    """Look at everything that may be wrong around the program, and say what to do. Nothing is changed.

    Exit status: 0 no problem, 1 some.
    """
    from flows.doctor import Verdict, examine

    findings = examine()
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    for each in findings:
        style = {Verdict.ok: "green", Verdict.problem: "bold red"}.get(each.verdict, "yellow")
        table.add_row(Text(each.verdict, style=style), Text(each.subject), Text(each.words, overflow="fold"))
    Console(highlight=False).print(table)
    problems = sum(each.verdict is Verdict.problem for each in findings)
    typer.echo(f"{problems} problem{'' if problems == 1 else 's'}." if problems else "No problem found.")
    raise typer.Exit(ExitStatus.FAILED if problems else ExitStatus.COMPLETED)


def serve_api(
    host: Annotated[
        str, typer.Option(help="Address to serve on; another machine's clients need SYNC_API_TOKEN.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port; 0 takes a free one.", min=0, max=65535)] = 8000,
    no_worker: Annotated[
        bool,
        typer.Option("--no-worker", help="Bring no worker along: others on the server of PREFECT_API_URL do the runs."),
    ] = False,
    sandbox: Annotated[bool, typer.Option("--sandbox", help="Use the built-in sandbox as the three vendors.")] = False,
) -> None:
    """Serve the HTTP API and the page: run steps, see what happened, work the errors, take reports along."""
    quiet_prefect()
    with ExitStack() as stack:
        if sandbox:
            stack.enter_context(sandboxed())
            os.environ["PREFECT_API_URL"] = ""  # on a lasting server its worker would take real runs to the sandbox
        from flows.server import serve  # it imports Prefect, which takes seconds

        serve(host, port, typer.echo, with_worker=not no_worker)
