"""A database as an older version left it, to be upgraded by a test."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, text

from tracking.database import make_engine, parse_database_url


@contextmanager
def older_database(url: str, folder: Path, revision: str) -> Iterator[Engine]:
    """Empty, with the schema of that revision; `url` and `folder` are those of the fixture `database`."""
    engine = make_engine(parse_database_url(url))
    (folder / "sync.db").unlink(missing_ok=True)
    with engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("DROP SCHEMA public CASCADE"))
            connection.execute(text("CREATE SCHEMA public"))
        config = Config()
        config.set_main_option("script_location", "tracking:migrations")
        config.set_main_option("path_separator", "os")
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
    yield engine
    engine.dispose()
