"""`redo` and `dismiss` as a person types them: what they show, ask, write and answer to the shell."""

import io
import json

import pytest

from flows.cli.app import run_command
from steps.ledger.accrual import Redo
from tests.steps.accruals.database_ledger import Stored, accrue, accrue_months, add_document, amounts, snapshot, store
from tests.steps.accruals.reports.books import Books
from tests.steps.ledger_view import rows

Captured = pytest.CaptureFixture[str]
REDO = ["redo", "2024-02", "--reason", "an invoice came late", "--by", "Eva"]


@pytest.fixture
def late(database: str) -> None:
    """600.00 from January to June, accrued to March; then an invoice of January came."""
    store(Stored())
    accrue_months("2024-01", "2024-02", "2024-03")
    add_document(1, "2024-01-20", "600.00")


def test_a_redo_shows_what_changes_and_asks(late: None, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    before = snapshot()
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))

    assert run_command(REDO) == 1

    written = capsys.readouterr()
    assert "Processed again: 2024-02, 2024-03" in written.out
    assert "210.00" in written.out
    assert "Nothing was changed." in written.err
    assert snapshot() == before
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    assert run_command(REDO) == 0
    assert "Done: 2024-02, 2024-03 processed again (redo " in capsys.readouterr().out
    assert amounts()["2024-02"] == "215.38"


def test_a_redo_in_a_script_says_yes_or_only_looks(
    late: None, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert run_command(REDO) == 2
    assert "nobody answers here: say --yes, or --preview to look only" in capsys.readouterr().err
    assert run_command(["redo", "2024-02"]) == 2
    assert "a redo needs a reason" in capsys.readouterr().err

    assert run_command(["redo", "2024-02", "--preview", "--json"]) == 0
    preview = json.loads(capsys.readouterr().out)
    assert rows(Redo) == []
    assert run_command([*REDO, "--yes", "--json"]) == 0

    (noted,) = rows(Redo)
    assert json.loads(capsys.readouterr().out) == preview | {"redo_id": noted["id"]}
    assert (noted["who"], noted["reason"]) == ("Eva", "an invoice came late")


def test_a_dismissal_needs_a_reason_and_ends_the_notification(database: str, capsys: Captured) -> None:
    store(Stored(periods=()))
    accrue("2024-01")
    Books().period(1, "2024-01-08", "2024-06-30")

    assert run_command(["dismiss", "1", "--by", "Eva"]) == 2
    assert "a dismissal needs a reason" in capsys.readouterr().err
    assert run_command(["dismiss", "1", "--by", "Eva", "--reason", "taught before"]) == 0

    assert "up to 2024-01 stays as it is" in capsys.readouterr().out
    assert accrue("2024-02")["notifications"] == []
