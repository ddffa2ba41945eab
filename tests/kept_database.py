"""One SQLite file for many ledgers, one after the other."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from tracking.database import dispose_engines


@dataclass(frozen=True)
class KeptDatabase:
    """What `SYNC_DATABASE_URL` is to name while it is used."""

    file: Path

    @property
    def url(self) -> str:
        """For `SYNC_DATABASE_URL`."""
        return f"sqlite:///{self.file}"

    def begin(self, before: Path) -> None:
        """Let it be a copy of this file."""
        dispose_engines()
        for leftover in self.file.parent.glob(f"{self.file.name}-*"):
            leftover.unlink()
        shutil.copy(before, self.file)
