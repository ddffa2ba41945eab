"""`sync-actions doctor`: what is wrong around the program is said in a line each, with what to do, and no secret."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from prefect.client.orchestration import SyncPrefectClient

import flows.doctor
from flows.cli.app import run_command
from flows.prefect_setup import Setup, set_up
from steps.sandbox.server import SandboxServer, serve_sandbox
from steps.sandbox.world import build_world
from tests.flows.conftest import delete_limits
from tests.ports import free_port
from tracking.database import schema_revisions

pytestmark = pytest.mark.slow

LOOKED_AT = ["settings", "variables", "database", "holded", "fourgeeks", "notion", "server", "worker", "deployments"]
LOOKED_AT += ["schedules", "clock", "time zone", "disk"]


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal of 80 columns, and no vendor that a test does not name."""
    monkeypatch.setenv("COLUMNS", "80")
    closed = f"http://127.0.0.1:{free_port()}"
    for vendor in ("HOLDED", "FOURGEEKS", "NOTION"):
        monkeypatch.setenv(f"{vendor}_BASE_URL", closed)


@pytest.fixture
def academy(monkeypatch: pytest.MonkeyPatch) -> Iterator[SandboxServer]:
    with serve_sandbox(build_world(clients=2)) as sandbox:
        for name, value in sandbox.environment.items():
            monkeypatch.setenv(name, value)
        yield sandbox


def _found(capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, tuple[str, str]]]:
    """Exit status; subject -> verdict and words, those of several findings together."""
    status = run_command(["doctor"])
    written = capsys.readouterr()
    *lines, _ = written.out.splitlines()
    assert written.err == ""
    assert max(map(len, lines)) <= 80
    found: dict[str, tuple[str, str]] = {}
    subject = ""
    for line in lines:
        verdict, named, words = line[:13].strip(), line[13:26].strip(), line[26:].strip()
        subject = named or subject
        before = found.get(subject, (verdict, ""))
        found[subject] = (before[0], f"{before[1]} {words}".strip())
    return status, found


def test_with_nothing_set_everything_is_looked_at_and_what_is_missing_is_named(
    capsys: pytest.CaptureFixture[str],
) -> None:
    status, found = _found(capsys)

    assert (status, list(found)) == (1, LOOKED_AT)
    for subject, variable in {
        "holded": "HOLDED_API_KEY",
        "fourgeeks": "FOURGEEKS_USERNAME",
        "notion": "NOTION_TOKEN",
    }.items():
        assert found[subject][0] == "problem"
        assert f"{variable} is not set" in found[subject][1]
    assert "is made at the first use" in found["database"][1]
    assert {found[each][0] for each in ("server", "worker", "deployments", "schedules")} == {"not checked"}
    assert not Path("sync.db").exists()


