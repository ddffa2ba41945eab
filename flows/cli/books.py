"""What the commands do that a person keeps the books with: `worklist`, `redo`, `adjust`, `close`, ...."""

import sys
from calendar import day_abbr
from dataclasses import dataclass
from datetime import date, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import typer
from rich.console import Console
from rich.text import Text

from flows.cli.app import ExitStatus, error_line
from flows.cli.output import print_json
from flows.cli.reports import money, narrow_table, roll_forward_tables
from flows.cli.run import login_name, run_flow
from flows.events import MONTH_CLOSED, MONTH_REOPENED, tell_months
from flows.prefect_server import quiet_prefect
from steps.closing import (
    Candidate,
    ClosingRefusedError,
    Signature,
    close_month,
    find_close,
    reopen_month,
    trail_json,
    verification_json,
)
from steps.closing import verify as verify_closes
from steps.corrections import Adjustment
from steps.corrections import adjust as post_adjustment
from steps.corrections import dismiss as dismiss_enrollment
from steps.engine.gate import Override
from steps.errors import SyncError, UsageError
from steps.ledger.months import MonthWindow
from steps.opening_balances import (
    BalanceFile,
    UnfitBalancesError,
    load_opening_balances,
    loads_of_opening_balances,
    revert_opening_balances,
)
from steps.reports.export import as_json as plain_json
from steps.reports.roll_forward import RollForwardChain
from steps.reports.worklist import worklist
from steps.settings import SyncSettings
from steps.teaching import list_services, read_teaching, set_teaching
from tracking.database import read_session
from tracking.history import executions_of_run
from tracking.recorder import WindowBusyError

if TYPE_CHECKING:
    from steps.redo import AskedRedo, Redone  # it imports Prefect, which takes seconds


@dataclass(frozen=True, slots=True)
class Redoing:
    """How a redo is asked for on the command line."""

    reason: str
    by: str | None
    override: str | None
    preview: bool
    yes: bool
    as_json: bool


def show_worklist(*, as_json: bool) -> None:
    """What waits for a person: what each kind comes to, then contract by contract."""
    settings: SyncSettings = SyncSettings.load()
    with read_session() as session:
        found = worklist(session, settings, datetime.now(settings.zone).date())
    if as_json:
        print_json(plain_json(found))
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
        closed = close_month(candidate, Signature(who_signs(by), reason))
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
    opened = reopen_month(month, Signature(who_signs(by), reason))
    Console(highlight=False).print(f"open again: {', '.join(f'{each:%Y-%m}' for each in opened)}")
    tell_months(MONTH_REOPENED, opened)


def adjust(asked: Adjustment, reason: str, by: str | None, *, preview: bool) -> None:
    """Post an amount by hand, or say what it would do."""
    settings: SyncSettings = SyncSettings.load()
    done = post_adjustment(asked, Signature(who_signs(by), reason), datetime.now(settings.zone).date(), preview=preview)
    what = f"{done.amount} {done.currency} for contract {asked.contract_id} in {done.month:%Y-%m}"
    again = "; it is ACTIVE again" if done.reopened else ""
    typer.echo(f"{'would be posted' if preview else 'posted'}: {what}")
    typer.echo(f"{done.remaining_before} remained, {done.remaining} remain{again}")


def dismiss(contract: int, reason: str, by: str | None) -> None:
    """End the notification of what was accrued before an enrollment."""
    until = dismiss_enrollment(contract, Signature(who_signs(by), reason))
    typer.echo(f"dismissed: what was accrued whole for contract {contract} up to {until:%Y-%m} stays as it is")


def redo(month: date, signature: Redoing) -> ExitStatus:
    """Show what a redo changes, ask, and do it, in a run of its flow."""
    quiet_prefect()
    from steps.context import StepContext
    from steps.redo import AskedRedo, preview_redo, read_redone

    settings: SyncSettings = SyncSettings.load()
    asked = AskedRedo.of(
        month, Signature(who_signs(signature.by), signature.reason), datetime.now(settings.zone).date()
    )
    override = Override.of(signature.override, asked.by.who) if signature.override is not None else None
    if not signature.preview:
        asked.require_reason()
    if signature.preview or not signature.yes:
        try:
            with StepContext(settings=settings) as context:
                found = preview_redo(context.of_execution(None, override=override), asked)
        except WindowBusyError as error:
            raise SyncError(str(error)) from None
        if signature.preview:
            _tell_redone(found, as_json=signature.as_json)
            return ExitStatus.COMPLETED
        _show_redone(found, sys.stderr if signature.as_json else sys.stdout)
        _require_yes(err=signature.as_json)
    state = run_flow(f"Redo from {month:%Y-%m} on", partial(_start_redo, asked, signature.override), sandbox=False)
    if not state.is_completed():
        error_line(state.message)
        return ExitStatus.INTERRUPTED if state.is_cancelled() else ExitStatus.FAILED
    done = read_redone(executions_of_run(str(state.state_details.flow_run_id)))
    if signature.as_json or signature.yes:
        _tell_redone(done, as_json=signature.as_json)
    if not signature.as_json:
        typer.echo(f"Done: {', '.join(f'{each:%Y-%m}' for each in done.months)} processed again (redo {done.redo_id}).")
    return ExitStatus.COMPLETED


