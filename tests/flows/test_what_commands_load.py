"""A command loads what it needs, and nothing that makes a person wait: which modules, in a process of its own."""

import json
import subprocess
import sys
from collections.abc import Collection
from pathlib import Path

import pytest

from tracking.encryption import new_key

pytestmark = pytest.mark.slow

_WITHOUT_DATABASE = {"sqlmodel", "sqlalchemy", "pydantic", "pydantic_settings", "cryptography"}
_SELDOM = {"alembic", "psycopg", "xlsxwriter", "numpy", "matplotlib", "holidays"}
_OF_RUNS = {"prefect", "httpx", "fastapi", "uvicorn", "nicegui", "steps.vendors", "steps.sandbox", "flows.plan"}
_SCRIPT = """
import atexit, json, sys
atexit.register(lambda: print("\\n" + json.dumps(sorted(sys.modules)), file=sys.stderr))
from flows.cli.app import main
main()
"""


def _loaded_of(modules: Collection[str], arguments: list[str]) -> tuple[int, set[str]]:
    """The exit status of a command, and which of these modules it has loaded by its end."""
    done = subprocess.run([sys.executable, "-c", _SCRIPT, *arguments], capture_output=True, text=True, check=False)
    loaded = json.loads(done.stderr.splitlines()[-1])
    return done.returncode, {name for name in modules if name in loaded}


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["--help"], 0),
        (["report", "--help"], 0),
        (["steps"], 0),
        (["steps", "--json"], 0),
        (["--nonsense"], 2),
        (["nonsense"], 2),
        (["--from-step", "nonsense"], 2),
        (["--year", "1999"], 2),
        (["--start-date", "2024-03-02", "--end-date", "2024-04-01"], 2),
        (["--only", "red"], 2),
        (["history", "--step", "nonsense"], 2),
        (["history", "--limit", "0"], 2),
        (["report", "--month", "2024-13"], 2),
        (["errors", "1"], 2),
        (["close", "March"], 2),
    ],
)
def test_help_and_wrong_usage_load_neither_database_nor_prefect(arguments: list[str], status: int) -> None:
    assert _loaded_of(_WITHOUT_DATABASE | _SELDOM | _OF_RUNS, arguments) == (status, set())


@pytest.mark.parametrize("arguments", [["history"], ["errors"], ["report", "--json"], ["db", "upgrade"]])
def test_what_reads_the_database_loads_nothing_of_runs(arguments: list[str], sqlite_template: Path) -> None:
    database = Path("sync.db")
    database.write_bytes(sqlite_template.read_bytes())

    assert _loaded_of(_SELDOM | _OF_RUNS, arguments) == (0, set())


@pytest.mark.parametrize("arguments", [["history"], ["errors"], ["audit"]])
def test_what_lists_rows_loads_no_report_and_nothing_of_accruals(arguments: list[str], sqlite_template: Path) -> None:
    Path("sync.db").write_bytes(sqlite_template.read_bytes())

    assert _loaded_of({"steps.reports.export", "steps.engine", "steps.ledger.contract"}, arguments) == (0, set())


@pytest.mark.parametrize(
    "arguments",
    [
        ["db", "encrypt"],
        ["db", "export", "tables"],
        ["db", "backup", "copy.db"],
        ["worklist"],
        ["services"],
        ["verify"],
        ["closings"],
        ["plan"],
    ],
    ids=" ".join,
)
def test_a_command_loads_all_that_it_needs(
    arguments: list[str], sqlite_template: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In tests that share a process, some other one may have loaded a model that this command forgets."""
    monkeypatch.setenv("SYNC_ENCRYPTION_KEY", new_key())
    Path("sync.db").write_bytes(sqlite_template.read_bytes())

    assert _loaded_of(set(), arguments) == (0, set())


def test_a_workbook_is_written_by_what_only_that_command_loads(sqlite_template: Path) -> None:
    Path("sync.db").write_bytes(sqlite_template.read_bytes())

    assert _loaded_of({"xlsxwriter", "matplotlib"}, ["report", "--output", "report.xlsx"]) == (0, {"xlsxwriter"})


def test_the_prefect_server_boots_before_what_a_run_needs_is_loaded(tmp_path: Path) -> None:
    """At the moment the server's process is started, nothing heavy is there but the settings."""
    script = (
        "import subprocess, sys, json\n"
        f"heavy = {sorted(_SELDOM | _OF_RUNS | {'sqlalchemy'})}\n"
        "def popen(*_, **__):\n"
        "    print(json.dumps([name for name in heavy if name in sys.modules]))\n"
        "    sys.exit(0)\n"
        "subprocess.Popen = popen\n"
        "from flows.cli.app import main\n"
        "main()\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", script, "--sandbox"], capture_output=True, text=True, check=False, cwd=tmp_path
    )

    assert json.loads(done.stdout) == [], done.stderr
