"""Wrong usage ends with exit status 2 and one clear line on standard error, before anything starts."""

import os
from pathlib import Path

import pytest

from flows.cli.app import run_command


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
        (["--only", "red"], "only 'red' is not known: one of failed, missing, stale is expected"),
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
        (["--year", "2024", "history"], "options of a run do not go before the command 'history'"),
        (["history", "--step", "x"], "step 'x' is not known"),
        (["history", "--status", "done"], "one of pending, running, completed, failed is expected"),
        (["history", "--since", "yesterday"], "--since 'yesterday' is no date or time"),
        (["history", "--limit", "0"], "--limit"),
        (["errors", "--resolve"], "which errors? give their ids"),
        (["errors", "--resolve", "--ignore", "1"], "exclude each other"),
        (["errors", "1"], "neither was given"),
        (["errors", "--resolve", "999"], "no integration error has the id 999"),
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
