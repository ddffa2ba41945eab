"""A PostgreSQL server seen from above: its databases come and go with the tests."""

from sqlalchemy import create_engine, text

from tracking.database import parse_database_url


def named(url: str, database: str) -> str:
    """The URL of another database of the same server."""
    return parse_database_url(url).set(database=database).render_as_string(hide_password=False)


def administer(url: str, *statements: str) -> None:
    """Carry statements out, each by itself."""
    engine = create_engine(parse_database_url(url), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()
