"""`sync-actions explain`: what was posted for a contract in a month, and why, on the screen or as JSON."""

import calendar
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import date

from rich.console import Console, RenderableType
from rich.text import Text

from flows.cli.output import print_json
from flows.cli.reports import narrow_table
from steps.ledger.accrual import ADJUSTMENT
from steps.reports.explain import Calculation, ExplainedPosting, Explanation, WorkedOut, explain
from steps.reports.export import as_json as plain_json
from steps.settings import SyncSettings
from tracking.database import read_session


def show_explanation(contract: int, month: date, *, as_json: bool) -> None:
    """Show what was posted for a contract in a month, and why."""
    settings: SyncSettings = SyncSettings.load()
    with read_session() as session:
        explanation = explain(session, contract, month, settings)
    if as_json:
        print_json(plain_json(explanation))
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
        yield f"Posted {explanation.posted:,.2f} {explanation.postings[0].currency}:"
        yield from map(_posting, explanation.postings)
    else:
        yield "Nothing was posted."
    if explanation.rule is not None:
        rule = explanation.rule
        yield Text(f"Rule: row {rule.row}, {rule.condition}: {rule.outcome}")
    for line in explanation.notifications:
        yield Text(f"Told: {line}")
    yield from _reasons(explanation)
    if explanation.documents:
        yield from _documents(explanation)


def _reasons(explanation: Explanation) -> Iterator[RenderableType]:
    """What was kept with the postings, what changed since, and what today's ledger says where that differs."""
    currency = explanation.contract.currency
    if explanation.worked_out is not None:
        yield from _worked_out(explanation.worked_out, explanation.formula)
    elif explanation.by_rule:
        yield Text(
            "What it was worked out from was not kept: an older version posted it. As the ledger is today:", "dim"
        )
    for change in explanation.changes:
        yield Text(f"Changed since: {change}", "yellow")
    if explanation.calculation is not None:
        if explanation.worked_out is None or explanation.changes:
            yield from _calculation(explanation.calculation, currency)
        yield from _session_days(explanation.calculation)
    if explanation.changed_since and explanation.calculation is not None:
        today = f"{explanation.calculation.amount:,.2f} {currency}"
        yield Text(f"Worked out today it would be {today}.", "yellow")


def _posting(posting: ExplainedPosting) -> Text:
    if posting.rule == ADJUSTMENT:
        corrects = f", corrects {posting.corrects:%Y-%m}" if posting.corrects else ""
        return Text(f"  {posting.amount:,.2f} adjusted by {posting.made_by}: {posting.reason}{corrects}")
    what = f"{posting.amount:,.2f} for {posting.sessions} sessions, portion {posting.portion}"
    return Text(f"  {what}, {posting.period or 'no period'}")


def _worked_out(found: WorkedOut, formula: Iterable[str]) -> Iterator[RenderableType]:
    """What was kept with the postings, so that they can be done again by hand."""
    yield Text("Worked out, when it was posted, from:")
    documents = ", ".join(f"{amount:,.2f} of {day}" for day, amount in found.documents)
    yield Text(f"  documents: {documents or 'none'}; together {found.total:,.2f}")
    yield Text(f"  {found.accrued_before:,.2f} accrued before, so {found.remaining:,.2f} remained")
    before = "" if found.sessions_before is None else f", {found.sessions_before} before"
    yield Text(
        f"  {found.sessions_in_month} sessions in the month, {found.sessions_remaining} from its first day on{before}"
    )
    for period in found.periods:
        since = f" since {period.status_change_date}" if period.status_change_date else ""
        known = f", known from {period.created_on}" if period.created_on else ""
        days = f"{period.start_date} to {period.end_date}"
        yield Text(f"  period {period.external_id}: {days}, {period.status}{since}{known}")
    page = found.notion
    notion = f"{page.status or 'no status'} ({page.date or 'no date'})" if page else "no page"
    yield Text(f"  contract {found.contract_status}, begun {found.contract_date}; Notion: {notion}")
    yield Text(f"  service: {_taught(found)}")
    yield Text(f"  policy: {', '.join(f'{name}={value}' for name, value in found.policy.items())}")
    for line in formula:
        yield Text(f"  {line}", style="bold")


def _taught(found: WorkedOut) -> str:
    service = found.service
    if not service.class_weekdays:
        return f"{service.sessions_per_week} sessions a week, {service.total_sessions} at the most"
    weekdays = " ".join(calendar.day_abbr[weekday] for weekday in service.class_weekdays)
    return f"classes on {weekdays}, but not on {', '.join(map(str, found.holidays)) or 'a holiday'}"


def _calculation(found: Calculation, currency: str) -> Iterator[RenderableType]:
    parts = f"{found.total:,.2f} in documents - {found.accrued_before:,.2f} accrued before"
    yield Text(f"Remaining: {parts} = {found.remaining:,.2f} {currency}")
    yield Text(f"Sessions: {found.sessions_in_month} in the month, {found.sessions_remaining} remaining from its first")


def _session_days(found: Calculation) -> Iterator[RenderableType]:
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
