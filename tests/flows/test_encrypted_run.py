"""A run with a key, from the command line: what lies on the disk is unreadable, what a person is shown is not."""

import json
from pathlib import Path
from typing import Any

import pytest

from flows.cli.app import run_command
from steps.sandbox.faults import Fault
from steps.sandbox.server import serve_sandbox
from steps.sandbox.world import build_world
from tests.fast_vendors import FAST
from tests.flows.conftest import CommandLine
from tests.steps.personal import personal_texts, readable
from tracking.encryption import new_key

pytestmark = pytest.mark.prefect

MONTHS = ("--start-date", "2024-01-01", "--end-date", "2024-04-01")


def _answered(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    assert run_command([*arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


@pytest.mark.long
def test_the_disk_tells_nothing_and_who_has_the_key_sees_everything(
    sync_actions: CommandLine,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    key = new_key()
    with serve_sandbox(build_world(clients=60, spoiled=True)) as academy:
        academy.faults.add(Fault("notion", "html-200", "/databases", times=None))
        variables = {**academy.environment, **FAST, "SYNC_ENCRYPTION_KEY": key}
        imported = sync_actions.run(*MONTHS, **variables)
        override = ("--override", "Notion is down, and its pages are no matter here")
        accrued = sync_actions.run("--from-step", "accruals", *MONTHS, *override, **variables)
        world = academy.world

    assert (imported.status, accrued.status) == (1, 0), imported.err + accrued.err
    kept = [
        *filter(Path.is_file, tmp_path.glob("sync.db*")),
        *tmp_path_factory.getbasetemp().glob("prefect*/prefect.db*"),
    ]
    assert {path.name for path in kept} >= {"sync.db", "prefect.db"}
    assert {path.name: readable(world, path.read_bytes()) for path in kept} == {path.name: [] for path in kept}
    assert readable(world, f"{imported.out}{imported.err}{accrued.out}{accrued.err}".encode()) == []

    monkeypatch.setenv("SYNC_ENCRYPTION_KEY", key)
    history = _answered(capsys, "history")
    assert {each["status"] for each in history} == {"completed", "failed"}
    errors = _answered(capsys, "errors")
    assert personal_texts(world) & {str(each["error_details"].get("contactName")).lower() for each in errors}
    assert run_command(["report", "accruals", "--output", "accruals.csv"]) == 0
    assert readable(world, (tmp_path / "accruals.csv").read_bytes()) != []
