"""The guide of the README ("With a Prefect server"), followed line by line; then the clock starts runs.

The server is `prefect server start` with all its services, the worker runs flows in temporary folders, and the vendors
are the sandbox, to which the lines of the settings file lead.
"""

import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import httpx
import pytest
from playwright.sync_api import Page
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterId,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
    LogFilter,
    LogFilterFlowRunId,
)
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.client.schemas.schedules import IntervalSchedule

from steps.ledger.months import MonthWindow, first_of_month, next_month
from steps.sandbox.faults import Fault
from steps.sandbox.server import serve_sandbox
from steps.sandbox.world import build_world
from tests.chromium import PATIENCE_MILLISECONDS, chromium
from tests.conftest import OURS
from tests.fast_vendors import FAST
from tests.flows.guide import Guide, await_answer, filled_in, lines_of_guide
from tests.flows.webhook import listening
from tests.flows.worker import ROOT
from tests.ports import free_port
from tracking.history import HistoryFilter, find_executions

pytestmark = [pytest.mark.prefect, pytest.mark.long]

MADRID = ZoneInfo("Europe/Madrid")
RUNS_OF_A_YEAR = 13
SERVER = {
    "PREFECT_SERVER_SERVICES_SCHEDULER_LOOP_SECONDS": "10",
    "PREFECT_SERVER_SERVICES_SCHEDULER_MIN_RUNS": str(RUNS_OF_A_YEAR),
    "PREFECT_SERVER_SERVICES_SCHEDULER_MAX_SCHEDULED_TIME": "P460D",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
}
"""So that the runs of a year are there to be looked at; Prefect plans 100 days ahead by default."""
PLANNED_WITHIN = timedelta(minutes=1)
"""The scheduler must have seen a new schedule before its time: it does not plan what is past."""


@pytest.fixture(scope="module")
def guide(prefect_home: Callable[[], Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guide]:
    """The guide, followed to its end."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "prefect.yaml").write_bytes((ROOT / "prefect.yaml").read_bytes())
    variables = {name: value for name, value in os.environ.items() if not name.startswith(OURS)} | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PREFECT_HOME": str(prefect_home()),
        "COLUMNS": "200",
    }
    port = free_port()
    with serve_sandbox(build_world(clients=8)) as sandbox, listening() as webhook, ExitStack() as processes:
        told = {"SYNC_NOTIFY_URL": webhook.url.replace("http:", "json:"), "SYNC_DATABASE_URL": "sqlite:///sync.db"}
        (folder / ".env").write_text(filled_in(sandbox.environment | FAST | told, port))
        guide = Guide(folder, port, variables, SERVER, processes, sandbox, webhook)
        for line in lines_of_guide():
            guide.follow(line)
        yield guide


@pytest.fixture
def books(guide: Guide, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests read the database that `.env` names."""
    monkeypatch.setenv("SYNC_DATABASE_URL", f"sqlite:///{guide.folder / 'sync.db'}")


def _auto_scheduled(client: SyncPrefectClient, deployment: str) -> list[FlowRun]:
    """The runs to come that the server's scheduler made of the schedule in prefect.yaml, by their time."""
    slug = deployment.partition("/")[2]
    known = client.read_deployment_by_name(deployment)
    runs = client.read_flow_runs(
        deployment_filter=DeploymentFilter(id=DeploymentFilterId(any_=[known.id])),
        flow_run_filter=FlowRunFilter(
            state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.SCHEDULED]))
        ),
    )
    return sorted(
        (r for r in runs if r.auto_scheduled and r.created_by and r.created_by.display_value == slug), key=_time
    )


def _time(run: FlowRun) -> datetime:
    """When it is to start; Prefect's own kind of time subtracts otherwise."""
    assert run.expected_start_time is not None
    return datetime.fromtimestamp(run.expected_start_time.timestamp(), UTC)


