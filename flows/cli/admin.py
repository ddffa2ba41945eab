"""What the commands do that look after the installation, such as `api`, `reconcile`, `db` and `doctor`."""

import os
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text
from sqlalchemy import URL

from flows.cli.app import ExitStatus
from flows.cli.run import sandboxed
from flows.prefect_server import prefect_api, quiet_prefect
from steps.errors import UsageError
from steps.settings import SyncSettings
from tracking.backups import back_up_sqlite, restore_sqlite
from tracking.database import configured_database_url, make_engine, upgrade_database
from tracking.encryption import encrypt_again


def upgrade() -> None:
    """Bring the schema up to date."""
    engine = make_engine(configured_database_url())
    typer.echo(f"The schema is at {upgrade_database(engine)}.")
    engine.dispose()


def _for_tools(url: URL) -> str:
    """As PostgreSQL's own tools take it; without the password, for which they ask."""
    return url.set(drivername="postgresql", query={})._replace(password=None).render_as_string()


def back_up(file: str) -> None:
    """Copy the database to a file and say what it holds; of PostgreSQL say which command does it."""
    url = configured_database_url()
    if url.get_backend_name() != "sqlite":
        raise UsageError(
            "db backup copies SQLite files; of PostgreSQL: "
            f"pg_dump --format custom --file {file} --dbname {_for_tools(url)}"
        )
    made = back_up_sqlite(Path(url.database or ""), Path(file).absolute())
    typer.echo(f"{made.file}: schema {made.revision}, {made.rows} rows in {made.tables} tables, opened and checked.")


def restore(file: str, *, replace: bool) -> None:
    """Put a backup in the database's place and say what it holds; of PostgreSQL say which commands do it."""
    url = configured_database_url()
    if url.get_backend_name() != "sqlite":
        raise UsageError(
            "db restore takes SQLite files; a dump of PostgreSQL is read by its own tool, into an empty database: "
            f"pg_restore --single-transaction --exit-on-error --no-owner --dbname {_for_tools(url)} {file}"
            "; then sync-actions db upgrade"
        )
    restored = restore_sqlite(Path(file).absolute(), Path(url.database or ""), replace=replace)
    rows, tables = sum(restored.rows.values()), len(restored.rows)
    typer.echo(f"{url.database}: restored from schema {restored.revision}, {rows} rows in {tables} tables, checked.")
    if restored.kept:
        typer.echo(f"What it held before is in {restored.kept}.")


def export(directory: str, *, decrypt: bool) -> None:
    """Write every table to a CSV file of a new directory, and say what is in it."""
    _know_all_tables()
    from tracking.open_files import DESCRIPTION, export_tables

    engine = make_engine(configured_database_url())  # as it is stored it can be read without the key
    try:
        upgrade_database(engine)
        made = export_tables(engine, Path(directory).absolute(), decrypt=decrypt)
    finally:
        engine.dispose()
    for each in made.values():
        sums = [f", {name} {total} {currency}" for name, by in each.sums.items() for currency, total in by.items()]
        typer.echo(f"{each.file}: {each.rows} rows" + "".join(map(str.rstrip, sums)))
    typer.echo(f"{directory}: {len(made)} tables, and {DESCRIPTION}, which describes them.")


def _know_all_tables() -> None:
    """Load the models of all of them, of which a command loads no more than it needs."""
    for module in ("steps.erasure", "tracking.audit"):
        import_module(module)


def encrypt() -> None:
    """Encrypt what is not, or not with the present key."""
    _know_all_tables()
    engine = make_engine(configured_database_url())
    upgrade_database(engine)
    typer.echo(f"{encrypt_again(engine)} rows encrypted.")
    engine.dispose()


def erase(client: str, reason: str | None, by: str | None) -> None:
    """Erase the person behind a client; without a reason say what would be."""
    from flows.cli.books import who_signs
    from steps.closing import Signature
    from steps.erasure import erase_client

    found = erase_client(client, None if reason is None else Signature(who_signs(by), reason))
    rows = [f"{count} row{'' if count == 1 else 's'} of {table}" for table, count in found.rows.items()]
    done = "Nothing was changed: --reason TEXT erases." if reason is None else "Erased."
    typer.echo(f"Client {found.client_id}: {', '.join(rows) or 'nothing of a person'}. {done}")


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


def serve_api(host: str, port: int, *, with_worker: bool, sandbox: bool, tls: tuple[str, str] | None) -> None:
    """Serve the HTTP API and the page until the process is told to stop."""
    quiet_prefect()
    with ExitStack() as stack:
        if sandbox:
            stack.enter_context(sandboxed())
            os.environ["PREFECT_API_URL"] = ""  # on a lasting server its worker would take real runs to the sandbox
        from flows.connections import Certificate
        from flows.server import serve  # it imports Prefect, which takes seconds

        certificate = Certificate(*map(Path, tls)) if tls else None
        serve(host, port, typer.echo, with_worker=with_worker, tls=certificate)
