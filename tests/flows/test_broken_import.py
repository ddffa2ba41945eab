"""An import that broke and the accruals after it, as they are run in earnest: command line, flow, API, a backend."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from getpass import getuser
from threading import Event
from time import sleep
from typing import Any

import pytest

from steps.sandbox.faults import Fault
from steps.sandbox.server import SandboxServer, serve_sandbox
from steps.sandbox.world import build_world
from tests.fast_vendors import FAST
from tests.flows.api.serving import LONGEST_SECONDS, serving
from tests.flows.conftest import CommandLine, Outcome
from tests.steps.accruals.database_ledger import Stored, snapshot, store
from tests.steps.accruals.recorded_imports import failed
from tracking.database import dispose_engines
from tracking.history import HistoryFilter, find_executions
from tracking.models import SyncExecution

pytestmark = pytest.mark.prefect

MARCH = ("--start-date", "2024-03-01", "--end-date", "2024-04-01")
ACCRUE = ("--from-step", "accruals", *MARCH)
WHY = "the CRM is gone for good"


@pytest.fixture
def academy() -> Iterator[SandboxServer]:
    with serve_sandbox(build_world(clients=20)) as server:
        yield server


def _break(academy: SandboxServer) -> None:
    """CRM and Notion are down."""
    academy.faults.add(Fault("fourgeeks", "html-200", times=None))
    academy.faults.add(Fault("notion", "html-200", times=None))


def _result(outcome: Outcome) -> dict[str, Any]:
    (execution,) = outcome.json["executions"]
    assert execution["status"] == "completed", execution
    result: dict[str, Any] = execution["result"]
    return result


@pytest.mark.long
def test_with_crm_and_notion_down_nothing_is_booked_and_after_a_good_import_what_an_undisturbed_run_books(
    sync_actions: CommandLine, academy: SandboxServer
) -> None:
    vendors = {**academy.environment, **FAST}
    folder = sync_actions.folder
    undisturbed = {"SYNC_DATABASE_URL": f"sqlite:///{folder / 'undisturbed.db'}"}
    forced = {"SYNC_DATABASE_URL": f"sqlite:///{folder / 'forced.db'}"}
    assert sync_actions.run(*MARCH, **vendors, **undisturbed).status == 0
    healthy = _result(sync_actions.run(*ACCRUE, "--json", **undisturbed))

    _break(academy)
    assert sync_actions.run(*MARCH, **vendors).status == 1
    refused = sync_actions.run(*ACCRUE, "--json")
    booked = snapshot()["accrued_period"]
    dispose_engines()
    shutil.copy(folder / "sync.db", folder / "forced.db")
    overridden = sync_actions.run(*ACCRUE, "--override", WHY, **forced)
    again = _result(sync_actions.run(*ACCRUE, "--override", WHY, "--json", **forced))
    academy.faults.clear()
    assert sync_actions.run(*MARCH, **vendors).status == 0
    repaired = _result(sync_actions.run(*ACCRUE, "--json"))

    (execution,) = refused.json["executions"]
    assert (refused.status, booked) == (1, [])
    line = execution["error_message"]
    assert line.startswith("2024-03 is not accrued, because its import is broken: crm-clients 2024-03 failed (exec")
    for name in ("service-periods 2024-03 failed", "notion-external-id failed", f"--from-step crm-clients {MARCH[0]}"):
        assert name in line
    assert line.count("\n") == 0
    assert repaired == healthy
    assert healthy["override"] is None
    assert overridden.status == 0
    assert f"override by {getuser()} ({WHY}): crm-clients 2024-03 failed" in " ".join(overridden.out.split())
    assert again["override"]["by"] == getuser()
    assert len(again["override"]["overridden"]) == 3


FLOW = """
from datetime import date
from flows.{flow} import {flow}
state = {flow}({arguments}start_date=date(2024, 3, 1), end_date=date(2024, 4, 1), return_state=True)
print(state.name, "|", state.message)
"""


def _run_flow(prefect: Mapping[str, str], flow: str, arguments: str) -> str:
    """State and message of a flow that is called in Python, as Prefect calls it for a person."""
    done = subprocess.run(
        [sys.executable, "-c", FLOW.format(flow=flow, arguments=arguments)],
        env={**os.environ, **prefect},
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout


def _newest() -> SyncExecution:
    return find_executions(HistoryFilter(step_name="accruals", limit=1))[0]


@pytest.mark.long
@pytest.mark.parametrize(
    ("flow", "step"),
    [
        ("execute_step", "'accruals', "),
        ("process_accruals", ""),
    ],
)
def test_a_flow_is_refused_and_may_be_overridden_by_parameter(
    forked_environment: Mapping[str, str], flow: str, step: str
) -> None:
    store(Stored())
    failed("crm-clients")

    refused = _run_flow(forked_environment, flow, step)
    empty = _run_flow(forked_environment, flow, f"{step}override=' ', ")
    done = _run_flow(forked_environment, flow, f"{step}override='the CRM is gone', ")

    assert refused.startswith("Failed | 1 of 1 executions failed: accruals 2024-03: 2024-03 is not accrued, because")
    assert "override: the reason is empty" in empty
    assert done.startswith("Completed")
    override = (_newest().result or {})["override"]
    assert (override["reason"], override["by"], len(override["overridden"])) == ("the CRM is gone", "unknown", 1)


@pytest.mark.long
def test_a_flow_of_an_import_step_takes_no_override(forked_environment: Mapping[str, str]) -> None:
    told = _run_flow(forked_environment, "execute_step", "'services', override='x', ")

    assert told.startswith("Failed")
    assert "override is for accruals alone: it says nothing about services" in told
    assert find_executions(HistoryFilter()) == []


@pytest.mark.long
def test_a_backend_looks_at_its_own_imports_and_the_one_who_calls_it_at_none(sync_actions: CommandLine) -> None:
    own = f"sqlite:///{sync_actions.folder / 'frontend.db'}"
    store(Stored())
    failed("crm-clients", "the CRM is down")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SYNC_DATABASE_URL", own)
        failed("services", "of no interest to a backend")
    dispose_engines()

    with serving(sync_actions) as (client, _):
        frontend = {"SYNC_DATABASE_URL": own, "SYNC_BACKEND_URL": str(client.base_url)}
        refused = sync_actions.run(*ACCRUE, "--json", **frontend)
        asked = client.post("/api/accruals/process-contracts", json={"period_start_date": "2024-03-01"})
        overridden = _result(sync_actions.run(*ACCRUE, "--override", WHY, "--json", **frontend))

    (execution,) = refused.json["executions"]
    for line in (execution["error_message"], asked.json()["detail"]):
        assert "its import is broken: crm-clients 2024-03 failed" in line
        assert "of no interest" not in line
    assert asked.status_code == 409
    assert overridden["amount_accrued"] != "0.00"
    assert (overridden["override"]["reason"], overridden["override"]["by"]) == (WHY, getuser())
    assert [line[:26] for line in overridden["override"]["overridden"]] == ["crm-clients 2024-03 failed"]


@pytest.mark.long
def test_accruals_wait_for_an_import_of_another_process_and_post_what_it_brought(
    sync_actions: CommandLine, academy: SandboxServer
) -> None:
    vendors, imported = {**academy.environment, **FAST}, Event()
    academy.faults.add(Fault("notion", "slow", when=lambda _: imported.wait(LONGEST_SECONDS)))
    importing = sync_actions.start(*MARCH, **vendors)
    while not find_executions(HistoryFilter(step_name="service-periods", status="completed")):
        sleep(0.2)

    accruing = sync_actions.start(*ACCRUE, "--json")
    assert accruing.stderr is not None
    told = next(line for line in accruing.stderr if "waiting" in line)
    imported.set()
    accrued, _ = accruing.communicate()

    assert "waiting until its import has ended: notion-external-id (execution" in told
    assert importing.wait() == 0
    importing.communicate()
    assert accruing.returncode == 0
    (execution,) = json.loads(accrued)["executions"]
    assert execution["result"]["amount_accrued"] != "0.00"
