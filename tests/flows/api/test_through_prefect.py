"""The API as a server of its own, through a real Prefect and a worker: steps run, and two at once take turns."""

import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from steps.sandbox.faults import Fault
from steps.sandbox.server import SandboxServer, serve_sandbox
from steps.sandbox.world import build_world
from tests.fast_vendors import FAST
from tests.flows.api.serving import LONGEST_SECONDS, serving
from tests.flows.conftest import CommandLine

pytestmark = pytest.mark.prefect

MARCH_AND_APRIL = {"start_date": "2024-03-01", "end_date": "2024-05-01"}


@pytest.fixture(scope="module")
def shared(
    forked_environment: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[httpx.Client, SandboxServer]]:
    """A server with its worker, and the vendors of both, which tests share."""
    folder = tmp_path_factory.mktemp("api")
    with serve_sandbox(build_world(clients=8)) as sandbox:
        variables = {**sandbox.environment, **FAST, "SYNC_DATABASE_URL": f"sqlite:///{folder / 'sync.db'}"}
        with serving(CommandLine(forked_environment, folder), **variables) as (client, _):
            yield client, sandbox


def _execute(client: httpx.Client, **body: Any) -> dict[str, Any]:
    answer = client.post("/api/sync/execute-step", json=body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_a_step_runs_and_two_at_once_take_turns(shared: tuple[httpx.Client, SandboxServer]) -> None:
    client, _ = shared
    with ThreadPoolExecutor(2) as pool:
        asked = [pool.submit(_execute, client, step_name="invoices", **MARCH_AND_APRIL) for _ in range(2)]
        answers = [each.result() for each in asked]
    alone = _execute(client, step_name="services")
    told = client.get("/api/sync/executions", params={"step_name": "invoices"}).json()["executions"]

    assert alone["status"] == "completed"
    assert alone["result"]["services_processed"] > 0
    assert [answer["status"] for answer in answers] == ["completed", "completed"]
    created = sorted(answer["result"]["invoices_created"] for answer in answers)
    # Without services some documents are stored and in trouble, and others are nothing to do about.
    counts = ("invoices_processed", "invoices_skipped", "errors")
    read = {sum(answer["result"][each] for each in counts) for answer in answers}
    assert created == [0, read.pop()]
    assert read == set()
    assert len(told) == 4
    assert all(each["flow_run_id"] for each in told)


def test_a_vendor_in_trouble_is_a_502_with_the_reason(shared: tuple[httpx.Client, SandboxServer]) -> None:
    client, vendors = shared
    vendors.faults.add(Fault("holded", "html-200", "/saleschannels", times=None))
    try:
        answer = client.post("/api/integrations/holded/sync-services")
    finally:
        vendors.faults.clear()

    assert answer.status_code == 502
    assert "/saleschannels" in answer.json()["detail"]
    newest = client.get("/api/sync/executions").json()["executions"][0]
    assert (newest["status"], newest["result"]) == ("failed", None)


@pytest.mark.long
def test_a_client_that_goes_away_does_not_end_its_run(shared: tuple[httpx.Client, SandboxServer]) -> None:
    client, _ = shared
    _execute(client, step_name="crm-clients", **MARCH_AND_APRIL)
    before = _statuses(client)
    with pytest.raises(httpx.ReadTimeout):
        client.post("/api/sync/execute-step", json={"step_name": "services"}, timeout=1)
    deadline = time.monotonic() + LONGEST_SECONDS
    while len(ended := _statuses(client)) == len(before) or {"pending", "running"} & set(ended):
        assert time.monotonic() < deadline
        time.sleep(0.1)

    assert ended == ["completed", *before]


def _statuses(client: httpx.Client) -> list[str]:
    """Of the step services, newest first."""
    answer = client.get("/api/sync/executions", params={"step_name": "services"})
    return [each["status"] for each in answer.json()["executions"]]
