"""What the commands do that look after the installation, such as `api`, `reconcile`, `close`, `db` and `doctor`."""

import os
from calendar import day_abbr
from contextlib import ExitStack
from datetime import date, datetime
from pathlib import Path

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from flows.cli.app import ExitStatus, error_line
from flows.cli.output import print_json
from flows.cli.reports import narrow_table, roll_forward_tables
from flows.cli.run import login_name, sandboxed
from flows.events import MONTH_CLOSED, MONTH_REOPENED, tell_months
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
from steps.corrections import Adjustment
from steps.corrections import adjust as post_adjustment
from steps.errors import SyncError, UsageError
from steps.ledger.months import MonthWindow
from steps.reports.export import as_json as plain_json
from steps.reports.roll_forward import RollForwardChain
from steps.settings import SyncSettings
from steps.teaching import list_services, read_teaching, set_teaching
from tracking.database import configured_database_url, make_engine, read_session, upgrade_database
from tracking.encryption import encrypt_again


def close(month: date, reason: str, by: str | None) -> None:
    """Close a month and show its roll-forward, or what is in the way."""
    settings: SyncSettings = SyncSettings.load()
    candidate = Candidate(month, datetime.now(settings.zone).date(), settings)
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
    tell_months(MONTH_CLOSED, [candidate.month])


def reopen(month: date, reason: str, by: str | None) -> None:
    """Open a closed month and those after it."""
    SyncSettings.load()  # the books are not touched while a setting is wrong
    opened = reopen_month(month, Signature(_who(by), reason))
    Console(highlight=False).print(f"open again: {', '.join(f'{each:%Y-%m}' for each in opened)}")
    tell_months(MONTH_REOPENED, opened)


def adjust(asked: Adjustment, reason: str, by: str | None, *, preview: bool) -> None:
    """Post an amount by hand, or say what it would do."""
    settings: SyncSettings = SyncSettings.load()
    done = post_adjustment(asked, Signature(_who(by), reason), datetime.now(settings.zone).date(), preview=preview)
    what = f"{done.amount} {done.currency} for contract {asked.contract_id} in {done.month:%Y-%m}"
    again = "; it is ACTIVE again" if done.reopened else ""
    typer.echo(f"{'would be posted' if preview else 'posted'}: {what}")
    typer.echo(f"{done.remaining_before} remained, {done.remaining} remain{again}")


def show_services(*, as_json: bool) -> None:
    """What each service teaches, and its last change."""
    with read_session() as session:
        found = list_services(session)
    if as_json:
        print_json(found)
        return
    table = narrow_table("Services", "id", "account", "name", "weekdays", "changed by", amounts=["sessions", "a week"])
    for each in found:
        weekdays = " ".join(day_abbr[day] for day in each["class_weekdays"] or ()) or "not known"
        last = f"{each['changes'][0]['who']}: {each['changes'][0]['reason']}" if each["changes"] else "-"
        numbers = str(each["total_sessions"]), str(each["sessions_per_week"])
        names = each["external_id"], each["account_identifier"] or "-", each["name"]
        table.add_row(*map(Text, names), weekdays, Text(last), *numbers)
    Console(highlight=False).print(table)


def set_services(file: str, reason: str, by: str | None, *, preview: bool, as_json: bool) -> None:
    """Set what services teach from a file, and show what became, or would become, another."""
    SyncSettings.load()  # the books are not touched while a setting is wrong
    try:
        asked = read_teaching(Path(file).read_text("utf-8"))
    except (OSError, UnicodeError) as error:
        raise UsageError(f"cannot read {file}: {getattr(error, 'strerror', None) or 'it is not UTF-8'}") from None
    changed = set_teaching(asked, Signature(_who(by), reason), preview=preview)
    if as_json:
        print_json(plain_json(changed))
        return
    for each in changed:
        for name, value in each.after.items():
            typer.echo(f"{each.service}: {name} {each.before[name]} -> {value}")
    typer.echo(f"{len(changed)} services {'would be' if preview else 'are'} changed")


def verify(expect: str | None, *, as_json: bool) -> None:
    """Work out every close again: exit status 1 and one line on the first that is not what it was made as."""
    with read_session() as session:
        found = verify_closes(session)
        if as_json:
            print_json(verification_json(found))
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


def upgrade() -> None:
    """Bring the schema up to date."""
    engine = make_engine(configured_database_url())
    typer.echo(f"The schema is at {upgrade_database(engine)}.")
    engine.dispose()


def encrypt() -> None:
    """Encrypt what is not, or not with the present key."""
    engine = make_engine(configured_database_url())
    upgrade_database(engine)
    typer.echo(f"{encrypt_again(engine)} rows encrypted.")
    engine.dispose()


def set_up_prefect(*, dry_run: bool, notify: str | None, notify_url: str | None) -> None:
    """Make or update what a Prefect server that lasts needs, and say what is new, changed and there already."""
    quiet_prefect()
    settings: SyncSettings = SyncSettings.load()
    if notify is None and notify_url is None and settings.notify_url:
        notify_url = settings.notify_url.get_secret_value()
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
    """A line for each thing that may be wrong around the program, and what to do; ends with 1 if there is a problem."""
    from flows.doctor import Verdict, examine

    findings = examine()
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    for each in findings:
        style = {Verdict.ok: "green", Verdict.problem: "bold red"}.get(each.verdict, "yellow")
        table.add_row(Text(each.verdict, style=style), Text(each.subject), Text(each.words, overflow="fold"))
    Console(highlight=False).print(table)
    problems = sum(each.verdict is Verdict.problem for each in findings)
    unknown = sum(each.verdict is Verdict.not_checked for each in findings)
    told = f"{problems} problem{'' if problems == 1 else 's'}" if problems else "No problem found"
    typer.echo(f"{told}, {unknown} not checked." if unknown else f"{told}.")
    raise typer.Exit(ExitStatus.FAILED if problems else ExitStatus.COMPLETED)


def reconcile_now() -> None:
    """End what dead runs left open, here and in Prefect."""
    quiet_prefect()
    with prefect_api():
        from flows.reconcile_executions import reconcile

        typer.echo(str(reconcile()))


def serve_api(host: str, port: int, *, with_worker: bool, sandbox: bool) -> None:
    """Serve the HTTP API and the page until the process is told to stop."""
    quiet_prefect()
    with ExitStack() as stack:
        if sandbox:
            stack.enter_context(sandboxed())
            os.environ["PREFECT_API_URL"] = ""  # on a lasting server its worker would take real runs to the sandbox
        from flows.server import serve  # it imports Prefect, which takes seconds

        serve(host, port, typer.echo, with_worker=with_worker)
