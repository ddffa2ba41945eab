"""The ground of a case: a database that is fresh or already imported, and the command line on it."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

from tests.database_server import administer
from tests.forked_commands import Command, run_forked
from tests.kill_matrix.disturbance import DISTURBANCE_VARIABLE, Disturbance
from tests.kill_matrix.striking import FLAG_TABLE
from tests.kill_matrix.victim import main
from tests.processes import processes_with
from tracking.database import dispose_engines, parse_database_url

ROOT = Path(__file__).parent.parent.parent
_LONGEST_SECONDS = 300
_GONE_WITHIN_SECONDS = 20
_COMMAND = ("-c", "from flows.cli.app import main; main()")
_VICTIM = ("-m", "tests.kill_matrix.victim")
_DISK_IS_FULL = f"""
CREATE TABLE {FLAG_TABLE} (full_now integer);
CREATE FUNCTION kill_matrix_write() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (SELECT 1 FROM {FLAG_TABLE}) THEN
    RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = 'disk_full';
  END IF;
  RETURN NULL;
END $$;
"""
_ON_COMMIT = (
    "CREATE CONSTRAINT TRIGGER kill_matrix AFTER INSERT OR UPDATE ON {table} DEFERRABLE INITIALLY DEFERRED "
    "FOR EACH ROW EXECUTE FUNCTION kill_matrix_write()"
)


@dataclass(frozen=True)
class Ended:
    """A command that has ended."""

    status: int
    out: str
    err: str

    @property
    def executions(self) -> list[dict[str, Any]]:
        """Those of `--json`."""
        return list(json.loads(self.out)["executions"])


@dataclass(frozen=True)
class Ground:
    """Where one case takes place."""

    database_url: str
    variables: Mapping[str, str]
    """What every command is told: the sandbox's vendors, the Prefect server if one is shared, a Prefect home."""
    folder: Path
    server: str = ""
    """The URL of the PostgreSQL server; "" for SQLite."""
    mark: str = field(default_factory=lambda: f"SYNC_TEST_RUN={uuid4()}")

    def environment(self, disturbance: Disturbance | None = None) -> dict[str, str]:
        """What a command is told."""
        told = {"SYNC_DATABASE_URL": self.database_url, "PYTHONPATH": str(ROOT), "SYNC_TEST_RUN": self.mark}
        if disturbance is not None:
            told[DISTURBANCE_VARIABLE] = disturbance.as_json()
        return {**os.environ, **self.variables, **told}

    def start(self, arguments: tuple[str, ...], disturbance: Disturbance | None = None) -> "subprocess.Popen[str]":
        """Start `sync-actions`, in an ambush if there is a disturbance."""
        return subprocess.Popen(
            [sys.executable, *(_COMMAND if disturbance is None else _VICTIM), *arguments],
            env=self.environment(disturbance),
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *arguments: str, disturbance: Disturbance | None = None) -> Ended:
        """Run it to its end, whatever that is."""
        if self.variables["PREFECT_API_URL"]:
            command = Command(main, (*arguments, "--json"), self.environment(disturbance), self.folder)
            status = run_forked(command)
            return Ended(status, *(path.read_text() for path in command.output))
        process = self.start((*arguments, "--json"), disturbance)
        out, err = process.communicate(timeout=_LONGEST_SECONDS)
        return Ended(process.returncode, out, err)

    def prepare_for_a_full_disk(self) -> None:
        """Let PostgreSQL end commits as on a full disk, once it is told to."""
        if not self.server:
            return
        administer(self.database_url, _DISK_IS_FULL)
        tables = ("sync_execution", "invoice", "service_period", "client_external_id", "accrued_period")
        administer(self.database_url, *(_ON_COMMIT.format(table=table) for table in tables))

    def mend(self) -> None:
        """The database is back, the disk has room again: what SQLite's cases did ended with their process."""
        dispose_engines()
        if self.server:
            name = parse_database_url(self.database_url).database
            administer(self.server, f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
            administer(
                self.database_url,
                f"DROP TABLE IF EXISTS {FLAG_TABLE} CASCADE",
                "DROP FUNCTION IF EXISTS kill_matrix_write CASCADE",
            )

    def processes_left(self) -> list[str]:
        """Command lines of the processes that inherited the mark and have not ended after some patience."""
        deadline = time.monotonic() + _GONE_WITHIN_SECONDS
        while (left := processes_with(self.mark)) and time.monotonic() < deadline:
            time.sleep(0.1)
        return left


def copy_sqlite(template: Path, folder: Path) -> str:
    """The URL of a copy. The template's processes have ended, so its log is in the file."""
    shutil.copy(template, folder / "sync.db")
    return f"sqlite:///{folder / 'sync.db'}"
