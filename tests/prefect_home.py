"""Homes of Prefect whose database has its tables already: making them takes Prefect ten seconds and more."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import prefect

_DATABASE = "prefect.db"


def migrated_template(cache: Path) -> Path:
    """A database of this version of Prefect, made once and kept in this folder."""
    template = cache / f"prefect-{prefect.__version__}.db"
    if not template.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as home:
            command = [sys.executable, "-m", "prefect", "server", "database", "upgrade", "--yes"]
            subprocess.run(command, env={**os.environ, "PREFECT_HOME": home}, capture_output=True, check=True)
            (Path(home) / _DATABASE).replace(template)  # whole at once: other processes may make one too
    return template


def fill_home(home: Path, template: Path) -> Path:
    """Put a database of its own into a home, which is made unless it is there."""
    home.mkdir(parents=True, exist_ok=True)
    shutil.copy(template, home / _DATABASE)
    return home
