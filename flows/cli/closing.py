"""`close` and `reopen`: a person's word that a month is done, or is not."""

from datetime import datetime
from typing import Annotated

import typer
from rich.console import Console

from flows.cli.months import parse_month
from flows.cli.progress_view import error_line
from flows.cli.report_tables import roll_forward_tables
from flows.cli.run import ExitStatus, login_name
from steps.accruals.closing import ClosingRefusedError, Signature, close_month, reopen_month
from steps.accruals.closing_checks import Candidate
from steps.accruals.reports.roll_forward import RollForwardChain
from steps.domain.months import MonthWindow
from steps.errors import UsageError
from steps.settings import SyncSettings

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


def reopen(
    month: Month,
    reason: Annotated[str, typer.Option(help="Why; it stays in the books.")] = "",
    by: Who = None,
) -> None:
    """Open a closed month again, and every closed month after it."""
    opened = reopen_month(parse_month(month), Signature(_who(by), reason))
    Console(highlight=False).print(f"open again: {', '.join(f'{each:%Y-%m}' for each in opened)}")


def _who(by: str | None) -> str:
    """Who signs.

    Raises:
        UsageError: nobody does: the option is blank, or the machine knows no login name.
    """
    who = login_name() if by is None else by.strip()
    if not who:
        raise UsageError("who closes or reopens a month stays in the books: give a name with --by")
    return who
