"""How many files and functions of ours one month goes through; a reader has to follow no more than that."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.entered import ROOT
from tests.flows.conftest import CommandLine

MARCH = ("--start-date", "2024-03-01", "--end-date", "2024-04-01")


@pytest.mark.long
@pytest.mark.prefect
@pytest.mark.parametrize(
    ("arguments", "most_files", "most_functions"),
    [
        (("--sandbox", "--from-step", "invoices"), 39, 351),
        (("--from-step", "accruals", "--override", "nothing was imported"), 36, 231),
    ],
    ids=["invoices", "accruals"],
)
def test_a_month_from_the_command_line_to_its_row(
    sync_actions: CommandLine,
    prefect_home: Callable[[], Path],
    arguments: tuple[str, ...],
    most_files: int,
    most_functions: int,
) -> None:
    environment = sync_actions.environment({"PYTHONPATH": str(ROOT)})
    del environment["PREFECT_API_URL"]  # on a server of its own: what others left on a shared one would be looked at
    done = subprocess.run(
        [sys.executable, "-m", "tests.entered", "--", *arguments, *MARCH],
        env=environment | {"PREFECT_HOME": str(prefect_home())},
        cwd=sync_actions.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    files, functions = (int(word) for word in done.stdout.splitlines()[-1].split() if word.isdigit())

    assert 20 < files <= most_files, done.stdout
    assert 100 < functions <= most_functions, done.stdout