def _start_redo(asked: "AskedRedo", override: str | None) -> Any:
    from flows.redo import redo as redo_flow

    return redo_flow(
        asked.months[0], asked.by.reason, asked.by.who, preview=False, override=override, return_state=True
    )


def _tell_redone(found: "Redone", *, as_json: bool) -> None:
    if as_json:
        print_json(plain_json(found))
    else:
        _show_redone(found, sys.stdout)


def _require_yes(*, err: bool) -> None:
    try:
        if typer.confirm("Do it?", err=err):
            return
    except typer.Abort:
        raise UsageError("nobody answers here: say --yes, or --preview to look only") from None
    error_line("Nothing was changed.")
    raise typer.Exit(ExitStatus.FAILED)


def _show_redone(found: "Redone", file: TextIO) -> None:
    console = Console(highlight=False, file=file)
    months = ", ".join(f"{each:%Y-%m}" for each in found.months)
    table = narrow_table(
        f"Processed again: {months}", "client", "contract", "", "why", amounts=["old", "new", "difference"]
    )
    for each in found.contracts:
        client = Text(each.contract.client or each.contract.email)
        amounts = map(money, (each.old, each.new, each.difference))
        table.add_row(client, str(each.contract.id), each.currency, Text(each.why), *amounts)
    table.add_section()
    for total in found.totals:
        table.add_row(
            "all", "", total.currency, "", *map(money, (total.old, total.new, total.difference)), style="bold"
        )
    console.print(table if found.contracts else f"Nothing changes in {months}.")


def load_balances(file: str, month: date, reason: str, by: str | None, *, preview: bool) -> None:
    """Load a file of opening balances, or a line on standard error for each line that cannot be taken."""
    settings: SyncSettings = SyncSettings.load()
    try:
        text = Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read {file}: {getattr(error, 'strerror', None) or 'it is not UTF-8'}") from None
    asked = BalanceFile(Path(file).name, text, month)
    try:
        loaded = load_opening_balances(asked, Signature(who_signs(by), reason), settings, preview=preview)
    except UnfitBalancesError as refusal:
        for fault in refusal.faults:
            error_line(f"- {fault}")
        raise
    for currency, amount in loaded.totals.items():
        number = sum(each.currency == currency for each in loaded.balances)
        typer.echo(f"{number} contracts, {amount:,.2f} {currency}")
    new = sum(each.new_contract for each in loaded.balances), sum(each.new_client for each in loaded.balances)
    typer.echo(f"{new[0]} contracts and {new[1]} clients {'would be' if preview else 'are'} new")
    typer.echo("nothing was taken: a preview" if preview else f"taken as load {loaded.load_id}")


def revert_balances(load_id: int, reason: str, by: str | None) -> None:
    """Take out again what a load brought."""
    load = revert_opening_balances(load_id, Signature(who_signs(by), reason), SyncSettings.load())
    typer.echo(f"reverted: load {load_id}, {load.contracts} contracts of {load.file_name}")


def list_balances() -> None:
    """A line for each load."""
    for load in loads_of_opening_balances():
        what = f"{load.id}: {load.month:%Y-%m}, {load.contracts} contracts of {load.file_name}"
        reverted = f"; reverted by {load.reverted_by}: {load.revert_reason}" if load.reverted_at else ""
        typer.echo(f"{what}, loaded by {load.who} on {load.at:%Y-%m-%d}: {load.reason}{reverted}")


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
    changed = set_teaching(asked, Signature(who_signs(by), reason), preview=preview)
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


def closings(*, as_json: bool) -> None:
    """Every closing and reopening there ever was, in their order."""
    with read_session() as session:
        trail = trail_json(session)
    if as_json:
        print_json({"closings": trail})
        return
    for each in trail:
        told = f"{each['month']} {each['action']} {each['at'][:16].replace('T', ' ')} UTC by {each['who']}"
        typer.echo(told + (f": {each['reason']}" if each["reason"] else ""))
        typer.echo(f"        {each['hash'] or 'without a hash: closed by an older version'}")
    if not trail:
        typer.echo("No month was ever closed.")


def who_signs(by: str | None) -> str:
    """Who signs: as given, else the login name.

    Raises:
        UsageError: nobody does: the option is blank, or the machine knows no login name.
    """
    who = login_name() if by is None else by.strip()
    if not who:
        raise UsageError("who closes or reopens a month stays in the books: give a name with --by")
    return who
