"""Commands for the database itself: `db upgrade`, `db encrypt`, `db key`."""

import typer

import steps.domain.client
import steps.domain.invoice  # noqa: F401 - the ledger's personal tables make themselves known
from tracking.database import configured_database_url, make_engine
from tracking.encryption import new_key
from tracking.migrate import upgrade_database
from tracking.reseal import reseal

database_app = typer.Typer(help="Look after the database: its schema, and its encryption.", no_args_is_help=True)


@database_app.command("upgrade")
def upgrade() -> None:
    """Bring the schema up to date now (every command does it at its first use)."""
    engine = make_engine(configured_database_url())
    typer.echo(f"The schema is at {upgrade_database(engine)}.")
    engine.dispose()


@database_app.command("encrypt")
def encrypt() -> None:
    """Seal names, emails and records with SYNC_ENCRYPTION_KEY: once, after it was set or changed."""
    engine = make_engine(configured_database_url())
    upgrade_database(engine)
    typer.echo(f"{reseal(engine)} rows sealed.")
    engine.dispose()


@database_app.command("key")
def key() -> None:
    """Print a new key for SYNC_ENCRYPTION_KEY. Keep it: without it the names and emails are lost."""
    typer.echo(new_key())
