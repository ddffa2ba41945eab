"""What a person does with the page, from the login to the report."""

import csv
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from steps.sandbox.server import SandboxServer
from tests.fast_vendors import FAST
from tests.flows.page.conftest import choose, log_in
from tests.flows.page.server import PageServer, serve_page

pytestmark = [pytest.mark.browser, pytest.mark.prefect]

NO_AMOUNT = {"total": "1.234,56"}


@pytest.fixture
def strict_server(sandbox: SandboxServer, prefect_home: Callable[[], Path], tmp_path: Path) -> Iterator[PageServer]:
    """A server with nothing in its database, where a month fails once five of its records are in trouble."""
    shown = {"PREFECT_UI_URL": "http://127.0.0.1:4200"}  # a temporary server has no pages to link to
    own = {"PREFECT_HOME": str(prefect_home()), "SYNC_ERROR_BUDGET": "4"}
    with serve_page(tmp_path, {**sandbox.environment, **FAST, **shown, **own}) as server:
        yield server


@pytest.mark.long
def test_a_person_runs_months_opens_what_failed_resolves_errors_and_takes_the_report_along(
    context: BrowserContext, sandbox: SandboxServer, strict_server: PageServer
) -> None:
    spoiled = _spoil_five(sandbox, "2024-03")
    spoiled_in_april = _spoil_five(sandbox, "2024-04")
    page = log_in(context.new_page(), strict_server)
    _runs_services_with_the_keyboard_alone(page)
    _runs_march_to_june(page)
    _opens_the_failed_window(page, spoiled)
    hopeless, mended, *others = spoiled
    _set_raw(sandbox, [mended, *others, *spoiled_in_april], {})
    _looks_at_a_record(page, strict_server, mended)
    _tries_two_again(page, mended, hopeless)
    _ignores_one_and_takes_it_along(page, hopeless)
    _resolves_the_rest(page)
    _runs_the_failed_cells_from_the_grid(page, strict_server)
    _downloads_the_report(page, strict_server)


def _spoil_five(sandbox: SandboxServer, month: str) -> list[str]:
    """Give five invoices of a month an amount that is none. Their ids."""
    ids = [each.id for each in sandbox.world.invoices if f"{each.date:%Y-%m}" == month][:5]
    _set_raw(sandbox, ids, NO_AMOUNT)
    return ids


def _set_raw(sandbox: SandboxServer, ids: list[str], raw: dict[str, Any]) -> None:
    invoices = sandbox.world.invoices
    invoices[:] = [replace(each, raw=raw) if each.id in ids else each for each in invoices]


def _row(page: Page, record: str) -> Locator:
    return page.get_by_role("listitem").filter(has_text=record)


def _runs_services_with_the_keyboard_alone(page: Page) -> None:
    for key in ("Tab", "Enter", "Tab"):  # past the navigation
        page.keyboard.press(key)
    expect(page.get_by_role("combobox", name="Step")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("option", name="Sync Services")).to_be_visible()
    for key in ("ArrowUp", "Enter"):
        page.keyboard.press(key)
    expect(page.get_by_text("it has no months")).to_be_visible()
    for key in ("Tab", "Enter"):
        page.keyboard.press(key)
    expect(page.get_by_role("status").filter(has_text="1 of 1 completed")).to_be_visible()


def _runs_march_to_june(page: Page) -> None:
    choose(page, "Step", "Sync Invoices")
    page.get_by_label("A range of months").click()
    page.get_by_label("First month").fill("2024-03-01")
    page.get_by_label("Up to, not included").fill("2024-07-01")
    expect(page.get_by_text("4 months: March 2024 to June 2024")).to_be_visible()
    page.get_by_role("button", name="Execute").click()

    expect(page.get_by_role("status").filter(has_text="Sync Invoices: 2 of 4 failed")).to_be_visible()
    told = page.get_by_role("alert").filter(has_text="failed")
    expect(told).to_have_count(1)
    expect(told).to_contain_text("Sync Invoices: 2 of 4 failed: Mar 2024: 5 of 8 records")
    expect(told).to_contain_text("; Apr 2024: 5 of 7 records")
    told.get_by_role("button", name="OK").click()


