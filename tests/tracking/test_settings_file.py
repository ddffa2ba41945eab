"""Where settings are found, wherever a command, a worker or its runs are started (.env.example)."""

import os
from pathlib import Path

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.cli.app import run_command
from steps.errors import ConfigError
from steps.settings import HoldedSettings, SyncSettings
from steps.vendors.http import credential
from tracking.database import configured_database_url, describe_database, get_engine, parse_database_url
from tracking.settings import DatabaseUnusableError, describe_settings_file, settings_file


@pytest.fixture
def away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Another folder than that of the settings file, and the one we are in."""
    folder = tmp_path / "away"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def _write_settings(folder: Path, *lines: str) -> Path:
    folder.mkdir(exist_ok=True)
    file = folder / ".env"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


def test_the_file_that_sync_env_file_names_is_read_from_any_folder(
    tmp_path: Path, away: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = _write_settings(tmp_path / "here", "SYNC_DEFAULT_YEAR=2031", "HOLDED_RATE=7")
    monkeypatch.setenv("SYNC_ENV_FILE", str(file))
    monkeypatch.setenv("HOLDED_RATE", "9")

    assert SyncSettings.load().default_year == 2031
    assert HoldedSettings.load().rate == 9  # a variable of the environment wins
    assert describe_settings_file() == f"the settings file {file}"


def test_without_sync_env_file_the_settings_of_the_current_folder_are_read(tmp_path: Path, away: Path) -> None:
    _write_settings(tmp_path, "SYNC_DEFAULT_YEAR=2030")
    assert SyncSettings.load().default_year == 2024

    file = _write_settings(away, "SYNC_DEFAULT_YEAR=2031")
    assert SyncSettings.load().default_year == 2031
    assert settings_file() == file


@pytest.mark.parametrize("command", [["history"], ["--from-step", "invoices"], ["db", "upgrade"]])
@pytest.mark.parametrize(
    ("named", "line"),
    [
        ("settings/.env", "SYNC_ENV_FILE is 'settings/.env': an absolute path is expected, such as /"),
        ("/no/such/folder/.env", "SYNC_ENV_FILE is '/no/such/folder/.env', and there is no such file"),
    ],
)
def test_a_settings_file_that_cannot_be_is_refused_in_one_line(
    named: str, line: str, command: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SYNC_ENV_FILE", named)

    status = run_command(command)

    written = capsys.readouterr()
    assert status == 1
    assert written.out == ""
    assert line in written.err
    assert written.err.count("\n") == 1
    with pytest.raises(DatabaseUnusableError, match="SYNC_ENV_FILE is"):
        SyncSettings.load()


@pytest.mark.parametrize("command", [["--from-step", "services"], ["reconcile"]])
def test_what_a_command_starts_finds_the_settings_file_of_the_command(
    tmp_path: Path, command: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = _write_settings(tmp_path, "SYNC_DEFAULT_YEAR=2031")
    nowhere = "http://127.0.0.1:1/api"
    monkeypatch.setenv("PREFECT_API_URL", nowhere)

    with temporary_settings({PREFECT_API_URL: nowhere}):
        assert run_command(command) == 1

    assert "No Prefect server answers" in capsys.readouterr().err
    assert os.environ["SYNC_ENV_FILE"] == str(file)


def test_the_message_of_a_missing_variable_says_which_file_was_looked_at(
    tmp_path: Path, away: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConfigError, match="HOLDED_API_KEY is not set: Holded needs it") as missing:
        credential("HOLDED_API_KEY", HoldedSettings.load().api_key, "Holded")
    assert f"no settings file (SYNC_ENV_FILE is not set, no .env in {away})" in str(missing.value)

    file = _write_settings(tmp_path, "HOLDED_RATE=7")
    monkeypatch.setenv("SYNC_ENV_FILE", str(file))
    with pytest.raises(ConfigError, match="HOLDED_API_KEY is not set: Holded needs it") as missing:
        credential("HOLDED_API_KEY", HoldedSettings.load().api_key, "Holded")
    assert f"in the environment and in the settings file {file} " in str(missing.value)
    assert "\n" not in str(missing.value)


def test_a_relative_sqlite_path_of_the_settings_file_lies_beside_that_file(
    tmp_path: Path, away: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SYNC_DATABASE_URL")
    monkeypatch.setenv("PREFECT__FLOW_RUN_ID", "5f2ec5a9-6c0e-4a5b-9a86-0d2f7a3f8f11")  # also in a worker's run
    monkeypatch.setenv(
        "SYNC_ENV_FILE", str(_write_settings(tmp_path / "here", "SYNC_DATABASE_URL=sqlite:///data/x.db"))
    )

    get_engine()

    assert (tmp_path / "here" / "data" / "x.db").is_file()
    assert list(away.iterdir()) == []
    assert describe_database() == f"the database sqlite:///{tmp_path / 'here' / 'data' / 'x.db'}"


def test_a_relative_sqlite_path_of_the_environment_lies_in_the_folder_of_the_command(
    away: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _write_settings(away.parent, "SYNC_DEFAULT_YEAR=2031")
    monkeypatch.setenv("SYNC_ENV_FILE", str(away.parent / ".env"))
    monkeypatch.setenv("SYNC_DATABASE_URL", "sqlite:///x.db")

    assert run_command(["history"]) == 0

    assert (away / "x.db").is_file()


def test_a_relative_sqlite_path_of_the_environment_is_refused_in_a_workers_run(
    away: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYNC_DATABASE_URL", "sqlite:///x.db")
    monkeypatch.setenv("PREFECT__FLOW_RUN_ID", "5f2ec5a9-6c0e-4a5b-9a86-0d2f7a3f8f11")

    with pytest.raises(DatabaseUnusableError, match="SYNC_DATABASE_URL names the file 'x") as no:
        get_engine()

    assert "\n" not in str(no.value)
    assert list(away.iterdir()) == []


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "sqlite:////data/x.db", "postgresql://me@host/x"])
def test_other_databases_stay_as_they_are_given(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNC_DATABASE_URL", url)

    assert configured_database_url() == parse_database_url(url)


def test_no_password_of_the_database_is_described(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNC_DATABASE_URL", "postgresql://me:hunter22@host:5433/books?password=hunter22")

    assert describe_database() == "the database postgresql+psycopg://me:***@host:5433/books"