def test_who_follows_the_guide_has_an_import_by_a_worker(guide: Guide, books: None) -> None:
    command = next(line for line in guide.said if "deployment run" in line)
    run_id = re.search(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", guide.said[command])
    assert run_id is not None, guide.said[command]

    executions = find_executions(HistoryFilter(flow_run_id=run_id.group()))
    assert len(executions) == 13
    assert {execution.status for execution in executions} == {"completed"}
    with guide.client() as client:
        logs = client.read_logs(LogFilter(flow_run_id=LogFilterFlowRunId(any_=[UUID(run_id.group())])))
    told = f"uses the database sqlite:///{guide.folder / 'sync.db'} and the settings file {guide.folder / '.env'}"
    assert (20, told) in {(log.level, log.message) for log in logs}


def test_the_doctor_finds_nothing_wrong_where_the_guide_was_followed(guide: Guide) -> None:
    guide.follow("sync-actions doctor")

    assert guide.said["sync-actions doctor"].endswith("No problem found.\n"), guide.said["sync-actions doctor"]
    assert "not checked" not in guide.said["sync-actions doctor"]


def test_a_run_that_is_started_by_the_form_in_a_browser_and_fails_is_told(guide: Guide) -> None:
    guide.sandbox.faults.add(Fault("notion", "html-200", times=None))
    subject = "Failed: import 2024-01..2024-12 from notion-external-id"
    try:
        with chromium() as browser:
            guide.fill_in_form(browser, "notion-external-id")
        await_answer(lambda: subject in guide.webhook.subjects, "the message")
    finally:
        guide.sandbox.faults.clear()

    body = guide.webhook.body(subject)
    assert "notion: POST /databases/" in body
    link = re.search(r"See (http://127.0.0.1:\d+)/runs/flow-run/([0-9a-f-]{36})", body)
    assert link is not None, body
    assert link[1] == f"http://127.0.0.1:{guide.port}"
    with guide.client() as client:
        assert client.read_flow_run(UUID(link[2])).state_type == StateType.FAILED


def test_a_workers_run_that_would_write_its_database_into_its_temporary_folder_fails_and_says_so(guide: Guide) -> None:
    with guide.client() as client:
        deployment = client.read_deployment_by_name("sync-import/on-demand")
        created = client.create_flow_run_from_deployment(
            deployment.id, job_variables={"env": {"SYNC_DATABASE_URL": "sqlite:///sync.db"}}
        )
        state = await_answer(lambda: _final_state(client, created.id), "the run's end")

    assert state.type == StateType.FAILED
    assert "SYNC_DATABASE_URL names the file 'sync.db' by a relative path" in str(state.message)


def _final_state(client: SyncPrefectClient, run_id: UUID) -> State[Any] | None:
    state = client.read_flow_run(run_id).state
    return state if state is not None and state.is_final() else None


def test_the_server_of_the_guide_is_closed_to_others(guide: Guide) -> None:
    api = f"http://127.0.0.1:{guide.port}/api"
    foreign = {"Origin": "https://a-page-somebody-has-open.example", "Access-Control-Request-Method": "POST"}

    assert httpx.post(f"{api}/flow_runs/filter", json={}).status_code == 401
    assert "access-control-allow-origin" not in httpx.options(f"{api}/flow_runs/filter", headers=foreign).headers


@pytest.mark.parametrize(("deployment", "day"), [("sync-import/monthly", 2), ("process-accruals/monthly", 3)])
def test_a_year_of_monthly_runs_is_scheduled_at_six_in_madrid_summer_and_winter(
    guide: Guide, deployment: str, day: int
) -> None:
    with guide.client() as client:
        runs = await_answer(
            lambda: (found := _auto_scheduled(client, deployment))[RUNS_OF_A_YEAR - 1 :] and found,
            f"the runs of {deployment}",
        )

    times = [_time(run).astimezone(MADRID) for run in runs]
    assert {(t.day, t.hour, t.minute) for t in times} == {(day, 6, 0)}
    assert {t.utcoffset() for t in times} == {timedelta(hours=1), timedelta(hours=2)}
    months = [first_of_month(t.date()) for t in times]
    assert months == [next_month(months[0], count) for count in range(len(months))]
    assert {run.parameters["period"] for run in runs} == {"previous-month"}


def test_runs_to_come_are_called_after_what_they_will_do(guide: Guide) -> None:
    guide.follow("prefect deployment run reconcile-executions/every-5-minutes --watch")

    with guide.client() as client:
        named = {run.name: _time(run).astimezone(MADRID) for run in _auto_scheduled(client, "sync-import/monthly")}
        reconciling = _auto_scheduled(client, "reconcile-executions/every-5-minutes")
    assert len(named) >= RUNS_OF_A_YEAR
    assert list(named) == [
        f"import {next_month(first_of_month(time.date()), -1):%Y-%m} from services" for time in named.values()
    ]
    assert "reconcile" in {run.name for run in reconciling}


def test_reconciling_is_scheduled_every_five_minutes(guide: Guide) -> None:
    with guide.client() as client:
        runs = await_answer(
            lambda: (found := _auto_scheduled(client, "reconcile-executions/every-5-minutes"))[9:] and found,
            "the runs of reconcile-executions",
        )

    times = [_time(run) for run in runs]
    assert {t.minute % 5 for t in times} == {0}
    assert {later - earlier for earlier, later in pairwise(times)} == {timedelta(minutes=5)}
    assert all(run.parameters == {} for run in runs)


def test_a_schedule_fires_and_the_worker_does_its_run_to_the_end(guide: Guide, books: None) -> None:
    soon = datetime.now(UTC).replace(microsecond=0) + PLANNED_WITHIN
    with guide.client() as client:
        deployment = client.read_deployment_by_name("sync-import/monthly")
        once_soon: Any = IntervalSchedule(interval=timedelta(days=1), anchor_date=soon)
        (schedule,) = client.create_deployment_schedules(deployment.id, [(once_soon, True)])
        try:
            planned = await_answer(lambda: _planned_for(client, deployment.id, soon), "the run of a schedule")
            await_answer(lambda: _final_state(client, planned.id), "a scheduled run's end")
            run = client.read_flow_run(planned.id)
        finally:
            client.delete_deployment_schedule(deployment.id, schedule.id)

    last_month = MonthWindow.of(next_month(_time(run).astimezone(MADRID).date(), -1))
    assert run.auto_scheduled
    assert run.state is not None
    assert run.name == f"import {last_month} from services"
    assert (run.state.type, run.state.message) == (StateType.COMPLETED, "5 of 5 executions completed")
    windows = {e.window_start for e in find_executions(HistoryFilter(flow_run_id=str(run.id)))}
    assert windows == {None, last_month.start}


def _planned_for(client: SyncPrefectClient, deployment_id: UUID, time: datetime) -> FlowRun | None:
    runs = client.read_flow_runs(deployment_filter=DeploymentFilter(id=DeploymentFilterId(any_=[deployment_id])))
    return next((run for run in runs if run.auto_scheduled and _time(run) == time), None)


@pytest.mark.browser
def test_a_day_that_is_no_first_of_a_month_is_refused_in_words_by_the_forms_of_both_uis(guide: Guide) -> None:
    with guide.client() as client, chromium() as browser:
        deployment = client.read_deployment_by_name("sync-import/on-demand").id
        page = browser.new_page()
        page.set_default_timeout(PATIENCE_MILLISECONDS)
        page.route(lambda url: "127.0.0.1" not in url, lambda route: route.abort())
        page.goto(f"http://127.0.0.1:{guide.port}", wait_until="domcontentloaded")
        page.locator("input[type=password]").fill(guide.settings["PREFECT_API_AUTH_STRING"])
        page.keyboard.press("Enter")
        page.get_by_role("link", name="Deployments").wait_for()
        for ui in ("", "/v2"):
            page.goto(f"http://127.0.0.1:{guide.port}{ui}/deployments/deployment/{deployment}/run")
            _choose_the_15th(page)
            page.get_by_role("button", name="Submit").click()
            page.get_by_text("the first day of a month, such as 2024-03-01").first.wait_for()
            assert page.get_by_text("plan").count() == 0

        runs = client.read_flow_runs(deployment_filter=DeploymentFilter(id=DeploymentFilterId(any_=[deployment])))
    assert all("start_date" not in run.parameters or run.parameters["start_date"].endswith("-01") for run in runs)


def _choose_the_15th(page: Page) -> None:
    """In the field of the first month, each UI in its own way."""
    page.get_by_text("Months: from").first.wait_for()
    field = page.get_by_text(re.compile("^(Select|Pick a) date$")).first
    is_new = field.inner_text() == "Pick a date"
    field.click()
    if is_new:
        page.get_by_role("button", name=re.compile(r"\b15th\b")).first.click()
        page.keyboard.press("Escape")
    else:
        page.locator("input[type=date]").fill("2024-03-15")
        page.get_by_role("button", name="Apply").click()
