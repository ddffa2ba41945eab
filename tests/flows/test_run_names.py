"""What the runs are called that a person sees in Prefect: by what they do, never at random."""

from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.execute_step import execute_step
from flows.plan import run_name
from flows.process_accruals import process_accruals
from flows.reconcile_executions import reconcile_executions
from flows.retry_errors import retry_errors
from flows.sync_import import sync_import
from steps.sandbox.server import serve_sandbox
from steps.sandbox.world import build_world
from tests.fast_vendors import FAST
from tests.flows.conftest import CommandLine, prefect_client
from tracking.database import write_session
from tracking.models import IntegrationError

SPRING = {"start_date": "2024-03-01", "end_date": "2024-07-01"}
MARCH = {"start_date": date(2024, 3, 1), "end_date": date(2024, 4, 1)}
LAST_EVENING_OF_MARCH = datetime(2024, 3, 31, 22, 30, tzinfo=UTC)
"""In Madrid, whose clocks changed that morning, it is April."""


@pytest.mark.parametrize(
    ("flow", "parameters", "name"),
    [
        ("sync-import", SPRING | {"from_step": "invoices"}, "import 2024-03..2024-06 from invoices"),
        ("sync-import", MARCH, "import 2024-03 from services"),
        ("sync-import", {}, "import 2024-01..2024-12 from services"),
        ("sync-import", {"year": 2023, "from_step": "crm-clients"}, "import 2023-01..2023-12 from crm-clients"),
        ("sync-import", {"period": "previous-month"}, "import 2024-03 from services"),
        ("sync-import", {"plan": 7}, "import plan 7"),
        ("sync-import", {"start_date": "2024-05-01", "end_date": "2024-03-01"}, "import"),
        ("sync-import", {"start_date": "tomorrow", "end_date": []}, "import"),
        ("process-accruals", MARCH, "accruals 2024-03"),
        ("process-accruals", SPRING, "accruals 2024-03..2024-06"),
        ("process-accruals", {"period": "year-to-date"}, "accruals 2024-01..2024-03"),
        ("process-accruals", {"plan": 7}, "accruals plan 7"),
        ("process-accruals", {"period": "some-day"}, "accruals"),
        ("execute-step", {"step": "invoices", **MARCH}, "invoices 2024-03"),
        ("execute-step", {"step": "accruals", **SPRING}, "accruals 2024-03..2024-06"),
        ("execute-step", {"step": "services", **SPRING}, "services"),
        ("execute-step", {}, "step"),
        ("retry-errors", {"errors": [4, 5, 6]}, "retry 3 errors"),
        ("retry-errors", {"errors": [4]}, "retry 1 error"),
        ("retry-errors", {"step": "invoices"}, "retry 0 errors"),
        ("retry-errors", {"step": "nothing"}, "retry errors"),
        ("reconcile-executions", {}, "reconcile"),
    ],
)
def test_a_run_is_called_after_what_it_does(flow: str, parameters: dict[str, Any], name: str) -> None:
    assert run_name(flow, parameters, LAST_EVENING_OF_MARCH) == name


def test_a_retry_of_all_pending_errors_says_how_many_there_are() -> None:
    with write_session() as session:
        for contact in ("c1", "c2"):
            session.add(
                IntegrationError(
                    integration_name="holded",
                    operation="services",
                    entity_type="contact",
                    entity_external_id=contact,
                    error_message="no usable email",
                )
            )

    assert run_name("retry-errors", {}, LAST_EVENING_OF_MARCH) == "retry 2 errors"


def test_the_names_of_all_flows_are_decided() -> None:
    for flow in (sync_import, process_accruals, execute_step, retry_errors, reconcile_executions):
        assert run_name(flow.name, {"year": "no year"}, LAST_EVENING_OF_MARCH)


@pytest.mark.prefect
def test_prefect_shows_those_names(sync_actions: CommandLine, prefect_server: str) -> None:
    dates = ("--start-date", "2024-03-01", "--end-date", "2024-04-01")
    with serve_sandbox(build_world(clients=4)) as sandbox:
        imported = sync_actions.run("--from-step", "service-periods", *dates, "--json", **sandbox.environment, **FAST)
    accrued = sync_actions.run("--from-step", "accruals", *dates, "--json")

    names = [_name_in_prefect(prefect_server, outcome.json["flow_run_id"]) for outcome in (imported, accrued)]
    assert names == ["import 2024-03 from service-periods", "accruals 2024-03"]


@pytest.mark.prefect
def test_a_run_with_bad_parameters_fails_of_them_and_not_of_its_name(prefect_server: str) -> None:
    with temporary_settings({PREFECT_API_URL: prefect_server}):
        state: Any = sync_import(start_date=date(2024, 5, 1), end_date=date(2024, 3, 1), return_state=True)

    assert state.is_failed()
    assert state.message.startswith("end date 2024-03-01 is not after start date 2024-05-01: ")
    assert _name_in_prefect(prefect_server, state.state_details.flow_run_id) == "import"


def _name_in_prefect(server: str, flow_run_id: str | UUID) -> str:
    with prefect_client(server) as client:
        return client.read_flow_run(UUID(str(flow_run_id))).name
