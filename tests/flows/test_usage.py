"""Wrong usage ends with exit status 2 and one clear line on standard error, before anything starts."""

import os
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flows.cli.app import run_command
from tracking.database import dispose_engines


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--from-step", "invoice"], "step 'invoice' is not known: one of services, invoices"),
        (["--year", "1999"], "a year from 2000 to 2100 is expected"),
        (["--year", "abc"], "year 'abc' is not allowed"),
        (["--start-date", "2024-03-01"], "start date without end date: give both"),
        (["--end-date", "2024-03-01"], "end date without start date: give both"),
        (["--start-date", "2024-03-15", "--end-date", "2024-05-01"], "2024-03-15 is not the first day of a month"),
        (["--start-date", "2024-05-01", "--end-date", "2024-03-01"], "is not after start date"),
        (["--start-date", "tomorrow", "--end-date", "2024-03-01"], "'tomorrow' is no date: YYYY-MM-01"),
        (["--only", "red"], "only 'red' is not known: one of failed, missing, stale, due is expected"),
        (["--overlap", "push"], "overlap 'push' is not known: one of wait, refuse is expected"),
        (["run", "--plan", "1", "--overlap", "push"], "overlap 'push' is not known"),
        (["--override", "the CRM is gone"], "override is for accruals alone: it says nothing about services"),
        (["--from-step", "invoices", "--override", "x"], "override is for accruals alone"),
        (["--from-step", "accruals", "--override", ""], "override: the reason is empty"),
        (["--from-step", "accruals", "--override", "x" * 501], "has 501 characters, at most 500 are kept"),
        (["--override", "x", "history"], "options of a run do not go before the command 'history'"),
        (["--nonsense"], "--nonsense"),
        (["nonsense"], "nonsense"),
        (["--year"], "--year"),
        (["db"], "Missing command. (see sync-actions db --help)"),
        (["history", "--nonsense"], "(see sync-actions history --help)"),
        (["--year", "2024", "history"], "options of a run do not go before the command 'history'"),
        (["history", "--step", "x"], "step 'x' is not known"),
        (["history", "--status", "done"], "one of pending, running, completed, failed is expected"),
        (["history", "--since", "yesterday"], "--since 'yesterday' is no date or time"),
        (["history", "--limit", "0"], "--limit"),
        (["errors", "--resolve"], "which errors? give their ids"),
        (["errors", "--resolve", "--ignore", "1"], "exclude each other"),
        (["errors", "1"], "neither was given"),
        (["errors", "--resolve", "999"], "no integration error has the id 999"),
        (["errors", "--format", "csv-es"], "--format is for the file of --export"),
        (["errors", "--export", "e.csv", "--format", "xml"], "'xml'"),
        (["errors", "--export", "no/such/folder.csv"], "cannot write no/such/folder.csv"),
        (["sandbox", "--port", "70000"], "--port"),
    ],
)
def test_wrong_usage_is_one_line_and_status_2(
    arguments: list[str], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    status = run_command(arguments)

    written = capsys.readouterr()
    assert status == 2
    assert written.out == ""
    assert line in written.err
    assert written.err.count("\n") == 1


def test_a_wrong_setting_is_one_line_that_names_the_variable_and_not_its_value(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SYNC_TIMEZONE", "Mars/Olympus")

    status = run_command([])

    written = capsys.readouterr().err
    assert status == 1
    assert "SYNC_TIMEZONE" in written
    assert "Mars" not in written
    assert written.count("\n") == 1


def test_a_database_that_is_none_is_one_line_without_its_password(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SYNC_DATABASE_URL", "mysql://me:hunter2@host/db")

    status = run_command(["history"])

    written = capsys.readouterr().err
    assert status == 1
    assert "sqlite:///FILE or postgresql://" in written
    assert "hunter2" not in written


@pytest.mark.parametrize(
    ("url", "line"),
    [
        ("sqlite:///{folder}/file/below/sync.db", "its folder {folder}/file/below cannot be made (Not a directory)"),
        ("sqlite:///{folder}/file", "file is not a database"),
        ("sqlite:///{folder}", "unable to open database file"),
    ],
)
def test_a_database_file_that_cannot_be_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], url: str, line: str
) -> None:
    (tmp_path / "file").write_text("This is a text, and no database at all. " * 100)
    monkeypatch.setenv("SYNC_DATABASE_URL", url.format(folder=tmp_path))

    status = run_command(["history"])

    written = capsys.readouterr().err
    assert status == 1
    assert line.format(folder=tmp_path) in written
    assert written.count("\n") == 1


@pytest.mark.parametrize("command", ["close", "reopen"])
def test_closing_and_reopening_with_a_wrong_setting_is_one_line_that_names_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    monkeypatch.setenv("SYNC_RECENT_DAYS", "soon")

    status = run_command([command, "2024-03", "--reason", "a document came late"])

    written = capsys.readouterr().err
    assert status == 1
    assert written.startswith("Error: SYNC_RECENT_DAYS: ")
    assert written.count("\n") == 1


_PARTS = st.sampled_from(["@", ":", "/", "?", "#", "%", "%zz", "%40", "%00", " ", "[", "]", "&", "=", "\\", "ñ", "://"])
_URLS = st.sampled_from(
    [
        "postgresql://me:{}@127.0.0.1:1/db",
        "postgresql://me:{}@127.0.0.1:port/db",
        "postgresql://me:{}@[::1]:1/db",
        "postgresql://me:{}@[::1/db",
        "postgresql://me:{}@/db?host=127.0.0.1&port=1",
        "postgresql://127.0.0.1:1/db?user=me&password={}",
        "postgresql+psycopg2://me:{}@127.0.0.1:1/db?nonsense=1",
        "postgres://m/e:{}@127.0.0.1:1/db",
        "postgresql:/me:{}@127.0.0.1:1/db",
        "mysql://me:{}@127.0.0.1/db",
        "sqlite://me:{}@127.0.0.1/db",
        "sqlite:////dev/null/me:{}@127.0.0.1/db",
        "me:{}@127.0.0.1:1/db",
        "{}",
    ]
)


@pytest.mark.slow
@given(url=_URLS, parts=st.lists(_PARTS, min_size=1, max_size=4))
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_password_of_a_database_url_is_in_no_message_whatever_is_wrong_with_it(
    url: str, parts: list[str], capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    pieces = [uuid4().hex[:12] for _ in range(len(parts) + 1)]
    password = "".join(f"{piece}{part}" for piece, part in zip(pieces, [*parts, ""], strict=True))
    dispose_engines()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SYNC_DATABASE_URL", url.format(password))
        status = run_command(["history"])

    written = capsys.readouterr()
    said = written.out + written.err + caplog.text
    caplog.clear()
    assert status == 1
    assert written.err.count("\n") == 1, written.err
    assert [piece for piece in pieces if piece in said] == []


def test_help_names_every_option_and_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["--help"]) == 0

    shown = capsys.readouterr().out
    for word in ("--from-step", "--year", "--start-date", "--end-date", "--sandbox", "--json", "history", "errors"):
        assert word in shown


def test_steps_are_listed_in_their_order(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["steps"]) == 0

    shown = capsys.readouterr().out
    ids = ["services", "invoices", "crm-clients", "service-periods", "notion-external-id", "accruals"]
    positions = [shown.index(f" {step} ") for step in ids]
    assert positions == sorted(positions)


def test_an_empty_history_says_so_and_makes_the_database(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["history"]) == 0

    assert "No execution fits." in capsys.readouterr().out
    assert Path(os.environ["SYNC_DATABASE_URL"].removeprefix("sqlite:///")).exists()
