"""The front door is true: every command, step, deployment and variable that it should name is there, and exists."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import prefect.settings
import pytest
import typer
import yaml

from flows.cli.commands import app
from steps.catalog import STEPS
from steps.settings import FourgeeksSettings, HoldedSettings, NotionSettings, SyncSettings
from tests.flows.guide import lines_of_guide
from tracking.settings import PREFECTS, DatabaseSettings

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
INTERFACES = (ROOT / "docs/interfaces.md").read_text(encoding="utf-8")
ENVIRONMENT = (ROOT / ".env.example").read_text(encoding="utf-8")


def _commands() -> dict[str, Any]:
    command: Any = typer.main.get_command(app)
    return dict(command.commands)


def _with_subcommands(command: Any) -> Iterator[Any]:
    yield command
    for below in getattr(command, "commands", {}).values():
        yield from _with_subcommands(below)


def test_every_command_has_a_line_and_every_line_a_command() -> None:
    told = set(re.findall(r"^\| `sync-actions ([a-z-]+)", README, re.MULTILINE))

    assert told == set(_commands())


def test_every_option_that_the_readme_uses_exists() -> None:
    command: Any = typer.main.get_command(app)
    known = {option for c in _with_subcommands(command) for p in c.params for option in p.opts}
    told = {
        option
        for text in (README, INTERFACES)
        for line in text.splitlines()
        if "sync-actions" in line
        for option in re.findall(r"(?<![\w-])--[a-z-]+", line)
    }

    assert told - known == set()


@pytest.mark.parametrize("step", [step for step in STEPS if f"`{step}`" in README])
def test_each_steps_file_exists(step: str) -> None:
    row = next(line for line in README.splitlines() if line.startswith(f"| `{step}`"))

    (path,) = re.findall(r"`(steps/\w+\.py)`", row)
    assert (ROOT / path).is_file()


def test_every_import_step_has_a_row() -> None:
    rows = re.findall(r"^\| `([a-z-]+)` \|.*\| `steps/", README, re.MULTILINE)

    assert rows == [step for step in STEPS if step in rows]
    assert len(rows) >= 5


def test_every_deployment_has_a_row() -> None:
    declared = yaml.safe_load((ROOT / "prefect.yaml").read_text(encoding="utf-8"))["deployments"]
    names = {f"{d['entrypoint'].rpartition('.')[2].replace('_', '-')}/{d['name']}" for d in declared}

    assert set(re.findall(r"^\| `([a-z-]+/[a-z0-9-]+)` \|", INTERFACES, re.MULTILINE)) == names


def test_every_make_target_that_is_named_exists() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    contributing = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    measurements = (ROOT / "docs/measurements.md").read_text(encoding="utf-8")

    for target in re.findall(r"(?:^|`)make ([a-z-]+)", README + contributing + measurements, re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_every_setting_is_explained_in_the_example_and_nothing_else_is() -> None:
    settings = (DatabaseSettings, SyncSettings, HoldedSettings, FourgeeksSettings, NotionSettings)
    known = {
        f"{kind.model_config.get('env_prefix', '')}{name}".upper() for kind in settings for name in kind.model_fields
    }

    told = re.findall(r"^#? ?([A-Z][A-Z_]+)=", ENVIRONMENT, re.MULTILINE)
    prefects = {name for name in told if name.startswith(PREFECTS)}

    assert set(told) - prefects == known
    assert [name for name in prefects if not hasattr(prefect.settings, name)] == []


def test_the_defaults_of_the_example_are_the_programs() -> None:
    defaults = dict(re.findall(r"^# ([A-Z][A-Z_]+)=(.+)$", ENVIRONMENT, re.MULTILINE))

    assert float(defaults["HOLDED_RATE"]) == HoldedSettings().rate
    assert float(defaults["NOTION_RATE"]) == NotionSettings().rate
    assert defaults["NOTION_CERTIFIED_PROPERTY"] == NotionSettings().certified_property
    assert int(defaults["FOURGEEKS_PAGE_SIZE"]) == FourgeeksSettings().page_size
    assert tuple(defaults["SYNC_IGNORED_COHORTS"].split(",")) == SyncSettings().ignored_cohorts
    assert defaults["SYNC_ERROR_BUDGET"] == str(SyncSettings().error_budget)
    assert defaults["SYNC_TIMEZONE"] == SyncSettings().timezone


def test_the_guide_to_a_prefect_server_is_five_commands_at_the_most() -> None:
    assert len(lines_of_guide()) <= 5


def test_pins_are_versions_without_any_address() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()[1:]

    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!]+", line) for line in lines)


def test_each_dependency_of_the_project_is_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = {
        re.split(r"[\[><=; ]", requirement)[0].lower()
        for requirement in [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    }
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").lower().splitlines()

    assert wanted - {line.partition("==")[0] for line in lines} == set()
