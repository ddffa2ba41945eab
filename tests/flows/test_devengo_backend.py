"""A run whose work a devengo backend does, on real HTTP: what it is asked, and what can be seen of its answers."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flows.cli.app import run_command
from tests.flows.conftest import CommandLine
from tests.steps.connectors.scripted_vendor import Reply, ScriptedVendor, Sent, serving_script

pytestmark = pytest.mark.prefect

MONTHS = ("--start-date", "2024-03-01", "--end-date", "2024-05-01")
ANSWERS: dict[str, Any] = json.loads((Path(__file__).parent / "devengo_answers.json").read_text(encoding="utf-8"))
INVOICES = "GET /api/integrations/holded/sync-invoices-and-clients"


def _answer(sent: Sent) -> Reply:
    known = f"{sent.method} {sent.path.removeprefix('/v1')}"
    return Reply(ANSWERS[known]) if known in ANSWERS else Reply({"detail": "Method Not Allowed"}, status=405)


@pytest.fixture
def devengo() -> Iterator[ScriptedVendor]:
    with serving_script() as backend:
        backend.script = _answer
        yield backend


def _variables(backend: ScriptedVendor) -> dict[str, str]:
    return {"SYNC_BACKEND_URL": backend.url, "SYNC_BACKEND_DIALECT": "devengo"}


def test_an_import_asks_each_endpoint_as_devengo_serves_it_and_lists_what_it_said(
    devengo: ScriptedVendor, sync_actions: CommandLine, capsys: pytest.CaptureFixture[str]
) -> None:
    run = sync_actions.run(*MONTHS, "--json", **_variables(devengo))

    assert run.status == 0, run.err
    assert [f"{sent.method} {sent.path.removeprefix('/v1')}" for sent in devengo.sent] == [
        "GET /api/integrations/holded/sync-services",
        INVOICES,
        INVOICES,
        "GET /api/integrations/fourgeeks/sync-students-from-clients",
        "GET /api/integrations/fourgeeks/sync-enrollments-from-clients",
        "GET /api/integrations/notion/sync-page-ids-from-clients",
    ]
    assert [sent.query for sent in devengo.sent if sent.query] == [
        {"start_timestamp": "1709247600", "end_timestamp": "1711922400"},
        {"start_timestamp": "1711922400", "end_timestamp": "1714514400"},
    ]
    assert all(sent.body is None for sent in devengo.sent)
    rows = {(row["step_name"], row["window_start"]) for row in run.json["executions"]}
    assert rows == {
        ("services", None),
        ("invoices", "2024-03-01"),
        ("invoices", "2024-04-01"),
        ("crm-clients", None),
        ("service-periods", None),
        ("notion-external-id", None),
    }
    assert {row["status"] for row in run.json["executions"]} == {"completed"}
    assert run.json["executions"][1]["result"] == ANSWERS[INVOICES]
    assert "example.org" not in run.out
    assert "crm-clients: 37 linked; 2 not found (" in run.err
    assert run_command(["history"]) == 0
    assert "invoices" in capsys.readouterr().out


def test_the_accruals_of_devengo_are_run_shown_and_listed(
    devengo: ScriptedVendor, sync_actions: CommandLine, capsys: pytest.CaptureFixture[str]
) -> None:
    run = sync_actions.run("--from-step", "accruals", *MONTHS, **_variables(devengo))

    assert run.status == 0, run.err
    assert [(sent.method, sent.body) for sent in devengo.sent] == [
        ("POST", {"period_start_date": "2024-03-01"}),
        ("POST", {"period_start_date": "2024-04-01"}),
    ]
    assert "accruals 2024-04: contract 17: Contract without period" in run.out
    assert "accruals 2024-04: 2 contracts were skipped" in run.out
    assert "44 contracts processed, 4 skipped, 1 failed, 3 notifications" in " ".join(run.err.split())
    for command in (
        ["history"],
        ["history", "--json"],
        ["plan", *MONTHS],
        ["plan", "--from-step", "accruals", *MONTHS],
    ):
        assert run_command(command) == 0
    assert "accruals" in capsys.readouterr().out


def test_an_answer_without_success_fails_its_month_in_the_backends_words(
    devengo: ScriptedVendor, sync_actions: CommandLine
) -> None:
    devengo.script = lambda sent: (
        Reply({"success": False, "message": "Holded says 401"}) if sent.query else _answer(sent)
    )

    run = sync_actions.run(*MONTHS, "--json", **_variables(devengo))

    assert run.status == 1
    failed = [row for row in run.json["executions"] if row["status"] == "failed"]
    assert [row["window_start"] for row in failed] == ["2024-03-01", "2024-04-01"]
    assert {row["error_message"].partition(": answered")[2] for row in failed} == {" that it failed (Holded says 401)"}


def test_a_call_that_is_accepted_and_never_answered_ends_with_a_line_that_names_the_limit(
    devengo: ScriptedVendor, sync_actions: CommandLine
) -> None:
    devengo.script = lambda sent: Reply(hang=True) if sent.query else _answer(sent)

    run = sync_actions.run(
        "--from-step", "invoices", *MONTHS, "--json", **_variables(devengo), SYNC_BACKEND_TIMEOUT="1"
    )

    assert run.status == 1
    failed = [row for row in run.json["executions"] if row["status"] == "failed"]
    assert {row["step_name"] for row in failed} == {"invoices"}
    assert all("not answered within 1 s (SYNC_BACKEND_TIMEOUT)" in row["error_message"] for row in failed)
    assert sum(bool(sent.query) for sent in devengo.sent) == 2
