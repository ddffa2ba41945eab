"""The arrows of the house never point back: flows -> steps -> tracking, and inside steps who may know whom."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("flows", "steps", "tracking")
_PLAIN = ("prefect", "httpx", "fastapi", "steps.sandbox")
FORBIDDEN = {
    "tracking": ("flows", "steps", "httpx", "fastapi"),
    "steps": ("flows", "fastapi"),
    "steps/ledger": (*_PLAIN, "steps.vendors", "steps.engine", "steps.reports"),
    "steps/engine": (*_PLAIN, "steps.vendors", "steps.reports"),
    "steps/reports": (*_PLAIN, "steps.vendors"),
    "steps/vendors": ("prefect", "sqlmodel", "sqlalchemy", "tracking.database", "steps.sandbox", "steps.engine"),
    "steps/sandbox": ("prefect", "httpx", "steps.vendors", "steps.ledger", "steps.settings", "tracking"),
}
"""Folder -> what nothing in it imports (docs/architecture.md)."""
PREFECT_IN_STEPS_AND_TRACKING = {"steps/task.py"}
MOST_LINES = 600


def _sources(folder: str) -> Iterator[Path]:
    yield from sorted((ROOT / folder).rglob("*.py"))


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide where a name comes from"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _is_inside(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")


@pytest.mark.parametrize("folder", FORBIDDEN)
def test_no_arrow_points_back(folder: str) -> None:
    wrong = [
        f"{path.relative_to(ROOT)} imports {module}"
        for path in _sources(folder)
        for module in _imports(path)
        if any(_is_inside(module, package) for package in FORBIDDEN[folder])
    ]

    assert wrong == []


def test_no_two_folders_import_each_other() -> None:
    """The files at the top of a package are the steps and what all of it stands on: they belong to no folder.

    A folder and one inside it are one room.
    """
    arrows = {
        (path.parent.relative_to(ROOT).as_posix(), "/".join(module.split(".")[:depth]))
        for package in PACKAGES
        for path in _sources(package)
        for module in _imports(path)
        for depth in (2, 3)
        if (ROOT / "/".join(module.split(".")[:depth])).is_dir() and path.parent != ROOT / package
    }
    both_ways = {(one, other) for one, other in arrows if one < other and (other, one) in arrows}

    assert {pair for pair in both_ways if not pair[1].startswith(f"{pair[0]}/")} == set()


def test_prefect_is_known_to_one_file_below_the_flows() -> None:
    knowing = {
        path.relative_to(ROOT).as_posix()
        for folder in ("steps", "tracking")
        for path in _sources(folder)
        if any(_is_inside(module, "prefect") for module in _imports(path))
    }

    assert knowing == PREFECT_IN_STEPS_AND_TRACKING


def test_no_input_travels_in_a_context_variable() -> None:
    """What a step uses is its parameters: a window and a `StepContext` (docs/architecture.md, Decisions).

    The one variable there is says how a column is read, which SQLAlchemy gives no parameter for.
    """
    found = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in _sources(package)
        if "ContextVar" in path.read_text(encoding="utf-8")
    }

    assert found == {"tracking/encryption.py"}


def test_there_is_no_fourth_code_package_at_the_top() -> None:
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")}

    assert packages == {*PACKAGES, "tests"}


@pytest.mark.parametrize("folder", [*PACKAGES, "tests"])
def test_no_file_is_longer_than_a_reader_can_hold(folder: str) -> None:
    lengths = {path.relative_to(ROOT): len(path.read_text(encoding="utf-8").splitlines()) for path in _sources(folder)}

    assert {path: lines for path, lines in lengths.items() if lines > MOST_LINES} == {}


def test_no_file_of_the_flows_shadows_the_standard_library() -> None:
    assert {path.stem for path in _sources("flows")} & sys.stdlib_module_names <= {"__init__"}


def test_each_migration_has_a_number_of_its_own() -> None:
    numbers = [path.stem.partition("_")[0] for path in _sources("tracking/migrations/versions") if path.stem[0] == "v"]

    assert len(set(numbers)) == len(numbers), numbers
