"""`sync-actions prefect setup`: what a Prefect server needs is there after it, and said to be new, changed or there."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from prefect.blocks.notifications import SlackWebhook
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import GlobalConcurrencyLimitUpdate
from prefect.client.schemas.objects import ConcurrencyLimitStrategy
from prefect.events.schemas.automations import AutomationCore

from flows.automations import messages
from flows.cli.app import run_command
from flows.prefect_server import temporary_server
from tests.flows.conftest import CommandLine, prefect_client
from tests.flows.webhook import listening
from tests.flows.worker import DEPLOYMENTS
from tests.ports import free_port

pytestmark = pytest.mark.prefect

FOLLOWS = "trigger Sync: accruals follow the monthly import"
EVERYTHING = [
    "work pool sync",
    "limit holded, 4 requests a second",
    "limit fourgeeks, 5 requests a second",
    "limit notion, 3 requests a second",
    *(f"deployment {name}" for name in DEPLOYMENTS[:4]),
    FOLLOWS,
    *(f"deployment {name}" for name in DEPLOYMENTS[4:]),
]
NOBODY = "Nobody is told when a run fails: say --notify BLOCK or --notify-url ADDRESSES."
MESSAGES = [f"message {each.name}" for each in messages()]


@pytest.fixture
def empty_server(prefect_home: Callable[[], Path]) -> Iterator[str]:
    """A Prefect server on which nothing was set up."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PREFECT_HOME", str(prefect_home()))
        with temporary_server() as url:
            yield url


@pytest.fixture
def client(empty_server: str) -> Iterator[SyncPrefectClient]:
    with prefect_client(empty_server) as client:
        yield client


@pytest.mark.long
def test_a_server_is_set_up_once_repeating_changes_nothing_and_what_a_person_paused_stays_paused(
    empty_server: str, client: SyncPrefectClient, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "no-checkout"
    elsewhere.mkdir()
    command_line = CommandLine({"PREFECT_API_URL": empty_server}, elsewhere)

    first = command_line.run("prefect", "setup", PREFECT_API_URL=empty_server)
    monthly = client.read_deployment_by_name("sync-import/monthly")
    again = command_line.run("prefect", "setup", PREFECT_API_URL=empty_server)
    (schedule,) = monthly.schedules
    client.update_deployment_schedule(monthly.id, schedule.id, active=False)
    client.update_global_concurrency_limit("notion", _limit(9))
    changed = command_line.run("prefect", "setup", PREFECT_API_URL=empty_server, HOLDED_RATE="2.5")

    fields = (monthly.parameter_openapi_schema or {})["properties"]
    assert {each["type"] for each in fields.values()} == {"string", "integer"}
    assert (first.status, first.err) == (0, "")
    assert first.out.splitlines() == [*(f"{each}: new" for each in EVERYTHING), NOBODY]
    assert again.out.splitlines() == [*(f"{each}: there already" for each in EVERYTHING), NOBODY]
    assert [line for line in changed.out.splitlines()[:-1] if not line.endswith(": there already")] == [
        "limit holded, 2.5 requests a second: changed",
        "limit notion, 3 requests a second: changed",
    ]
    holded = client.read_global_concurrency_limit_by_name("holded")
    assert (holded.limit, holded.slot_decay_per_second) == (2, 2.5)
    (schedule,) = client.read_deployment_by_name("sync-import/monthly").schedules
    assert (schedule.active, schedule.schedule.cron) == (False, "0 6 2 * *")  # type: ignore[union-attr]


def _setup(capsys: pytest.CaptureFixture[str], *options: str) -> tuple[int, list[str], str]:
    """Exit status, lines and standard error of `sync-actions prefect setup`."""
    status = run_command(["prefect", "setup", *options])
    written = capsys.readouterr()
    return status, written.out.splitlines(), written.err


@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated")  # by Apprise
def test_who_is_told_is_looked_at_first_then_named_once_and_stays(
    client: SyncPrefectClient, capsys: pytest.CaptureFixture[str]
) -> None:
    unknown = _setup(capsys, "--notify", "slack-webhook/nobody")
    wrong = _setup(capsys, "--notify-url", "json://127.0.0.1:9/one, nonsense://by-heart")
    with listening() as webhook:
        address = f"json://127.0.0.1:{webhook.url.rpartition(':')[2]}/by-heart"
        looked = _setup(capsys, "--dry-run", "--notify-url", address)
        assert client.read_work_pools() == []
        assert client.read_automations() == []
        made = _setup(capsys, "--notify-url", address)
        (failed,) = client.read_automations_by_name("Sync: a run failed")
        failed.enabled = False
        client.update_automation(failed.id, AutomationCore(**failed.model_dump(exclude={"id", "owner_resource"})))
        again = _setup(capsys)
        block: Any = SlackWebhook.load("sync-management")
        block.notify("said", subject="once")
        named = webhook.save_block("accounting")
        other = _setup(capsys, "--notify", named)

    assert webhook.subjects[0] == "once"
    assert (unknown[0], unknown[1]) == (2, [])
    assert unknown[2].startswith(
        "Error: --notify 'slack-webhook/nobody' is no notification block of the Prefect server:"
    )
    assert (wrong[0], wrong[1]) == (2, [])
    assert wrong[2].startswith("Error: --notify-url: address 2 of 2 is none that Apprise knows")
    made_block = "block slack-webhook/sync-management"
    assert looked == (0, [f"{each}: would be new" for each in (made_block, *EVERYTHING, *MESSAGES)], "")
    assert made == (0, [f"{each}: new" for each in (made_block, *EVERYTHING, *MESSAGES)], "")
    assert again == (0, [f"{each}: there already" for each in (*EVERYTHING, *MESSAGES)], "")
    assert [line for line in other[1] if line.endswith(": changed")] == [f"{each}: changed" for each in MESSAGES]
    assert "by-heart" not in str([unknown, wrong, looked, made, again, other])
    assert client.read_automations_by_name(failed.name)[0].enabled is False


def _limit(slots: int) -> GlobalConcurrencyLimitUpdate:
    return GlobalConcurrencyLimitUpdate(limit=slots)


def test_no_deployment_lets_its_worker_take_runs_along_when_it_is_killed(
    deployed: dict[str, str], prefect_server: str
) -> None:
    with prefect_client(prefect_server) as client:
        found = [client.read_deployment_by_name(name) for name in DEPLOYMENTS]

    assert {each.work_pool_name for each in found} == {"sync"}
    assert [each.job_variables for each in found] == [{"stream_output": False}] * len(found)
    strategies = [each.concurrency_options.collision_strategy for each in found if each.concurrency_options]
    assert strategies == [ConcurrencyLimitStrategy.ENQUEUE] * 7 + [ConcurrencyLimitStrategy.CANCEL_NEW]


def test_without_a_lasting_server_there_is_nothing_to_set_up(tmp_path: Path) -> None:
    outcome = CommandLine({"PREFECT_HOME": str(tmp_path)}, tmp_path).run("prefect", "setup", PREFECT_API_URL="")

    assert (outcome.status, outcome.out) == (2, "")
    assert outcome.err == "Error: PREFECT_API_URL is not set: the URL of a Prefect server that lasts is expected\n"


def test_a_server_that_does_not_answer_is_one_line(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}/api"
    outcome = CommandLine({"PREFECT_HOME": str(tmp_path)}, tmp_path).run("prefect", "setup", PREFECT_API_URL=url)

    assert outcome.status == 1
    assert outcome.err.startswith(f"Error: No Prefect server answers at PREFECT_API_URL {url}")
