"""`sync-actions audit`: who did what through the API and the page."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from flows.cli.output import print_json, write_file
from flows.parameters import parse_moment
from steps.reports.export import audit_sheet, csv_text
from steps.settings import SyncSettings
from tracking.audit import AuditEvent, AuditFilter, audit_trail


def show_audit(
    since: str | None, until: str | None, who: str | None, limit: int, export: str | None, *, as_json: bool
) -> None:
    """Show the acts that fit, newest first, or write all of them to a file.

    Raises:
        UsageError: what should be a time is none, or the file cannot be written.
    """
    settings: SyncSettings = SyncSettings.load()
    wanted = AuditFilter(
        since=None if since is None else parse_moment("--since", since, settings.zone),
        until=None if until is None else parse_moment("--until", until, settings.zone),
        who=who,
        limit=None if export else limit,
    )
    events = audit_trail(wanted)
    if export:
        write_file(Path(export), csv_text(audit_sheet(events)).encode())
        Console().print(f"{len(events)} acts written to {export}")
    elif as_json:
        print_json([event.model_dump(mode="json") for event in events])
    else:
        Console().print(_table(events, settings) if events else "No act fits.")


def _table(events: Sequence[AuditEvent], settings: SyncSettings) -> Table:
    table = Table("id", "when", "who", "role", "from", "by", "act", "what came of it")
    for each in events:
        when, texts = f"{each.at.astimezone(settings.zone):%Y-%m-%d %H:%M:%S}", (each.action, each.outcome)
        table.add_row(str(each.id), when, each.who, each.role, each.address, each.door, *map(Text, texts))
    return table
