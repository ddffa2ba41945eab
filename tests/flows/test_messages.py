"""Who is told of what: a real Prefect server sends each message to a webhook (docs/operations.md, Who is told)."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterId
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.events import emit_event
from prefect.events.schemas.automations import AutomationCore
from prefect.flow_engine import run_flow
from prefect.states import Crashed, Pending, Running, Scheduled

from flows.events import tell_month_not_closed
from flows.prefect_server import logs_delivered
from flows.prefect_setup import Setup, find_block, set_up
from flows.process_accruals import process_accruals
from flows.reconcile_executions import reconcile_executions
from flows.redo import redo
from flows.sync_import import sync_import
from steps.sandbox.faults import Fault
from steps.sandbox.server import SandboxServer
from steps.settings import SyncSettings
from tests.flows.conftest import delete_limits, prefect_client
from tests.flows.guide import await_answer
from tests.flows.webhook import Webhook, listening
from tests.ports import free_port
from tracking.history import HistoryFilter, find_executions

pytestmark = pytest.mark.prefect

MARCH, APRIL = date(2024, 3, 1), date(2024, 4, 1)
IMPORT, ACCRUALS = "import 2024-03 from services", "accruals 2024-03"
TOLD = {
    "Failed: import 2024-03 from services": "notion: POST /databases/",
    "Not accrued: accruals 2024-03": "sync-actions --from-step notion-external-id --start-date 2024-03-01",
    "Broke off: two": "Why: the machine is gone",
    "No sign of life: three": "nothing was heard of it for a quarter of an hour",
    "Late: one": "prefect worker start --pool sync",
    "Nobody does the runs": "No worker of the work pool sync has been online",
    "2 records in trouble: invoices 2024-03": "sync-actions errors",
    "Not closed: 2024-03": "sync-actions close 2024-03",
    "The check of every five minutes fails": "SYNC_DATABASE_URL begins with mysql://",
}
"""Subject of each message -> what its text says, among other things."""
SHORTEST = timedelta(seconds=10)
"""For what a trigger may wait."""
QUICK_SERVER = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_SERVICES_LATE_RUNS_LOOP_SECONDS": "1",
    "PREFECT_SERVER_SERVICES_LATE_RUNS_AFTER_SECONDS": "1",
    "PREFECT_SERVER_SERVICES_FOREMAN_LOOP_SECONDS": "1",
    "PREFECT_SERVER_SERVICES_FOREMAN_INACTIVITY_HEARTBEAT_MULTIPLE": "1",
}


@contextmanager
def _prefect_server(home: Path) -> Iterator[str]:
    """`prefect server start` with all its services, which look every second."""
    port = str(free_port())
    command = [sys.executable, "-m", "prefect", "server", "start", "--port", port]
    environment = {**os.environ, **QUICK_SERVER, "PREFECT_HOME": str(home)}
    server = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        url = f"http://127.0.0.1:{port}/api"
        with httpx.Client(verify=False) as client:
            await_answer(lambda: _answers(client, f"{url}/health"), "the server's first answer")
        yield url
    finally:
        server.terminate()
        server.wait()


def _answers(client: httpx.Client, url: str) -> bool:
    try:
        return client.get(url).is_success
    except httpx.TransportError:
        return False


def _shorten(client: SyncPrefectClient) -> None:
    """Let the triggers that wait for what does not happen wait no longer than they must."""
    for known in client.read_automations():
        if getattr(known.trigger, "after", None):
            known.trigger = known.trigger.model_copy(update={"within": SHORTEST})
            client.update_automation(known.id, AutomationCore(**known.model_dump(exclude={"id", "owner_resource"})))


@pytest.fixture
def told(prefect_server: str) -> Iterator[tuple[SyncPrefectClient, Webhook]]:
    """The shared server with everything set up, and where its messages arrive; afterwards it tells nobody."""
    with prefect_client(prefect_server) as client, listening() as webhook:
        set_up(client, Setup(block=find_block(client, webhook.save_block("accounting"))))
        delete_limits(client)
        yield client, webhook
        for known in client.read_automations():
            client.delete_automation(known.id)


def test_a_run_that_fails_is_told_to_the_block_that_the_setup_was_given(
    told: tuple[SyncPrefectClient, Webhook],
) -> None:
    _, webhook = told

    sync_import(start_date=MARCH, return_state=True)
    await_answer(lambda: webhook.posts, "the message")

    assert webhook.subjects == ["Failed: import"]
    assert "start date without end date" in webhook.body("Failed: import")


def test_a_redo_that_fails_is_told_and_the_preview_of_one_is_not(told: tuple[SyncPrefectClient, Webhook]) -> None:
    _, webhook = told

    redo(month=MARCH, reason="a credit note", preview=True, return_state=True)
    redo(month=MARCH, reason="a credit note", preview=False, return_state=True)
    await_answer(lambda: webhook.posts, "the message")

    assert webhook.subjects == ["Failed: redo 2024-03"]


def test_the_accruals_of_a_month_follow_its_monthly_import_and_the_clock_finds_nothing_due(
    told: tuple[SyncPrefectClient, Webhook], academy: SandboxServer
) -> None:
    client, _ = told

    run_flow(sync_import, flow_run=_scheduled(client, "sync-import/monthly", datetime(2024, 4, 2, 4, tzinfo=UTC)))
    with logs_delivered():
        pass
    followed = await_answer(lambda: _runs_of(client, "process-accruals/monthly"), "the run of the accruals")
    run_flow(process_accruals, flow_run=followed[0])
    by_clock = _scheduled(client, "process-accruals/monthly", datetime(2024, 4, 3, 4, tzinfo=UTC))
    run_flow(process_accruals, flow_run=by_clock)

    assert followed[0].parameters["start_date"] == "2024-03-01"
    accrued = find_executions(HistoryFilter(step_name="accruals"))
    assert [(each.status, each.window_start, each.flow_run_id) for each in accrued] == [
        ("completed", MARCH, str(followed[0].id))
    ]
    assert client.read_flow_run(by_clock.id).state_type == StateType.COMPLETED


def _scheduled(client: SyncPrefectClient, deployment: str, moment: datetime) -> FlowRun:
    """A run that the clock should have started long ago."""
    found = client.read_deployment_by_name(deployment)
    return client.create_flow_run_from_deployment(found.id, state=Scheduled(scheduled_time=moment))


def _runs_of(client: SyncPrefectClient, deployment: str) -> list[FlowRun]:
    found = client.read_deployment_by_name(deployment)
    wanted = DeploymentFilter(id=DeploymentFilterId(any_=[found.id]))
    return [run for run in client.read_flow_runs(deployment_filter=wanted) if not run.auto_scheduled]


@pytest.mark.long
def test_each_thing_is_told_once_in_words_that_say_what_to_do(
    academy: SandboxServer, prefect_home: Callable[[], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    with _prefect_server(prefect_home()) as url, prefect_client(url) as client, listening() as webhook:
        set_up(client, Setup(block=find_block(client, webhook.save_block("accounting"))))
        _run_all_that_fails(academy, monkeypatch)
        _shorten(client)
        _leave_what_is_missed(client)
        await_answer(lambda: set(webhook.subjects) >= TOLD.keys(), "every message")
        time.sleep(SHORTEST.total_seconds())  # for a second one of any kind

    assert sorted(webhook.subjects) == sorted(TOLD)
    for subject, words in TOLD.items():
        body = webhook.body(subject)
        assert words in body
        assert [part.partition(":")[0] for part in body.split("\n\n")[1:3]] == ["Why", "What to do"]
        assert f"See {url.removesuffix('/api')}/" in body


def _run_all_that_fails(academy: SandboxServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Records in trouble, a failed import, a refused month, an open month, a database that is away."""
    monkeypatch.setenv("SYNC_NOTIFY_ERRORS", "1")
    sync_import(start_date=MARCH, end_date=APRIL)
    academy.faults.add(Fault("notion", "html-200", times=None))
    sync_import(start_date=MARCH, end_date=APRIL, return_state=True)
    process_accruals(start_date=MARCH, end_date=APRIL, return_state=True)
    for hour in (8, 9):
        tell_month_not_closed(datetime(2024, 4, 20, hour, tzinfo=UTC), SyncSettings())
    monkeypatch.setenv("SYNC_DATABASE_URL", "mysql://nowhere/sync")
    for _ in range(2):
        reconcile_executions(return_state=True)
    with logs_delivered():
        pass


def _leave_what_is_missed(client: SyncPrefectClient) -> None:
    """A run that nobody takes, one that crashed, one that fell silent, a worker that went away."""
    on_demand = client.read_deployment_by_name("sync-import/on-demand").id
    _, crashed, silent = (client.create_flow_run_from_deployment(on_demand, name=n) for n in ("one", "two", "three"))
    client.send_worker_heartbeat("sync", "gone", heartbeat_interval_seconds=1)
    for run in (crashed, silent):
        client.set_flow_run_state(run.id, Pending())
        client.set_flow_run_state(run.id, Running())
        _beat(run)
        client.set_flow_run_state(crashed.id, Crashed(message="the machine is gone"))
    with logs_delivered():
        pass


def _beat(run: FlowRun) -> None:
    """As a run does each minute."""
    emit_event(
        "prefect.flow-run.heartbeat",
        resource={"prefect.resource.id": f"prefect.flow-run.{run.id}", "prefect.resource.name": run.name},
        related=[
            {
                "prefect.resource.id": f"prefect.flow.{run.flow_id}",
                "prefect.resource.role": "flow",
                "prefect.resource.name": "sync-import",
            }
        ],
    )
