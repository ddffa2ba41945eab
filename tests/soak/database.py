"""PostgreSQL of the soak: a server of its own that is stopped and started, and that notes who held a window when."""

from datetime import date
from typing import Any

import psycopg
from sqlalchemy import Engine

from tests.database_server import DatabaseServer, administer, named
from tracking.database import make_engine, parse_database_url, upgrade_database

_NOTE_HOLDERS = """
CREATE SCHEMA soak;
CREATE TABLE soak.window_log (
  id bigserial PRIMARY KEY, at timestamptz NOT NULL DEFAULT clock_timestamp(),
  execution_id integer NOT NULL, step_name text NOT NULL, window_start date, holds boolean NOT NULL
);
CREATE FUNCTION soak.note_holder() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.holds_window IS DISTINCT FROM OLD.holds_window THEN
    INSERT INTO soak.window_log (execution_id, step_name, window_start, holds)
    VALUES (NEW.id, NEW.step_name, NEW.window_start, NEW.holds_window);
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER soak_note_holder AFTER UPDATE ON sync_execution FOR EACH ROW EXECUTE FUNCTION soak.note_holder();
"""
"""By the database's own clock, which nobody sets; an execution is never inserted as a holder."""


class SoakDatabase:
    """Two databases of one server: `sync` of the soak, and `undisturbed` to compare it with."""

    def __init__(self, server: DatabaseServer) -> None:
        self._server = server
        for name in ("sync", "undisturbed"):
            administer(self._server.url, f"CREATE DATABASE {name}")
            engine = self.engine(name)
            upgrade_database(engine)
            engine.dispose()
        administer(self.url("sync"), _NOTE_HOLDERS)

    def url(self, name: str) -> str:
        """The URL of one of the databases, as `SYNC_DATABASE_URL` takes it."""
        return named(self._server.url, name)

    def engine(self, name: str) -> Engine:
        """An engine as the program makes it; whoever asks disposes it."""
        return make_engine(parse_database_url(self.url(name)))

    def stop(self, mode: str) -> None:
        """End the server: `fast` takes leave of its clients, `immediate` is a crash."""
        self._server.stop(mode)

    def start(self) -> None:
        """Start it again."""
        self._server.start()

    def cut(self, applications: str) -> int:
        """End connections by the name that their program gave (a LIKE pattern), and say how many."""
        return len(
            self.ask(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = 'sync' AND pid <> pg_backend_pid() AND application_name LIKE %s",
                applications,
            )
        )

    def ask(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """The rows of a query on `sync`.

        Raises:
            psycopg.Error: the server is away.
        """
        with psycopg.connect(self._psycopg_url, connect_timeout=5) as connection:
            return connection.execute(query.encode(), values).fetchall()

    @property
    def _psycopg_url(self) -> str:
        url = parse_database_url(self.url("sync"))
        return url.set(drivername="postgresql").render_as_string(hide_password=False)


def held_at_once(database: SoakDatabase) -> list[str]:
    """Windows that an execution got while another one held them, each in a line; there should be none."""
    found = []
    holder: dict[tuple[str, date | None], int] = {}
    for execution_id, step_name, window_start, holds in database.ask(
        "SELECT execution_id, step_name, window_start, holds FROM soak.window_log ORDER BY id"
    ):
        window = (step_name, window_start)
        if holds and window in holder:
            found.append(f"{step_name} {window_start or ''}: executions {holder[window]} and {execution_id}")
        if holds:
            holder[window] = execution_id
        elif holder.get(window) == execution_id:
            del holder[window]
    return found