def _opens_the_failed_window(page: Page, spoiled: list[str]) -> None:
    page.get_by_role("link", name="History").click()
    choose(page, "Status", "failed")
    page.get_by_role("button", name="Sync Invoices, March 2024").click()

    dialog = page.get_by_role("dialog")
    expect(dialog.locator('[lang="en"]').filter(has_text="SYNC_ERROR_BUDGET=4")).to_be_visible()
    expect(dialog.get_by_role("link", name="Open the run in Prefect")).to_be_visible()
    for record in spoiled:
        expect(dialog.get_by_role("listitem").filter(has_text=f"Invoice {record}")).to_be_visible()
    dialog.get_by_role("button", name="Close").click()
    expect(dialog).to_have_count(0)


def _looks_at_a_record(page: Page, server: PageServer, record: str) -> None:
    page.goto(f"{server.url}/page/en/errors")
    choose(page, "Source", "Holded")
    choose(page, "Kind of record", "Invoice")
    csv_link = page.get_by_role("link", name="Download CSV")
    expect(csv_link).to_have_attribute("href", re.compile("integration_name=holded&entity_type=invoice"))  # it is read
    expect(_row(page, record)).to_contain_text("Met once")
    opener = _row(page, record).get_by_role("button", name="The vendor's record of error")
    opener.press("Enter")

    expect(page.get_by_role("dialog").get_by_text('"total": "1.234,56"')).to_be_visible()
    expect(page.get_by_role("dialog").get_by_role("button", name="Close")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(opener).to_be_focused()


def _tries_two_again(page: Page, mended: str, hopeless: str) -> None:
    for record in (mended, hopeless):
        _row(page, record).get_by_role("checkbox").click()
    expect(page.get_by_text("2 selected")).to_be_visible()
    page.get_by_role("button", name="Try again").click()

    expect(_row(page, hopeless)).to_contain_text("Met 2 times")
    expect(_row(page, mended)).to_have_count(0)


def _ignores_one_and_takes_it_along(page: Page, record: str) -> None:
    _row(page, record).get_by_role("checkbox").click()
    page.get_by_role("button", name="Ignore").click()
    expect(_row(page, record)).to_have_count(0)
    choose(page, "Status", "ignored")
    expect(_row(page, record)).to_be_visible()

    (row,) = _download(page, "Download CSV")

    assert (row["entity_external_id"], row["status"], row["occurrences"]) == (record, "ignored", "2")


def _resolves_the_rest(page: Page) -> None:
    choose(page, "Status", "pending")
    expect(page.get_by_label("Select error")).to_have_count(8)
    page.get_by_role("checkbox", name="Select all").click()
    expect(page.get_by_text("8 selected")).to_be_visible()
    page.get_by_role("button", name="Resolve").click()

    expect(page.get_by_text("8 errors are resolved now.")).to_be_visible()
    expect(page.get_by_text("No error fits.")).to_be_visible()


def _runs_the_failed_cells_from_the_grid(page: Page, server: PageServer) -> None:
    page.goto(f"{server.url}/page/en/grid")
    for month in ("March", "April"):
        page.get_by_role("button", name=f"Sync Invoices, {month} 2024: failed").click()
        page.get_by_role("button", name="Run it").click()

        expect(page.get_by_role("button", name=f"Sync Invoices, {month} 2024: done")).to_be_visible()


def _downloads_the_report(page: Page, server: PageServer) -> None:
    page.goto(f"{server.url}/page/en/accruals")
    months = {row["month"] for row in _download(page, "Roll-forward (CSV)")}

    assert months >= {"2024-03", "2024-06"}


def _download(page: Page, link: str) -> list[dict[str, str]]:
    with page.expect_download() as waiting:
        page.get_by_role("link", name=link).click()
    return list(csv.DictReader(StringIO(Path(waiting.value.path()).read_text(encoding="utf-8"))))
