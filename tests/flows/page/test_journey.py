"""What a person does with the page, from the login to the report."""

import csv
from io import StringIO
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from steps.sandbox.exchange import Call
from steps.sandbox.faults import Fault
from steps.sandbox.server import SandboxServer
from tests.flows.page.conftest import log_in
from tests.flows.page.server import PageServer

pytestmark = [pytest.mark.browser, pytest.mark.prefect]


def _covers_march(call: Call) -> bool:
    return "1709" in call.query.get("starttmp", "")[:4]


def _choose(page: Page, label: str, option: str) -> None:
    page.get_by_role("combobox", name=label).click()
    page.get_by_role("option", name=option, exact=True).click()


def _run_march_to_june(page: Page, step: str) -> None:
    _choose(page, "Step", step)
    page.get_by_label("A range of months").click()
    page.get_by_label("First month").fill("2024-03-01")
    page.get_by_label("Up to, not included").fill("2024-07-01")
    expect(page.get_by_text("4 months: March 2024 to June 2024")).to_be_visible()
    page.get_by_role("button", name="Execute").click()


def test_a_person_runs_months_opens_what_failed_resolves_errors_and_takes_the_report_along(
    context: BrowserContext, sandbox: SandboxServer, fresh_server: PageServer
) -> None:
    sandbox.faults.add(Fault("holded", "html-200", "/documents/invoice", times=None, when=_covers_march))
    page = log_in(context.new_page(), fresh_server)
    _run_services(page)

    _run_march_to_june(page, "Sync Invoices")

    expect(page.get_by_text("Sync Invoices: 1 of 4 failed")).to_be_visible()
    expect(page.get_by_role("alert").filter(has_text="March 2024")).to_be_visible()
    _opens_the_failed_window(page)
    sandbox.faults.clear()
    _runs_the_failed_cell_from_the_grid(page, fresh_server)
    _resolves_every_error(page, fresh_server)
    _downloads_the_report(page, fresh_server)


def _run_services(page: Page) -> None:
    _choose(page, "Step", "Sync Services")
    expect(page.get_by_text("it has no months")).to_be_visible()
    page.get_by_role("button", name="Execute").click()
    expect(page.get_by_role("status").filter(has_text="1 of 1 completed")).to_be_visible()


def _opens_the_failed_window(page: Page) -> None:
    page.get_by_role("link", name="History").click()
    _choose(page, "Status", "failed")
    page.get_by_role("button", name="Sync Invoices, March 2024").click()

    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("Reason")).to_be_visible()
    expect(dialog.get_by_role("link", name="Open the run in Prefect")).to_be_visible()
    dialog.get_by_role("button", name="Close").click()


def _runs_the_failed_cell_from_the_grid(page: Page, server: PageServer) -> None:
    page.goto(f"{server.url}/page/en/grid")
    page.get_by_role("button", name="Sync Invoices, March 2024: failed").click()
    page.get_by_role("button", name="Run it").click()

    expect(page.get_by_role("button", name="Sync Invoices, March 2024: done")).to_be_visible()


def _resolves_every_error(page: Page, server: PageServer) -> None:
    for step in ("crm-clients", "service-periods"):
        server.execute(step, start_date="2024-03-01", end_date="2024-07-01")
    page.goto(f"{server.url}/page/en/errors")
    page.get_by_label("Select error").first.wait_for()

    page.get_by_role("checkbox", name="Select all").click()
    page.get_by_role("button", name="Resolve").click()

    expect(page.get_by_text("No error fits.")).to_be_visible()


def _downloads_the_report(page: Page, server: PageServer) -> None:
    page.goto(f"{server.url}/page/en/accruals")
    with page.expect_download() as waiting:
        page.get_by_role("link", name="Roll-forward (CSV)").click()

    rows = list(csv.DictReader(StringIO(Path(waiting.value.path()).read_text(encoding="utf-8"))))
    assert {row["month"] for row in rows} >= {"2024-03", "2024-06"}
