"""`sync-actions db backup`: one moment of a database in use, checked, and nothing overwritten."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from flows.cli.commands import run_command
from tests.flows.api.rows import add_executions
from tracking import backups
from tracking.backups import back_up_sqlite
from tracking.database import dispose_engines, make_own_file, schema_revisions
from tracking.history import HistoryFilter, find_executions

_OF_A_ROW = "step_name, status, attempt, holds_window, metadata, created_at, updated_at"


@pytest.fixture
def used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sqlite_template: Path) -> Path:
    """A database of three executions."""
    file = Path(shutil.copy(sqlite_template, tmp_path / "sync.db"))
    monkeypatch.setenv("SYNC_DATABASE_URL", f"sqlite:///{file}")
    add_executions(3)
    return file


def _refused(capsys: pytest.CaptureFixture[str], file: Path) -> str:
    assert run_command(["db", "backup", str(file)]) != 0
    (line,) = capsys.readouterr().err.splitlines()
    return line


def test_a_backup_of_a_database_that_is_written_is_that_of_one_moment(
    used: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "copy.db"
    with closing(sqlite3.connect(used)) as connection, connection:  # commands close the engines of this process
        connection.execute(f"INSERT INTO sync_execution ({_OF_A_ROW}) SELECT {_OF_A_ROW} FROM sync_execution LIMIT 1")
        assert run_command(["db", "backup", str(copy)]) == 0

    said = capsys.readouterr().out
    assert said.startswith(f"{copy}: schema {schema_revisions()[-1]}, 4 rows in ")  # and the row of the schema
    assert said.endswith(" tables, opened and checked.\n")
    assert copy.stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in tmp_path.glob("copy*")) == ["copy.db"]
    assert len(find_executions(HistoryFilter())) == 4
    monkeypatch.setenv("SYNC_DATABASE_URL", f"sqlite:///{copy}")
    assert len(find_executions(HistoryFilter())) == 3
    dispose_engines()


def test_what_is_committed_while_it_is_copied_is_in_the_next_backup(
    used: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = backups._rows_by_table

    def counted_before_a_commit(connection: sqlite3.Connection) -> dict[str, int]:
        found = counted(connection)
        monkeypatch.setattr(backups, "_rows_by_table", counted)
        add_executions(1)
        return found

    monkeypatch.setattr(backups, "_rows_by_table", counted_before_a_commit)

    assert [back_up_sqlite(used, tmp_path / name).rows for name in ("one.db", "two.db")] == [4, 5]


def test_a_backup_overwrites_nothing(used: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "copy.db").write_text("something else")

    assert f"{tmp_path}/copy.db is there already" in _refused(capsys, tmp_path / "copy.db")
    assert (tmp_path / "copy.db").read_text() == "something else"


def test_what_cannot_be_written_or_read_is_one_line(
    used: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "No such file or directory" in _refused(capsys, tmp_path / "no" / "folder" / "copy.db")
    (tmp_path / "other.db").write_bytes(b"no database" * 1_000)
    monkeypatch.setenv("SYNC_DATABASE_URL", f"sqlite:///{tmp_path}/other.db")
    assert "file is not a database" in _refused(capsys, tmp_path / "copy.db")
    monkeypatch.setenv("SYNC_DATABASE_URL", f"sqlite:///{tmp_path}/none.db")
    assert "there is no database" in _refused(capsys, tmp_path / "copy.db")
    assert not (tmp_path / "none.db").exists()
    assert list(tmp_path.glob("copy*")) == []


@pytest.mark.parametrize("harm", ["DELETE FROM sync_execution WHERE id = 2", "DROP TABLE sync_plan"])
def test_a_copy_that_is_not_the_original_is_no_backup(
    used: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], harm: str
) -> None:
    opened = sqlite3.connect
    copies = 0

    def harmed(file: Path, **options: object) -> sqlite3.Connection:
        nonlocal copies
        copies += ".part" in str(file)
        if copies == 2:  # it is opened again, to be checked
            with closing(opened(file)) as connection, connection:
                connection.execute(harm)
        return opened(file, **options)  # type: ignore[call-overload,no-any-return]

    monkeypatch.setattr(sqlite3, "connect", harmed)

    assert "the copy is broken" in _refused(capsys, tmp_path / "copy.db")
    assert list(tmp_path.glob("copy*")) == []


def test_of_postgresql_the_command_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SYNC_DATABASE_URL", "postgresql://sync:pass-word-4711@db.example.org/sync")
    line = _refused(capsys, tmp_path / "copy.dump")

    assert f"pg_dump --format custom --file {tmp_path}/copy.dump --dbname postgresql://sync@db.example.org/sync" in line


def test_a_file_that_is_there_keeps_its_permissions(tmp_path: Path) -> None:
    file = tmp_path / "sync.db"
    file.touch(0o640)

    make_own_file(file)

    assert file.stat().st_mode & 0o777 == 0o640
