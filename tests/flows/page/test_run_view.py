"""The view of one run: its next attempt, what it made out of date, and the way to run it again."""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from steps.sandbox.faults import Fault
from steps.sandbox.server import SandboxServer
from tests.fast_vendors import FAST
from tests.flows.page.conftest import log_in
from tests.flows.page.server import PageServer, serve_page
from tests.flows.page.test_views import go

pytestmark = [pytest.mark.browser, pytest.mark.prefect, pytest.mark.long]


@pytest.fixture
def server(sandbox: SandboxServer, prefect_home: Callable[[], Path], tmp_path: Path) -> Iterator[PageServer]:
    """A server with nothing in its database."""
    with serve_page(tmp_path, {**sandbox.environment, **FAST, "PREFECT_HOME": str(prefect_home())}) as server:
        yield server


def test_a_run_tells_its_next_attempt_what_it_made_out_of_date_and_how_to_run_it_again(
    context: BrowserContext, sandbox: SandboxServer, server: PageServer
) -> None:
    march = {"start_date": "2024-03-01", "end_date": "2024-04-01"}
    page = log_in(context.new_page(), server)
    sandbox.faults.add(Fault("holded", "502-html", "/documents/invoice", times=None))

    _execute(page, server, "invoices")
    told = page.get_by_role("status").filter(has_text=re.compile(r"attempt 2, next in \d+ s"))
    expect(told).to_be_visible()
    page.reload()
    expect(told).to_be_visible()
    sandbox.faults.clear()
    expect(page.get_by_role("status").filter(has_text="1 of 1 completed")).to_be_visible()
    expect(page.get_by_role("heading", name=re.compile("out of date"))).to_have_count(0)

    for step in ("service-periods", "accruals"):
        server.execute(step, **march)
    _raise_an_amount(sandbox)
    page.get_by_role("link", name="Run again").click()
    expect(page.get_by_text("Will run 1 step of March 2024")).to_be_visible()
    page.get_by_role("button", name="Execute").click()

    stale = page.locator("section").filter(has=page.get_by_role("heading", name=re.compile("out of date")))
    expect(stale).to_contain_text("Process Accruals, March 2024")
    stale.get_by_role("link").click()
    expect(page.get_by_role("heading", name="Run")).to_be_visible()
    assert "only=stale" in page.url


def _execute(page: Page, server: PageServer, step: str) -> None:
    go(page, server, f"runs/new?step={step}&month=2024-03")
    page.get_by_role("button", name="Execute").click()


def _raise_an_amount(sandbox: SandboxServer) -> None:
    invoices = sandbox.world.invoices
    place = next(place for place, each in enumerate(invoices) if f"{each.date:%Y-%m}" == "2024-03")
    invoices[place] = replace(invoices[place], subtotal=invoices[place].subtotal + Decimal(100))
