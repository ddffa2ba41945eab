"""Events of our own on a real Prefect server: what a run, a refusal and a closed month tell."""

from collections.abc import Iterator
from datetime import UTC, date, datetime

import pytest
from prefect.client.orchestration import SyncPrefectClient
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.cli.app import run_command
from flows.events import tell_month_not_closed
from flows.process_accruals import process_accruals
from flows.sync_import import sync_import
from steps.sandbox.faults import Fault
from steps.sandbox.server import SandboxServer
from steps.settings import SyncSettings
from tests.flows.conftest import prefect_client
from tests.flows.told import Told, told_since
from tests.ports import free_port
from tests.steps.accruals.reports.books import Books

pytestmark = pytest.mark.prefect

MARCH, APRIL = date(2024, 3, 1), date(2024, 4, 1)
REOPEN = ("reopen", "2024-01", "--reason", "a late document")


@pytest.fixture
def client(prefect_server: str) -> Iterator[SyncPrefectClient]:
    with prefect_client(prefect_server) as client:
        yield client


def _names(told: list[Told]) -> list[tuple[str, str, list[str]]]:
    return [(name, resource, related) for name, resource, related, _ in told]


def test_an_import_tells_of_each_step_and_month_and_of_its_errors_in_one_event(
    academy: SandboxServer, client: SyncPrefectClient
) -> None:
    began = datetime.now(UTC)

    sync_import(start_date=MARCH, end_date=APRIL)
    told = told_since(client, began, "sync.import.completed")

    of_month = ["sync.month.2024-03"]
    assert _names(told) == [
        ("sync.step-run.completed", "sync.step.services", []),
        ("sync.step-run.completed", "sync.step.invoices", of_month),
        ("sync.integration-error.recorded", "sync.step.invoices", of_month),
        ("sync.step-run.completed", "sync.step.crm-clients", of_month),
        ("sync.step-run.completed", "sync.step.service-periods", of_month),
        ("sync.step-run.completed", "sync.step.notion-external-id", []),
        ("sync.import.completed", "sync.import", []),
    ]
    assert (told[2][3]["errors"], told[2][3]["month"]) == (2, "2024-03")
    assert told[-1][3] == {"start_date": "2024-03-01", "end_date": "2024-04-01"}


def test_a_month_that_the_gate_refuses_is_told_with_the_reason_and_no_import_is_said_to_be_complete(
    academy: SandboxServer, client: SyncPrefectClient
) -> None:
    academy.faults.add(Fault("notion", "html-200", times=None))
    began = datetime.now(UTC)

    sync_import(start_date=MARCH, end_date=APRIL, return_state=True)
    process_accruals(start_date=MARCH, end_date=APRIL, return_state=True)
    told = told_since(client, began, "sync.accruals.refused")

    assert ("sync.step-run.failed", "sync.step.notion-external-id", []) in _names(told)
    assert "sync.import.completed" not in {name for name, *_ in told}
    (refused,) = (each for each in told if each[0] == "sync.accruals.refused")
    assert refused[1:3] == ("sync.month.2024-03", ["sync.step.accruals"])
    assert "its import is broken: notion-external-id failed" in refused[3]["reason"]


def test_who_closes_and_reopens_a_month_is_heard_by_the_server_in_use(client: SyncPrefectClient) -> None:
    _book()
    began = datetime.now(UTC)

    statuses = [run_command(["close", "2024-01", "--by", "Eva"]), run_command([*REOPEN, "--by", "Eva"])]
    told = told_since(client, began, "sync.month.reopened")

    assert statuses == [0, 0]
    assert _names(told) == [
        ("sync.month.closed", "sync.month.2024-01", []),
        ("sync.month.reopened", "sync.month.2024-01", []),
    ]
    assert "Eva" not in str(told)


def test_a_month_is_closed_all_the_same_while_the_server_is_away(capsys: pytest.CaptureFixture[str]) -> None:
    _book()
    away = f"http://127.0.0.1:{free_port()}/api"

    with temporary_settings({PREFECT_API_URL: away}):
        status = run_command(["close", "2024-01", "--by", "Eva"])

    written = capsys.readouterr()
    assert (status, written.err) == (0, "")
    assert written.out.endswith("2024-01 is closed.\n")


def _book() -> None:
    """January can be closed."""
    books = Books()
    books.document(books.contract("Ana"), "2024-02-01", "10.00")
    books.accrued("2024-01")


@pytest.mark.parametrize(
    ("moment", "told"),
    [
        ("2024-02-09T08:00", None),
        ("2024-02-10T08:00", date(2024, 1, 1)),
        ("2024-02-10T08:05", None),
        ("2024-02-09T23:00", date(2024, 1, 1)),  # in Madrid it is the 10th
        ("2024-03-10T08:00", date(2024, 2, 1)),
    ],
)
def test_from_the_tenth_on_it_is_told_once_an_hour_that_the_month_before_is_open(
    client: SyncPrefectClient, moment: str, told: date | None
) -> None:
    scheduled = datetime.fromisoformat(moment).replace(tzinfo=UTC)

    assert tell_month_not_closed(scheduled, SyncSettings()) == told


def test_nobody_is_reminded_of_a_closed_month_or_who_wants_no_reminder(monkeypatch: pytest.MonkeyPatch) -> None:
    _book()
    assert run_command(["close", "2024-01", "--by", "Eva"]) == 0
    scheduled = datetime(2024, 2, 20, 8, tzinfo=UTC)

    assert tell_month_not_closed(scheduled, SyncSettings()) is None
    monkeypatch.setenv("SYNC_CLOSE_DAY", "0")
    assert tell_month_not_closed(datetime(2024, 3, 20, 8, tzinfo=UTC), SyncSettings()) is None
