"""What a person does with the page, from the login to the report."""

import csv
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
from tests.flows.page.test_views import go

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
    _runs_services(page, strict_server)
    _runs_march_to_june(page, strict_server)
    _opens_the_failed_window(page, spoiled)
    hopeless, mended, *others = spoiled
    _set_raw(sandbox, [mended, *others, *spoiled_in_april], {})
    _looks_at_a_record(page, strict_server, mended)
    _tries_two_again(page, strict_server, mended, hopeless)
    _ignores_one_and_takes_it_along(page, strict_server, hopeless)
    _resolves_the_rest(page, strict_server)
    _runs_what_failed_from_the_morning_look(page, strict_server)
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
    return page.get_by_role("row").filter(has_text=record)


def _runs_services(page: Page, server: PageServer) -> None:
    go(page, server, "runs/new?step=services")
    expect(page.get_by_text("it has no months")).to_be_visible()
    page.get_by_role("button", name="Execute").press("Enter")
    expect(page.get_by_role("status").filter(has_text="1 of 1 completed")).to_be_visible()
    page.reload()
    expect(page.get_by_role("status").filter(has_text="1 of 1 completed")).to_be_visible()


def _runs_march_to_june(page: Page, server: PageServer) -> None:
    go(page, server, "runs/new?year=2024")
    choose(page, "What", "Only: Sync Invoices")
    page.get_by_label("First month").fill("2024-03")
    page.get_by_label("Last month").fill("2024-06")
    expect(page.get_by_text("Will run 4 steps and months: March 2024 to June 2024")).to_be_visible()
    page.get_by_role("button", name="Execute").click()

    told = page.get_by_role("status").filter(has_text="2 of 4 failed")
    expect(told).to_contain_text("Mar 2024: 5 of 8 records")
    expect(told).to_contain_text("; Apr 2024: 5 of 7 records")
    expect(page.get_by_text("start_date 2024-03-01")).to_be_visible()


def _opens_the_failed_window(page: Page, spoiled: list[str]) -> None:
    page.get_by_role("link", name="Runs", exact=True).click()
    choose(page, "Status", "failed")
    page.get_by_role("link", name="Sync Invoices, Mar 2024 – Apr 2024").click()
    page.get_by_role("link", name="Sync Invoices, March 2024").click()

    expect(page.get_by_text("SYNC_ERROR_BUDGET=4").first).to_be_visible()
    expect(page.get_by_role("link", name="Open the run in Prefect")).to_be_visible()
    for record in spoiled:
        expect(page.get_by_role("link", name=f"Invoice {record}")).to_be_visible()


def _looks_at_a_record(page: Page, server: PageServer, record: str) -> None:
    go(page, server, "todo")
    expect(page.get_by_role("heading", name="Other records in trouble")).to_be_visible()
    expect(_row(page, record)).to_contain_text("Met once")
    opener = _row(page, record).get_by_role("button", name="The vendor's record of error")
    opener.press("Enter")

    expect(page.get_by_role("dialog").get_by_text('"total": "1.234,56"')).to_be_visible()
    expect(page.get_by_role("dialog").get_by_role("button", name="Close")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(opener).to_be_focused()


def _tries_two_again(page: Page, server: PageServer, mended: str, hopeless: str) -> None:
    for record in (mended, hopeless):
        _row(page, record).get_by_role("checkbox").click()
    expect(page.get_by_text("2 selected")).to_be_visible()
    page.get_by_role("button", name="Try again").click()

    expect(page.get_by_role("status").filter(has_text="1 of 1 completed")).to_be_visible()
    page.get_by_role("link", name="Back").click()
    expect(_row(page, hopeless)).to_contain_text("Met 2 times")
    expect(_row(page, mended)).to_have_count(0)


def _decide(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()
    dialog = page.get_by_role("dialog", name=name)
    dialog.get_by_label("Your name").fill("Ana")
    dialog.get_by_label("Reason").fill("looked at")
    dialog.get_by_role("button", name=name).click()
    expect(page.get_by_role("heading", name="Decisions")).to_be_visible()


def _ignores_one_and_takes_it_along(page: Page, server: PageServer, record: str) -> None:
    _row(page, record).get_by_role("checkbox").click()
    _decide(page, "Ignore")
    expect(_row(page, record)).to_have_count(0)
    go(page, server, "todo?status=ignored")
    expect(_row(page, record)).to_be_visible()

    (row,) = _download(page, "Download CSV")

    assert (row["entity_external_id"], row["status"], row["occurrences"]) == (record, "ignored", "2")


def _resolves_the_rest(page: Page, server: PageServer) -> None:
    go(page, server, "todo")
    expect(page.get_by_role("checkbox", name="Select error")).to_have_count(8)
    page.get_by_role("checkbox", name="Select all 8").click()
    expect(page.get_by_text("8 selected")).to_be_visible()
    _decide(page, "Resolve")

    expect(page.get_by_text("Nothing is left to do here.")).to_be_visible()


def _runs_what_failed_from_the_morning_look(page: Page, server: PageServer) -> None:
    go(page, server, "home")
    failed = page.get_by_role("listitem").filter(has_text="2 months failed")
    expect(failed).to_contain_text("Sync Invoices: Mar, Apr")
    failed.get_by_role("link", name="Run them again").click()
    expect(page.get_by_text("Will run 2 steps and months")).to_be_visible()
    page.get_by_role("button", name="Execute").click()

    expect(page.get_by_role("status").filter(has_text="2 of 2 completed")).to_be_visible()


def _downloads_the_report(page: Page, server: PageServer) -> None:
    go(page, server, "revenue/2024")
    months = {row["month"] for row in _download(page, "Roll-forward (CSV)")}

    assert months >= {"2024-03", "2024-06"}


def _download(page: Page, link: str) -> list[dict[str, str]]:
    with page.expect_download() as waiting:
        page.get_by_role("link", name=link).click()
    return list(csv.DictReader(StringIO(Path(waiting.value.path()).read_text(encoding="utf-8"))))
