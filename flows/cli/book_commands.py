"""The commands that a person keeps the books with: what may be typed. What they do is in `books.py`."""

from typing import Annotated

import typer

from flows.cli.app import importing
from flows.parameters import parse_month

JsonValue = Annotated[bool, typer.Option("--json", help="One JSON value on standard output.")]
Month = Annotated[str, typer.Argument(metavar="MONTH", help="Such as 2024-03.")]
Who = Annotated[str | None, typer.Option(metavar="WHO", help="Who says so; default: the login name.")]
Override = Annotated[
    str | None,
    typer.Option(metavar="REASON", help="Accruals only: accrue although gate or policy refuse the month."),
]

books_app = typer.Typer()


@books_app.command("worklist")
def show_worklist(as_json: JsonValue = False) -> None:
    """Show what waits for a person after the last month that was accrued: amount, reason, since when."""
    with importing():
        from flows.cli import books
    books.show_worklist(as_json=as_json)


@books_app.command("close")
def close(
    month: Month,
    reason: Annotated[str, typer.Option(help="A remark that stays in the books.")] = "",
    by: Who = None,
) -> None:
    """Close a month for good: its postings never change again. Refused with the list of what is in the way."""
    day = parse_month(month)
    with importing():
        from flows.cli import books
    books.close(day, reason, by)


@books_app.command("reopen")
def reopen(
    month: Month,
    reason: Annotated[str, typer.Option(help="Why; it stays in the books.")] = "",
    by: Who = None,
) -> None:
    """Open a closed month again, and every closed month after it."""
    day = parse_month(month)
    with importing():
        from flows.cli import books
    books.reopen(day, reason, by)


@books_app.command("adjust", context_settings={"ignore_unknown_options": True})  # an amount such as -25.00 is no option
def adjust(
    contract: Annotated[int, typer.Argument(metavar="CONTRACT", help="Its id, as the reports show it.")],
    amount: Annotated[str, typer.Argument(metavar="AMOUNT", help="So much more is accrued; -25.00 gives back.")],
    reason: Annotated[str, typer.Option(help="Why; it stays in the books.")] = "",
    corrects: Annotated[str | None, typer.Option(metavar="MONTH", help="The month it corrects.")] = None,
    by: Who = None,
    preview: Annotated[bool, typer.Option("--preview", help="Say what it would do, and do nothing.")] = False,
) -> None:
    """Post an amount by hand, in the first open month; what remains after it goes on by the rules."""
    month = parse_month(corrects) if corrects else None
    with importing():
        from flows.cli import books
        from steps.corrections import Adjustment, parse_adjustment
    books.adjust(Adjustment(contract, parse_adjustment(amount), month), reason, by, preview=preview)


@books_app.command("redo")
def redo(
    month: Month,
    reason: Annotated[str, typer.Option(help="Why; it stays in the books.")] = "",
    by: Who = None,
    override: Override = None,
    preview: Annotated[bool, typer.Option("--preview", help="Show what it would change, and change nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: JsonValue = False,
) -> None:
    """Process an open month again, and every later one: what was posted is set aside, and kept. Shows it and asks."""
    day = parse_month(month)
    with importing():
        from flows.cli import books
    raise typer.Exit(books.redo(day, books.Redoing(reason, by, override, preview, yes, as_json)))


@books_app.command("dismiss")
def dismiss(
    contract: Annotated[int, typer.Argument(metavar="CONTRACT", help="Its id, as the worklist shows it.")],
    reason: Annotated[str, typer.Option(help="Why; it stays in the books.")] = "",
    by: Who = None,
) -> None:
    """Let what was accrued before an enrollment stand: it is not told again."""
    with importing():
        from flows.cli import books
    books.dismiss(contract, reason, by)


@books_app.command("services")
def services(
    file: Annotated[
        str | None, typer.Argument(metavar="FILE.csv", help="Sessions and class weekdays to set; none: list them.")
    ] = None,
    reason: Annotated[str, typer.Option(help="Why; it stays in the books.")] = "",
    by: Who = None,
    preview: Annotated[bool, typer.Option("--preview", help="Say what it would do, and do nothing.")] = False,
    as_json: JsonValue = False,
) -> None:
    """List what services teach, or set it from a CSV: service, total_sessions, sessions_per_week, class_weekdays."""
    with importing():
        from flows.cli import books
    if file is None:
        books.show_services(as_json=as_json)
    else:
        books.set_services(file, reason, by, preview=preview, as_json=as_json)


@books_app.command("verify")
def verify(
    expect: Annotated[
        str | None, typer.Option(metavar="HASH", help="A close's hash that was kept elsewhere: does it still stand?")
    ] = None,
    as_json: JsonValue = False,
) -> None:
    """Work out every close again: exit status 1 and one line on the first that is not what it was made as."""
    with importing():
        from flows.cli import books
    books.verify(expect, as_json=as_json)


@books_app.command("closings")
def closings(as_json: JsonValue = False) -> None:
    """Show every closing and reopening there ever was: who, when, why, and the hash of the close."""
    with importing():
        from flows.cli import books
    books.closings(as_json=as_json)


balances_app = typer.Typer(help="Deferred revenue of a ledger that begins in mid-life.", no_args_is_help=True)
books_app.add_typer(balances_app, name="opening-balances")


@balances_app.command("load")
def load_balances(
    file: Annotated[str, typer.Argument(metavar="FILE", help="CSV: email, name, service, amount, currency.")],
    month: Annotated[str, typer.Option(metavar="YYYY-MM", help="The first month of the ledger.")],
    reason: Annotated[str, typer.Option(help="Why; it stays in the books.")] = "",
    by: Who = None,
    preview: Annotated[bool, typer.Option("--preview", help="Check every line, and take nothing.")] = False,
) -> None:
    """Take deferred revenue by contract, every line or none; `revert` takes it out again."""
    day = parse_month(month)
    with importing():
        from flows.cli import books
    books.load_balances(file, day, reason, by, preview=preview)


@balances_app.command("revert")
def revert_balances(
    load_id: Annotated[int, typer.Argument(metavar="ID", help="Of the load, as `list` shows it.")],
    reason: Annotated[str, typer.Option(help="Why; it stays in the books.")] = "",
    by: Who = None,
) -> None:
    """Take out again what a load brought; the next month that is accrued takes back what was accrued of it."""
    with importing():
        from flows.cli import books
    books.revert_balances(load_id, reason, by)


@balances_app.command("list")
def list_balances() -> None:
    """Every load there ever was, and what became of it."""
    with importing():
        from flows.cli import books
    books.list_balances()