def test_credentials_that_are_refused_and_variables_that_nothing_reads_are_problems_and_no_secret_is_shown(
    academy: SandboxServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path(".env").write_text("HOLDED_APIKEY=by-heart-1\nNOTION_TOKEN=by-heart-2\n")
    monkeypatch.delenv("NOTION_TOKEN")
    monkeypatch.setenv("FOURGEEKS_PASSWORD", "by-heart-3")
    monkeypatch.setenv("SYNC_TIMEZONE", "America/Bogota")

    status, found = _found(capsys)

    assert status == 1
    assert found["holded"] == ("ok", "answers, and takes the credential")
    assert "HOLDED_APIKEY is no variable of this program" in found["variables"][1]
    assert "was HOLDED_API_KEY meant?" in found["variables"][1]
    for subject, variable in {"fourgeeks": "FOURGEEKS_PASSWORD", "notion": "NOTION_TOKEN"}.items():
        assert found[subject][0] == "problem"
        assert variable in found[subject][1]
    assert "schedules are in Europe/Madrid and SYNC_TIMEZONE is America/Bogota" in found["time zone"][1]
    assert "by-heart" not in str(found)


def test_a_setting_that_cannot_be_read_is_one_problem_however_much_it_is_in_the_way_of(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SYNC_TIMEZONE", "Europe/Madri")

    _, found = _found(capsys)

    assert found["variables"] == ("problem", "SYNC_TIMEZONE: a time zone name such as Europe/Madrid is expected")
    assert {found[each] for each in ("holded", "fourgeeks", "notion", "time zone")} == {
        ("not checked", "see variables")
    }


def test_each_variable_is_told_by_where_it_comes_from(
    academy: SandboxServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = Path("environments/.env.production").absolute()
    file.parent.mkdir()
    file.write_text(
        "SYNC_TIMEZONE=Europe/Madrid\nNOTION_TOKEN=by-heart-1\nSYNC_API_TOKEN=\nPREFECT_LOGGING_LEVEL=INFO\n"
    )
    monkeypatch.setenv("SYNC_ENV_FILE", str(file))
    monkeypatch.delenv("PREFECT_LOGGING_LEVEL", raising=False)

    status, found = _found(capsys)

    assert status == 0
    assert "environments/.env.production" in found["settings"][1]
    assert "2 of the settings file: PREFECT_LOGGING_LEVEL, SYNC_TIMEZONE" in found["variables"][1]
    assert "of the environment: FOURGEEKS_ACADEMY_ID, " in found["variables"][1]
    assert "the environment wins over the settings file: NOTION_TOKEN" in found["variables"][1]
    assert os.environ["PREFECT_LOGGING_LEVEL"] == "INFO"
    assert "by-heart" not in str(found)


def test_what_prefect_reads_in_another_file_than_the_settings_file_is_a_problem(
    academy: SandboxServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path(".env").write_text("PREFECT_API_URL=http://127.0.0.1:1/api\nHOLDED_API_KEY=of-another-environment\n")
    Path("production").write_text("SYNC_TIMEZONE=Europe/Madrid\n")
    monkeypatch.setenv("SYNC_ENV_FILE", str(Path("production").absolute()))

    status, found = _found(capsys)

    assert status == 1
    assert found["variables"][0] == "problem"
    assert "Prefect reads PREFECT_API_URL in" in found["variables"][1]
    assert "which is not the settings file" in found["variables"][1]


def test_a_settings_file_that_is_not_there_is_said_and_the_rest_is_looked_at(
    academy: SandboxServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SYNC_ENV_FILE", "/nowhere/.env")

    status, found = _found(capsys)

    assert status == 1
    assert found["settings"] == ("problem", "SYNC_ENV_FILE is '/nowhere/.env', and there is no such file")
    assert [found[vendor][0] for vendor in ("holded", "fourgeeks", "notion")] == ["ok"] * 3


def test_a_database_that_does_not_answer_is_a_problem_told_without_its_password(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SYNC_DATABASE_URL", "postgresql://me:by-heart@127.0.0.1:1/sync")

    _, found = _found(capsys)

    assert found["database"][0] == "problem"
    assert "the database does not answer" in found["database"][1]
    assert "by-heart" not in str(found)


def test_the_schema_of_a_database_in_use_is_told(
    database: str, academy: SandboxServer, capsys: pytest.CaptureFixture[str]
) -> None:
    status, found = _found(capsys)

    assert status == 0
    assert found["database"][0] == "ok"
    assert f", schema {schema_revisions()[-1]}" in found["database"][1]


def test_who_does_not_answer_holds_nothing_up(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(flows.doctor, "LONGEST_SECONDS", 2.0)
    monkeypatch.setenv("HOLDED_API_KEY", "key")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("HOLDED_BASE_URL", f"http://127.0.0.1:{silent.getsockname()[1]}")
        _, found = _found(capsys)

    assert found["holded"] == ("not checked", "no answer within 2 s")
    assert found["time zone"][0] == "ok"


@pytest.mark.prefect
def test_what_a_prefect_server_lacks_is_a_problem_with_the_command_that_mends_it(
    prefect: SyncPrefectClient, capsys: pytest.CaptureFixture[str]
) -> None:
    set_up(prefect, Setup())  # the server is shared, and another test may have taken something away
    delete_limits(prefect)
    monthly = prefect.read_deployment_by_name("process-accruals/monthly")
    (schedule,) = monthly.schedules
    prefect.update_deployment_schedule(monthly.id, schedule.id, active=False)
    try:
        status, found = _found(capsys)
    finally:
        prefect.update_deployment_schedule(monthly.id, schedule.id, active=True)

    assert status == 1
    assert found["server"][0] == "ok"
    assert "run `prefect worker start --pool sync`" in found["worker"][1]
    assert "limit holded, 4 requests a second and 2 more are missing" in found["deployments"][1]
    assert "run `sync-actions prefect setup`" in found["deployments"][1]
    assert found["schedules"][0] == "problem"
    assert found["clock"] == ("not checked", "no server answered that tells the time")
