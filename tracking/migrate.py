"""Schema migrations (Alembic), applied on first use; a database of a newer version is refused."""

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, text

from tracking.errors import DatabaseUnusableError

_MIGRATION_LOCK = 0x53594D49
"""Key of the PostgreSQL advisory lock under which the schema changes ("SYMI")."""


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", "tracking:migrations")
    config.set_main_option("path_separator", "os")
    return config


def schema_head() -> str:
    """The revision that this version of the program works with."""
    return ScriptDirectory.from_config(_config()).get_current_head() or ""


def schema_revision(connection: Connection) -> str | None:
    """The revision that a database is at; None when it is empty."""
    return MigrationContext.configure(connection).get_current_revision()


def upgrade_database(engine: Engine) -> str:
    """Bring the schema up to date, without loss; two processes at once do it once. Returns the revision.

    Raises:
        DatabaseUnusableError: a newer version of the program made it.
    """
    head = schema_head()
    with engine.connect() as connection:
        if _known(schema_revision(connection)) == head:
            return head
    with engine.connect().execution_options(writer=True) as connection, connection.begin():
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
        if _known(schema_revision(connection)) != head:
            config = _config()
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    return head


def _known(revision: str | None) -> str | None:
    known = {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}
    if revision is not None and revision not in known:
        raise DatabaseUnusableError(
            f"The database is at schema {revision!r}, which a newer version of this program made; this version "
            f"knows up to {schema_head()!r}. Update the program, or set SYNC_DATABASE_URL to another database."
        )
    return revision
