"""What somebody finds whose token may only read."""

import pytest
from playwright.sync_api import BrowserContext, WebSocket, expect

from flows.page.auth import _ACT
from tests.flows.page.conftest import log_in
from tests.flows.page.server import READERS_TOKEN, PageServer
from tests.flows.page.test_views import PATHS, go

pytestmark = [pytest.mark.browser, pytest.mark.prefect]

HARMLESS = {"Log out", "Find", "Print", "The vendor's record"}


def test_a_reader_finds_no_button_that_changes_anything_and_is_told_why(
    context: BrowserContext, busy_server: PageServer
) -> None:
    page = log_in(context.new_page(), busy_server, READERS_TOKEN)
    expect(page.get_by_text("reader (reads)")).to_be_visible()
    open_to_him = set()
    for path in (*PATHS, "months/2024-01"):
        go(page, busy_server, path)
        buttons = page.locator("button:enabled")
        open_to_him |= {name.strip() for name in buttons.all_inner_texts() if name.strip()}

    assert open_to_him <= HARMLESS, open_to_him
    go(page, busy_server, "runs/new?step=services")
    expect(page.get_by_role("status").filter(has_text="Will run")).to_be_visible()
    run = page.get_by_role("button", name="Execute", exact=True)
    expect(run).to_be_disabled()
    expect(run).to_have_attribute("title", "Your token does not allow this: it needs one that operates.")


def test_a_click_is_told_from_what_a_page_sends_by_itself(context: BrowserContext, busy_server: PageServer) -> None:
    """What keeps a session open is an event of NiceGUI's client; this is what it sends."""
    page, sent = context.new_page(), list[str]()

    def watch(socket: WebSocket) -> None:
        socket.on("framesent", lambda frame: sent.append(str(frame)))

    page.on("websocket", watch)
    log_in(page, busy_server, READERS_TOKEN)
    go(page, busy_server, "todo?status=ignored")
    by_itself = list(sent)
    sent.clear()

    page.get_by_role("button", name="The vendor's record of error").first.click()
    expect(page.get_by_role("dialog")).to_be_visible()

    assert by_itself != []
    assert [frame for frame in by_itself if frame.startswith(_ACT)] == []
    assert [frame for frame in sent if frame.startswith(_ACT)] != []
