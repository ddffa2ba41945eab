"""While a run waits, the page says for what: for a worker, or for the run before it, by its name."""

from collections.abc import Mapping
from pathlib import Path
from threading import Event

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from steps.sandbox.faults import Fault
from steps.sandbox.server import SandboxServer
from tests.fast_vendors import FAST
from tests.flows.page.conftest import choose, log_in
from tests.flows.page.server import serve_page
from tests.flows.worker import working

pytestmark = [pytest.mark.browser, pytest.mark.prefect]

LONGEST_SECONDS = 240


@pytest.mark.long
def test_a_waiting_run_says_whether_it_waits_for_a_worker_or_for_which_run(
    context: BrowserContext, sandbox: SandboxServer, deployed: Mapping[str, str], tmp_path: Path
) -> None:
    gate = Event()
    sandbox.faults.add(
        Fault("holded", "slow", "/saleschannels", times=None, when=lambda _: not gate.wait(LONGEST_SECONDS))
    )
    variables = {**deployed, **sandbox.environment, **FAST, "SYNC_DATABASE_URL": f"sqlite:///{tmp_path / 'sync.db'}"}
    with serve_page(tmp_path, variables, "--no-worker") as server:
        first, second = log_in(context.new_page(), server), context.new_page()
        _execute_services(first)
        _expect_told(first, "Sync Services: waits for a worker; none is online")

        with working(variables, tmp_path):
            _expect_told(first, "0 of 1")
            second.goto(server.url)
            _execute_services(second)
            _expect_told(second, "Sync Services: waits for the run services")
            gate.set()
            for page in (first, second):
                _expect_told(page, "1 of 1 completed")


def _execute_services(page: Page) -> None:
    choose(page, "Step", "Sync Services")
    page.get_by_role("button", name="Execute").click()


def _expect_told(page: Page, line: str) -> None:
    expect(page.get_by_role("status").filter(has_text=line)).to_be_visible()
