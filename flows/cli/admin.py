"""Commands that look after the installation: `api`, `close`, `reopen`, `adjust`, `verify`, `db`, `prefect`."""

import json
import os
from contextlib import ExitStack
from datetime import datetime
from typing import Annotated

import typer
from rich.console import Console

from flows.cli.output import error_line
from flows.cli.reports import roll_forward_tables
from flows.cli.run import ExitStatus, login_name, sandboxed
from flows.parameters import parse_month
from flows.prefect_server import prefect_api, quiet_prefect
from steps.closing import (
    Candidate,
    ClosingRefusedError,
    Signature,
    close_month,
    find_close,
    reopen_month,
    verification_json,
)
from steps.closing import verify as verify_closes
from steps.corrections import Adjustment, parse_adjustment
from steps.corrections import adjust as post_adjustment
from steps.errors import SyncError, UsageError
from steps.ledger.months import MonthWindow
from steps.reports.roll_forward import RollForwardChain
from steps.settings import SyncSettings
from tracking.database import configured_database_url, make_engine, read_session, upgrade_database
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
        closed = close_month(candidate, Signature(_who(by), reason))
    except ClosingRefusedError as refusal:
        error_line(f"{candidate.month:%Y-%m} cannot be closed:")
        for blocker in refusal.blockers:
            error_line(f"- {blocker.message}")
        raise typer.Exit(ExitStatus.FAILED) from None
    console = Console(highlight=False)
    for part in roll_forward_tables(RollForwardChain(MonthWindow.of(candidate.month), (closed.roll_forward,))):
        console.print(part)
    console.print(f"Hash: {closed.hash}")
    console.print(f"{candidate.month:%Y-%m} is closed.")


def reopen(
    month: Month,
    reason: Annotated[str, typer.Option(help="Why; it stays in the books.")] = "",
    by: Who = None,
) -> None:
    """Open a closed month again, and every closed month after it."""
    opened = reopen_month(parse_month(month), Signature(_who(by), reason))
    Console(highlight=False).print(f"open again: {', '.join(f'{each:%Y-%m}' for each in opened)}")


# An amount such as -25.00 is no option.
AMOUNTS_BELOW_ZERO = {"ignore_unknown_options": True}


def adjust(
    contract: Annotated[int, typer.Argument(metavar="CONTRACT", help="Its id, as the reports show it.")],
    amount: Annotated[
        str,
        typer.Argument(metavar="AMOUNT", help="So much more is accrued; -25.00 gives back."),
    ],
    reason: Annotated[str, typer.Option(help="Why; it stays in the books.")] = "",
    corrects: Annotated[str | None, typer.Option(metavar="MONTH", help="The month it corrects.")] = None,
    by: Who = None,
    preview: Annotated[bool, typer.Option("--preview", help="Say what it would do, and do nothing.")] = False,
) -> None:
    """Post an amount by hand, in the first open month; what remains after it goes on by the rules."""
    settings: SyncSettings = SyncSettings.load()
    month = parse_month(corrects) if corrects else None
    asked = Adjustment(contract, parse_adjustment(amount), month)
    done = post_adjustment(asked, Signature(_who(by), reason), datetime.now(settings.zone).date(), preview=preview)
    what = f"{done.amount} {done.currency} for contract {contract} in {done.month:%Y-%m}"
    again = "; it is ACTIVE again" if done.reopened else ""
    typer.echo(f"{'would be posted' if preview else 'posted'}: {what}")
    typer.echo(f"{done.remaining_before} remained, {done.remaining} remain{again}")


def verify(
    expect: Annotated[
        str | None, typer.Option(metavar="HASH", help="A close's hash that was kept elsewhere: does it still stand?")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
) -> None:
    """Work out every close again: exit status 1 and one line on the first that is not what it was made as."""
    with read_session() as session:
        found = verify_closes(session)
        if as_json:
            print(json.dumps(verification_json(found), indent=2))  # noqa: T201 - the one thing on standard output
        for close in () if as_json else found.closes:
            typer.echo(f"{close.month:%Y-%m} {close.hash or 'without a hash: closed by an older version'}")
        if found.difference is not None:
            raise SyncError(f"{found.difference.month:%Y-%m} does not verify: {found.difference.how}")
        told = ["Every close is as it was made." if found.closes else "No month is closed."]
        if expect is not None:
            told.append(find_close(session, found, expect))
    for line in () if as_json else told:
        typer.echo(line)


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
def set_up_prefect() -> None:
    """Make or update work pool, vendors' limits and deployments on the server of PREFECT_API_URL; safe to repeat."""
    quiet_prefect()
    from prefect.settings import PREFECT_API_URL

    if not PREFECT_API_URL.value():
        raise UsageError("PREFECT_API_URL is not set: the URL of a Prefect server that lasts is expected")
    with prefect_api():
        from prefect.client.orchestration import get_client

        from flows.prefect_setup import set_up

        with get_client(sync_client=True) as client:
            for item in set_up(client):
                typer.echo(str(item))


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
