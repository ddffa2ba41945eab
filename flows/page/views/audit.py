"""The trail of who did what, below the view Runs."""

import asyncio

from nicegui import ui

from flows.page.components import Tag, Visit
from flows.page.listing import Column, listing
from tracking.audit import AuditEvent, AuditFilter, audit_trail

_SHOWN = 1000


async def show_audit(visit: Visit) -> None:
    """The newest acts, and all of them as a file."""
    texts = visit.texts
    events = await asyncio.to_thread(audit_trail, AuditFilter(limit=_SHOWN))
    with Tag("div", classes="actions"):
        Tag("h2", texts("audit"))
        ui.space()
        Tag("a", texts("errors.csv"), href=visit.file("audit.csv"), download="")
    ui.label(texts("audit.why")).classes("soft")
    columns = (
        Column("at", texts("audit.at"), day=True),
        Column("who", texts("audit.who")),
        Column("address", texts("audit.address"), desk=True),
        Column("action", texts("audit.action")),
        Column("outcome", texts("audit.outcome"), desk=True),
    )
    with Tag("section", classes="panel"):
        listing(texts, columns, [_row(visit, each) for each in events], texts("audit.none"))


def _row(visit: Visit, event: AuditEvent) -> dict[str, object]:
    return {
        "id": event.id,
        "at": event.at.isoformat(),
        "at_text": visit.texts.moment(event.at),
        "who": f"{event.who} ({event.role})" if event.who else "-",
        "address": event.address,
        "action": event.action,
        "outcome": event.outcome,
    }
