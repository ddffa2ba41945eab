"""Somebody who follows CONTRIBUTING.md, "Add a step", has a step that runs: done in a copy of the repository."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
COPIED = (
    "flows",
    "steps",
    "tracking",
    "tests",
    "docs",
    "pyproject.toml",
    "README.md",
    "CONTRIBUTING.md",
    "prefect.yaml",
)
STEP = "contact-links"
MARCH = ("--start-date", "2024-03-01", "--end-date", "2024-04-01")


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository in which the page's code blocks were followed."""
    folder = tmp_path_factory.mktemp("copy")
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / name)
    for path, content in re.findall(r"```python\n# (\S+)\n(.*?)```", PAGE, re.DOTALL):
        (folder / path).write_text(content, encoding="utf-8")
    for block in re.findall(r"```diff\n(.*?)```", PAGE, re.DOTALL):
        for path, change in re.findall(r"--- (\S+)\n((?:(?!---)[-+ @].*\n)+)", block):
            _apply(folder / path, change)
    return folder


def _apply(file: Path, change: str) -> None:
    """Each part of a change, apart by `@@`, is lines to add or remove, with one that is there before or after them."""
    for part in change.split("@@\n"):
        lines = part.splitlines()
        before = "".join(f"{line[1:]}\n" for line in lines if line[0] in " -")
        after = "".join(f"{line[1:]}\n" for line in lines if line[0] in " +")
        text = file.read_text(encoding="utf-8")
        assert text.count(before) == 1, f"{file.name} has {text.count(before)} times:\n{before}"
        file.write_text(text.replace(before, after), encoding="utf-8")


def _run(copy: Path, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, "SYNC_DATABASE_URL": f"sqlite:///{copy / 'sync.db'}", **variables}
    return subprocess.run(
        [sys.executable, *arguments], cwd=copy, env=environment, capture_output=True, text=True, check=False
    )


def test_what_the_page_says_passes_the_checks_of_the_repository(copy: Path) -> None:
    changed = [path for path, _ in re.findall(r"```python\n# (\S+)\n(.*?)```", PAGE, re.DOTALL)]
    changed += re.findall(r"^--- (\S+)$", PAGE, re.MULTILINE)

    for arguments in (("check", "--no-cache", *changed), ("format", "--no-cache", "--check", *changed)):
        done = _run(copy, "-m", "ruff", *arguments)
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_new_step_keeps_the_arrows_and_passes_its_own_test(copy: Path) -> None:
    files = ["tests/test_architecture.py", "tests/steps/test_contact_links.py", "tests/flows/page/test_wording.py"]

    done = _run(copy, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-k", "not postgresql", *files)

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.long
@pytest.mark.prefect
def test_the_new_step_runs_as_a_tracked_task_and_changes_nothing_the_second_time(
    copy: Path, prefect_server: str
) -> None:
    command = ("-c", "from flows.cli.app import main; main()", "--sandbox", "--json")
    runs = [
        _run(copy, *command, *options, PREFECT_API_URL=prefect_server) for options in (MARCH, ("--from-step", STEP))
    ]

    assert [run.returncode for run in runs] == [0, 0], runs[0].stderr + runs[1].stderr
    first, second = (json.loads(run.stdout)["executions"] for run in runs)
    assert [each["step_name"] for each in first][-1] == STEP
    assert [each["step_name"] for each in second] == [STEP]
    assert [each["status"] for each in (*first, *second)] == ["completed"] * 7
    assert first[-1]["result"]["contacts_processed"] > 0
    assert second[0]["result"]["contacts_created"] == 0
