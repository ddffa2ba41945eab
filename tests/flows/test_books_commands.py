"""`redo` and `dismiss` as a person types them: what they show, ask, write and answer to the shell."""

import io
import json
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import pytest
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import ArtifactFilter, FlowRunFilter, LogFilter, LogFilterFlowRunId
from prefect.client.schemas.objects import StateType

from flows.cli.app import run_command
from flows.redo import redo
from steps.ledger.accrual import Redo
from tests.flows.conftest import prefect_client
from tests.flows.guide import await_answer
from tests.flows.told import told_since
from tests.steps.accruals.database_ledger import (
    Stored,
    accrue,
    accrue_months,
    add_document,
    amounts,
    execute,
    snapshot,
    store,
)
from tests.steps.accruals.reports.books import Books
from tests.steps.ledger_view import rows
from tracking.models import SyncExecution

Captured = pytest.CaptureFixture[str]
REDO = ["redo", "2024-02", "--reason", "an invoice came late", "--by", "Eva"]


@pytest.fixture
def late(database: str) -> None:
    """600.00 from January to June, accrued to March; then an invoice of January came."""
    store(Stored())
    accrue_months("2024-01", "2024-02", "2024-03")
    add_document(1, "2024-01-20", "600.00")


@pytest.fixture
def client(prefect_server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[SyncPrefectClient]:
    """Commands of this process use the shared server."""
    monkeypatch.setenv("PREFECT_API_URL", prefect_server)
    with prefect_client(prefect_server) as client:
        yield client


@pytest.mark.prefect
def test_a_redo_shows_what_changes_asks_and_is_a_run_of_its_flow(
    late: None, client: SyncPrefectClient, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, began = snapshot(), datetime.now(UTC)
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))

    assert run_command(REDO) == 1

    written = capsys.readouterr()
    assert "Processed again: 2024-02, 2024-03" in written.out
    assert "210.00" in written.out
    assert "Nothing was changed." in written.err
    assert (snapshot(), rows(Redo)) == (before, [])
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    assert run_command(REDO) == 0
    assert "Done: 2024-02, 2024-03 processed again (redo " in capsys.readouterr().out
    assert amounts()["2024-02"] == "215.38"
    own = [row for row in rows(SyncExecution) if row["step_name"] == "accruals"]
    assert [(f"{row['window_start']:%Y-%m}", row["status"]) for row in own] == [
        ("2024-02", "completed"),
        ("2024-03", "completed"),
    ]
    run = client.read_flow_run(UUID(own[0]["flow_run_id"]))
    assert (run.name, run.state_type) == ("redo 2024-02", StateType.COMPLETED)
    of_run = FlowRunFilter(id={"any_": [run.id]})
    tasks = await_answer(lambda: client.read_task_runs(flow_run_filter=of_run), "the task")
    assert [each.name for each in tasks] == ["redo"]
    described, table = _table(client, run.id)
    assert described == "2024-02: 1 contract differs"
    assert "| p1@example.org | 1 | 210.00 |" in table
    assert any(
        line.startswith("redo: 2024-02, 2024-03 processed again: 1 contract differs") for line in _log(client, run.id)
    )
    names = {(name, resource) for name, resource, *_ in told_since(client, began, "sync.month.redone")}
    assert {("sync.month.redone", f"sync.month.2024-0{month}") for month in (2, 3)} <= names
    assert ("sync.step-run.completed", "sync.step.accruals") in names


def _table(client: SyncPrefectClient, run: UUID) -> tuple[str, str]:
    """Its line on a card, and the table itself."""
    wanted = ArtifactFilter(flow_run_id={"any_": [run]}, key={"any_": ["sync-redo"]})
    (artifact,) = client.read_artifacts(artifact_filter=wanted)
    return str(artifact.description), str(artifact.data)


def _log(client: SyncPrefectClient, run: UUID) -> list[str]:
    logs = await_answer(lambda: client.read_logs(LogFilter(flow_run_id=LogFilterFlowRunId(any_=[run]))), "the log")
    return [log.message for log in logs]


@pytest.mark.prefect
def test_a_preview_in_prefect_leaves_a_table_and_changes_nothing(late: None, client: SyncPrefectClient) -> None:
    before, executions = snapshot(), len(rows(SyncExecution))

    state: Any = redo(date(2024, 2, 1), "an invoice came late", return_state=True)

    assert state.message.startswith("2024-02, 2024-03 processed again: 1 contract differs; 210.00 EUR become")
    assert state.message.endswith("nothing was changed")
    assert (snapshot(), len(rows(SyncExecution)), rows(Redo)) == (before, executions, [])
    run = state.state_details.flow_run_id
    described, table = _table(client, run)
    assert described == "2024-02, preview: 1 contract differs"
    assert "| p1@example.org | 1 | 210.00 |" in table
    assert client.read_flow_run(run).name == "redo 2024-02, preview"


@pytest.mark.prefect
def test_a_redo_that_the_gate_refuses_fails_with_the_reason_and_is_done_with_an_override(
    late: None, client: SyncPrefectClient, capsys: Captured
) -> None:
    execute("UPDATE sync_execution SET status = 'failed' WHERE step_name = 'invoices' AND window_start = '2024-03-01'")
    before = snapshot()

    assert run_command([*REDO, "--yes"]) == 1

    assert "2024-03 is not accrued" in capsys.readouterr().err
    assert (snapshot(), rows(Redo)) == (before, [])
    failed = [row for row in rows(SyncExecution) if row["step_name"] == "accruals"]
    assert [(row["status"], row["details"]["error_type"]) for row in failed] == [("failed", "BrokenImportError")] * 2
    assert run_command([*REDO, "--yes", "--override", "as it is", "--json"]) == 0
    (noted,) = rows(Redo)
    done = json.loads(capsys.readouterr().out)
    assert (done["redo_id"], done["totals"][0]["old"]) == (noted["id"], "210.00")
    assert (noted["who"], noted["reason"]) == ("Eva", "an invoice came late")


def test_a_redo_in_a_script_says_yes_or_only_looks(
    late: None, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert run_command(REDO) == 2
    assert "nobody answers here: say --yes, or --preview to look only" in capsys.readouterr().err
    assert run_command(["redo", "2024-02"]) == 2
    assert "a redo needs a reason" in capsys.readouterr().err

    assert run_command(["redo", "2024-02", "--preview", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["contracts"][0]["old"] == "210.00"
    assert rows(Redo) == []


def test_a_dismissal_needs_a_reason_and_ends_the_notification(database: str, capsys: Captured) -> None:
    store(Stored(periods=()))
    accrue("2024-01")
    Books().period(1, "2024-01-08", "2024-06-30")

    assert run_command(["dismiss", "1", "--by", "Eva"]) == 2
    assert "a dismissal needs a reason" in capsys.readouterr().err
    assert run_command(["dismiss", "1", "--by", "Eva", "--reason", "taught before"]) == 0

    assert "up to 2024-01 stays as it is" in capsys.readouterr().out
    assert accrue("2024-02")["notifications"] == []
