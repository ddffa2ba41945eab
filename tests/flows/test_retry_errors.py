"""`errors retry` from the command line: just the records in trouble, tracked like any run, never taken for one."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from flows.cli.app import run_command
from flows.plan import plan_retry
from steps.catalog import INVOICES, STEPS
from steps.ledger.contract import Invoice
from steps.ledger.months import MonthWindow
from steps.sandbox.server import SandboxServer, serve_sandbox
from steps.sandbox.world import build_world
from tests.fast_vendors import FAST
from tests.flows.conftest import CommandLine
from tests.steps.ledger_view import rows
from tracking.database import read_session, write_session
from tracking.history import step_month_histories
from tracking.integration_errors import FoundError, find_met, record_errors
from tracking.models import IntegrationError, SyncExecution

MARCH = ("--start-date", "2024-03-01", "--end-date", "2024-04-01")


@pytest.fixture
def spoiled() -> Iterator[SandboxServer]:
    with serve_sandbox(build_world(spoiled=True)) as sandbox:
        yield sandbox


@pytest.mark.long
@pytest.mark.prefect
def test_a_mended_record_is_tried_again_alone(sync_actions: CommandLine, database: str, spoiled: SandboxServer) -> None:
    environment = spoiled.environment | FAST
    broken = next(each for each in spoiled.world.invoices if "total" in each.raw)
    window = MonthWindow.of(broken.date)
    month = ("--start-date", window.start.isoformat(), "--end-date", window.end.isoformat())
    assert sync_actions.run(*month, **environment).status == 0
    (error,) = (row for row in rows(IntegrationError) if row["entity_external_id"] == broken.id)
    others = [row for row in rows(IntegrationError) if row["id"] != error["id"]]
    spoiled.world.invoices[spoiled.world.invoices.index(broken)] = replace(broken, raw={})

    outcome = sync_actions.run("errors", "retry", str(error["id"]), "--json", **environment)

    assert outcome.status == 0, outcome.err
    (execution,) = outcome.json["executions"]
    assert (outcome.json["resolved"], outcome.json["pending"]) == ([error["id"]], [])
    assert (execution["status"], execution["result"]["invoices_created"]) == ("completed", 1)
    assert execution["window_start"] == window.start.isoformat()
    assert [row for row in rows(IntegrationError) if row["id"] != error["id"]] == others
    again = sync_actions.run(*month, "--json", **environment)
    results = [each["result"] for each in again.json["executions"]]
    assert {value for r in results for name, value in r.items() if name.endswith(("_created", "_updated"))} == {0}


@pytest.mark.prefect
def test_what_is_still_in_trouble_is_status_1_and_says_why(sync_actions: CommandLine, spoiled: SandboxServer) -> None:
    environment = spoiled.environment | FAST
    assert sync_actions.run(*MARCH, **environment).status == 0

    outcome = sync_actions.run("errors", "retry", "--step", "notion-external-id", **environment)

    pages = [row for row in rows(IntegrationError) if row["operation"] == "notion-external-id"]
    assert outcome.status == 1, outcome.err
    assert f"0 of {len(pages)} errors resolved." in outcome.out
    assert outcome.out.count("is still in trouble: page ") == len(pages) > 0
    assert {row["occurrences"] for row in pages} == {2}


def _an_error(
    step_name: str, window_start: date | None = None, window_end: date | None = None, records: int = 0
) -> int:
    """One pending error of contact c1, and the completed execution that met it."""
    with write_session() as session:
        execution = SyncExecution(
            step_name=step_name, window_start=window_start, window_end=window_end, status="completed", flow_run_id="r"
        )
        execution.records = records or None
        session.add(execution)
        session.flush()
        found = [FoundError("contact", "c1", "no email", {"id": "c1", "name": "Ana"})]
        record_errors(
            session,
            integration="holded",
            operation=step_name,
            execution_id=execution.id,
            found=found,
            passed=set(),
        )
    return int(rows(IntegrationError)[-1]["id"])


JANUARY, APRIL = (date(2024, 1, 1), date(2024, 2, 1)), (date(2024, 4, 1), date(2024, 5, 1))


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["retry", "99"], "no integration error has the id 99"),
        (["retry", "x"], "[ID]..."),
        (["retry", "--step", "x"], "step 'x' is not known"),
        (["retry", "1", "--step", "services"], "error 1 is of the step invoices, not services"),
        (["retry", "2"], "tried again by running them again: sync-actions --from-step accruals"),
        (["retry", "3"], "error 3 was met by no tracked month of crm-clients"),
        (["retry", "4"], "error 4 is ignored: only pending ones are tried again"),
        (["show", "99"], "no integration error has the id 99"),
        (["show"], "ID"),
    ],
)
def test_what_cannot_be_tried_again_is_one_line_and_status_2(
    arguments: list[str], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    _an_error("invoices", *JANUARY)
    _an_error("accruals", *JANUARY)
    _an_error("crm-clients")
    _an_error("services")
    assert run_command(["errors", "--ignore", "4"]) == 0
    capsys.readouterr()

    status = run_command(["errors", *arguments])

    written = capsys.readouterr()
    assert (status, written.out, written.err.count("\n")) == (2, "", 1)
    assert line in written.err


def test_errors_of_the_accruals_are_said_and_left_when_all_are_tried_again(capsys: pytest.CaptureFixture[str]) -> None:
    _an_error("accruals", *JANUARY)

    assert run_command(["errors", "retry"]) == 0

    written = capsys.readouterr()
    assert "No pending error" in written.out
    assert written.err.count("sync-actions --from-step accruals") == 1


def test_an_error_is_shown_with_the_vendors_own_record(database: str, capsys: pytest.CaptureFixture[str]) -> None:
    _an_error("invoices", *JANUARY)

    assert run_command(["errors", "show", "1"]) == 0
    shown = capsys.readouterr().out
    assert run_command(["errors", "show", "1", "--json"]) == 0

    for text in ("contact c1", "no email", "invoices 2024-01 (execution 1, completed)", '"name": "Ana"', "1 times"):
        assert text in shown
    assert json.loads(capsys.readouterr().out)["error_details"] == {"id": "c1", "name": "Ana"}


def test_the_list_and_the_spreadsheet_say_how_often_and_since_when(capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(3):
        _an_error("invoices", *JANUARY)
    (row,) = rows(IntegrationError)

    assert run_command(["errors"]) == 0
    assert "3 x" in capsys.readouterr().out
    assert run_command(["errors", "list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["occurrences"] == 3
    assert run_command(["errors", "--export", "errors.csv"]) == 0
    assert run_command(["errors", "--export", "es.csv", "--format", "csv-es"]) == 0
    assert Path("es.csv").read_bytes().startswith(b"\xef\xbb\xbfid;integration_name;operation;")
    header, line = (text.split(",")[-3:] for text in Path("errors.csv").read_text(encoding="utf-8").splitlines())
    assert header == ["occurrences", "first_seen_at", "last_seen_at"]
    assert line == ["3", str(row["first_seen_at"]), str(row["last_seen_at"])]


def test_months_that_the_runs_had_read_are_read_again(database: str) -> None:
    error_id = _an_error("invoices", *JANUARY)
    with write_session() as session:
        session.add(SyncExecution(step_name="invoices", window_start=APRIL[0], window_end=APRIL[1], flow_run_id="r"))

    retry = plan_retry([error_id])

    assert retry.span is not None
    assert (retry.span.start, retry.span.end) == (JANUARY[0], APRIL[1])
    assert [(each.name, each.records) for each in retry.step_runs] == [("invoices 2024-01", (("contact", "c1"),))]


def test_months_of_a_contacts_documents_that_have_no_client_are_read_again(database: str) -> None:
    error_id = _an_error("invoices", *JANUARY)
    amounts: dict[str, Any] = {
        "total_amount": Decimal("1.00"),
        "net_amount": Decimal("1.00"),
        "currency": "EUR",
        "status": "1",
    }
    with write_session() as session:
        for number, contact in enumerate(("c1", "another"), start=2):
            day = date(2024, 3 * number, 9)
            record = {"contact": contact}
            session.add(Invoice(external_id=contact, kind="invoice", invoice_date=day, original_data=record, **amounts))

    assert plan_retry([error_id]).span == MonthWindow(JANUARY[0], date(2024, 7, 1))


def test_a_retry_is_never_taken_for_a_whole_month(database: str) -> None:
    _an_error("invoices", *JANUARY)
    _an_error("invoices", *JANUARY, records=2)
    _an_error("invoices", *APRIL, records=2)

    with read_session() as session:
        histories = step_month_histories(session, tuple(STEPS))

    assert list(histories) == [(INVOICES.id, JANUARY[0])]
    history = histories[INVOICES.id, JANUARY[0]]
    assert (history.newest.records, history.newest_completed and history.newest_completed.records) == (None, None)
    assert history.newest_retry is not None
    assert history.newest_retry.records == 2
    assert find_met([1])[0].execution is not None
