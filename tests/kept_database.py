"""One SQLite file for many ledgers, one after the other, whose engine keeps the statements that it has compiled.

Compiling them anew for each took a third of the time of an import of dozens of records.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine

from tracking.database import _engines, configured_database_url, make_engine, parse_database_url


@dataclass(frozen=True)
class KeptDatabase:
    """What `SYNC_DATABASE_URL` is to name while it is used."""

    file: Path
    engine: Engine

    @classmethod
    def at(cls, file: Path) -> "KeptDatabase":
        """Nothing is there yet."""
        return cls(file, make_engine(parse_database_url(f"sqlite:///{file}")))

    @property
    def url(self) -> str:
        """For `SYNC_DATABASE_URL`."""
        return f"sqlite:///{self.file}"

    def begin(self, before: Path) -> None:
        """Let it be a copy of this file."""
        self.engine.dispose()
        for leftover in self.file.parent.glob(f"{self.file.name}-*"):
            leftover.unlink()
        shutil.copy(before, self.file)
        _engines[configured_database_url()] = self.engine
