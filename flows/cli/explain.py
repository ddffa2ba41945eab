"""`sync-actions explain`: why a contract has what it has in a month."""

import json
from collections import defaultdict
from collections.abc import Iterator
from typing import Annotated

import typer
from rich.console import Console, RenderableType
from rich.text import Text

from flows.cli.look_back import AsJson
from flows.cli.months import parse_month
from flows.cli.report_tables import narrow_table
from steps.accruals.reports.as_json import as_json as plain_json
from steps.accruals.reports.explain import Calculation, Explanation, explain
from steps.settings import SyncSettings
from tracking.database import read_session


def show_explanation(
    contract: Annotated[int, typer.Argument(metavar="CONTRACT", help="Its id, as the reports show it.")],
    month: Annotated[str, typer.Argument(metavar="MONTH", help="Such as 2024-03.")],
    as_json: AsJson = False,
) -> None:
    """Explain a contract's month: its rule, its sessions day by day, its documents and what brought them."""
    settings: SyncSettings = SyncSettings.load()
    with read_session() as session:
        explanation = explain(session, contract, parse_month(month), settings)
    if as_json:
        print(json.dumps(plain_json(explanation), indent=2))  # noqa: T201 - the one thing on standard output
        return
    console = Console(highlight=False)
    for part in _told(explanation):
        console.print(part)


def _told(explanation: Explanation) -> Iterator[RenderableType]:
    name = explanation.contract
    closed = ", which is closed" if explanation.closed else ""
    title = f"Contract {name.id}: {name.client} <{name.email}>, {name.service}, in {explanation.month:%Y-%m}{closed}"
    yield Text(title, style="bold")
    if explanation.postings:
        yield f"Posted {explanation.posted:,.2f} {name.currency}:"
        for posting in explanation.postings:
            what = f"{posting.amount:,.2f} for {posting.sessions} sessions, portion {posting.portion}"
            yield Text(f"  {what}, {posting.period or 'no period'}")
    else:
        yield "Nothing was posted."
    if explanation.rule is not None:
        rule = explanation.rule
        yield Text(f"Rule: row {rule.row}, {rule.condition}: {rule.outcome}")
    for line in explanation.notifications:
        yield Text(f"Told: {line}")
    if explanation.calculation is not None:
        yield from _calculation(explanation.calculation, name.currency)
    if explanation.changed_since and explanation.calculation is not None:
        today = f"{explanation.calculation.amount:,.2f} {name.currency}"
        yield Text(f"Worked out today it would be {today}: documents, periods or statuses changed since.", "yellow")
    if explanation.documents:
        yield from _documents(explanation)


def _calculation(found: Calculation, currency: str) -> Iterator[RenderableType]:
    parts = f"{found.total:,.2f} in documents - {found.accrued_before:,.2f} accrued before"
    yield Text(f"Remaining: {parts} = {found.remaining:,.2f} {currency}")
    yield Text(f"Sessions: {found.sessions_in_month} in the month, {found.sessions_remaining} remaining from its first")
    by_period: dict[str, list[str]] = defaultdict(list)
    for each in found.days:
        if each.sessions:
            by_period[each.period].append(f"{each.day.day}" + (f" (x{each.sessions})" if each.sessions > 1 else ""))
    for period, days in by_period.items():
        yield Text(f"  {period}: on day {', '.join(days)}")


def _documents(explanation: Explanation) -> Iterator[RenderableType]:
    table = narrow_table("Documents counted", "number", "kind", "date", "imported by", amounts=["amount"])
    for document in explanation.documents:
        moment = f", {document.imported_at:%Y-%m-%d %H:%M} UTC" if document.imported_at else ""
        by = f"execution {document.execution_id}{moment}" if document.execution_id else "no execution on record"
        amount = f"{document.amount:,.2f} {document.currency}"
        table.add_row(Text(document.number or "-"), document.kind, document.day.isoformat(), by, amount)
    yield table
