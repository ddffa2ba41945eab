"""What the commands do that a person keeps the books with: `worklist`, `redo`, `adjust`, `close`, ...."""

import json
from datetime import date, datetime

import typer
from rich.console import Console
from rich.text import Text

from flows.cli.app import ExitStatus, error_line
from flows.cli.reports import money, narrow_table, roll_forward_tables
from flows.cli.run import login_name
from flows.events import MONTH_CLOSED, MONTH_REOPENED, tell_months
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
from steps.reports.worklist import worklist
from steps.settings import SyncSettings
from tracking.database import read_session


def show_worklist(*, as_json: bool) -> None:
    """What waits for a person: what each kind comes to, then contract by contract."""
    settings: SyncSettings = SyncSettings.load()
    with read_session() as session:
        found = worklist(session, settings, datetime.now(settings.zone).date())
    if as_json:
        print(json.dumps(plain_json(found), indent=2))  # noqa: T201 - the one thing on standard output
        return
    console = Console(highlight=False)
    if not found.items:
        console.print(f"Nothing waits for a person after {found.month:%Y-%m}.")
        return
    totals = narrow_table(
        f"Waiting for a person after {found.month:%Y-%m}", "kind", "", "contracts", amounts=["amount"]
    )
    for total in found.totals:
        totals.add_row(total.kind, total.currency, str(total.contracts), money(total.amount))
    table = narrow_table("Contract by contract", "kind", "client", "contract", "why", "since", amounts=["amount"])
    for item in found.items:
        amount = f"{money(item.amount)} {item.currency}"
        client = Text(item.contract.client or item.contract.email)
        table.add_row(item.kind, client, str(item.contract.id), Text(item.reason), f"{item.since}", amount)
    console.print(totals, table)


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


def verify(expect: str | None, *, as_json: bool) -> None:
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
