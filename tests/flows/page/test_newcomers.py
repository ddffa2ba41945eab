"""Who comes anew: a first import in a few clicks, a tab whose server was started again, a token that only reads."""

from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from steps.sandbox.server import SandboxServer
from tests.fast_vendors import FAST
from tests.flows.page.conftest import log_in
from tests.flows.page.server import READER_TOKEN, TOKEN, PageServer, serve_page
from tests.flows.page.test_views import go

pytestmark = [pytest.mark.browser, pytest.mark.prefect]

CHANGING = (
    "home",
    "months/2024-01",
    "months/2024-03",
    "setup",
    "contracts/3/2024-04",
    "todo?status=ignored",
    "runs",
    "runs/1",
    "runs/new?step=accruals&month=2024-03",
)
"""Views with buttons that change something."""
_MOST_CLICKS = 4


@pytest.fixture
def variables(sandbox: SandboxServer, prefect_home: Callable[[], Path]) -> dict[str, str]:
    """Of a server with nothing in its database."""
    return {**sandbox.environment, **FAST, "PREFECT_HOME": str(prefect_home())}


@pytest.mark.long
def test_a_newcomers_first_import_takes_few_clicks_and_a_tab_outlives_the_server(
    context: BrowserContext, variables: dict[str, str], tmp_path: Path
) -> None:
    page = context.new_page()
    with serve_page(tmp_path, variables) as server:
        page.goto(server.url)
        page.locator("#token").fill(TOKEN)
        clicks = list(_clicks(page, _way_of_a_newcomer(page)))
        assert len(clicks) <= _MOST_CLICKS
        told = page.get_by_role("status").filter(has_text="38 of 38 completed")
        expect(told).to_be_visible()
        address = page.url
    with serve_page(tmp_path, variables, port=urlsplit(server.url).port or 0):
        page.locator("#token").fill(TOKEN)  # sessions end with the server; the tab asks for a new one by itself
        page.keyboard.press("Enter")
        expect(told).to_be_visible()
        assert page.url == address


def _way_of_a_newcomer(page: Page) -> Iterator[Locator]:
    yield page.get_by_role("button", name="Enter")
    yield page.get_by_role("listitem").filter(has_text="Sync Invoices").get_by_role("link", name="Run what is missing")
    yield page.get_by_role("button", name="Execute")


def _clicks(page: Page, way: Iterator[Locator]) -> Iterator[str]:
    for each in way:
        each.click()
        yield page.url


def test_who_may_only_read_sees_no_button_that_changes_anything_and_is_refused(
    context: BrowserContext, busy_server: PageServer
) -> None:
    page = log_in(context.new_page(), busy_server, READER_TOKEN)
    expect(page.get_by_text("rita (reads)")).to_be_visible()
    found = {}
    for path in CHANGING:
        go(page, busy_server, path)
        page.wait_for_load_state("networkidle")
        buttons = page.locator(".content").get_by_role("button").and_(page.locator(":not(th button)"))  # they sort
        found[path] = {each.strip() for each in buttons.all_inner_texts()} - {"Print", "The vendor's record", ""}
    assert found == {path: set() for path in CHANGING}

    go(page, busy_server, "months/2024-03?dialog=redo")
    expect(page.get_by_role("dialog")).to_have_count(0)
    go(page, busy_server, "runs/new?step=accruals&month=2024-03")
    page.locator("button", has_text="Execute").evaluate("button => button.click()")
    page.reload()
    assert "/runs/new" in page.url
    answer = httpx.post(
        f"{busy_server.url}/api/sync/execute-step",
        json={"step_name": "accruals", "start_date": "2024-03-01", "end_date": "2024-04-01"},
        headers={"Authorization": f"Bearer {READER_TOKEN}"},
    )
    assert answer.status_code == 403
