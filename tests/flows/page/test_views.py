"""The views as people meet them: another language, a phone, the dark, a keyboard alone."""

from urllib.parse import urlsplit

import pytest
from playwright.sync_api import BrowserContext, ConsoleMessage, Page, Request, expect

from flows.page.app import VIEWS
from tests.flows.page.conftest import log_in
from tests.flows.page.server import PageServer

pytestmark = [pytest.mark.browser, pytest.mark.prefect]

PHONE = {"viewport": {"width": 375, "height": 760}, "is_mobile": True, "has_touch": True}


def _open(page: Page, server: PageServer, view: str, language: str = "en") -> None:
    page.goto(f"{server.url}/page/{language}/{view}")
    page.get_by_role("heading", level=2).first.wait_for()
    page.wait_for_load_state("networkidle")


def test_nothing_is_asked_of_another_host_and_no_script_is_refused(
    context: BrowserContext, busy_server: PageServer
) -> None:
    page, hosts, complaints = context.new_page(), set[str](), list[str]()

    def note_host(request: Request) -> None:
        if not request.url.startswith("data:"):
            hosts.add(str(urlsplit(request.url).hostname))

    def note_complaint(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            complaints.append(message.text)

    page.on("request", note_host)
    page.on("console", note_complaint)
    log_in(page, busy_server)
    for view in VIEWS:
        _open(page, busy_server, view)

    assert hosts == {"127.0.0.1"}
    assert complaints == []


@pytest.mark.parametrize("context", [PHONE], indirect=True, ids=["phone"])
@pytest.mark.parametrize("language", ["en", "es"])
def test_no_view_is_wider_than_a_phone(visitor: Page, busy_server: PageServer, language: str) -> None:
    wide = []
    for view in VIEWS:
        _open(visitor, busy_server, view, language)
        if visitor.evaluate("document.documentElement.scrollWidth > window.innerWidth"):
            wide.append(view)

    assert wide == []


def test_the_switch_leads_to_the_same_view_in_spanish(visitor: Page, busy_server: PageServer) -> None:
    _open(visitor, busy_server, "accruals")

    visitor.get_by_role("link", name="Español").click()

    expect(visitor.get_by_role("heading", name="Devengos de 2024")).to_be_visible()
    assert visitor.evaluate("document.documentElement.lang") == "es"
    expect(visitor.get_by_role("columnheader", name="Facturado")).to_be_visible()


def test_the_dark_is_chosen_once_and_kept(visitor: Page, busy_server: PageServer) -> None:
    visitor.get_by_role("link", name="Dark").click()
    _open(visitor, busy_server, "grid")

    expect(visitor.locator("body.body--dark")).to_be_visible()
    expect(visitor.get_by_role("link", name="Light")).to_be_visible()


@pytest.mark.parametrize("context", [{"color_scheme": "dark"}], indirect=True, ids=["dark"])
def test_who_prefers_the_dark_has_it_unasked(visitor: Page) -> None:
    expect(visitor.locator("body.body--dark")).to_be_visible()


def test_each_cell_says_in_words_where_it_stands_and_why(visitor: Page, busy_server: PageServer) -> None:
    _open(visitor, busy_server, "grid")
    missing = visitor.get_by_role("button", name="Process Accruals, December 2024: missing (never run)")

    missing.focus()

    expect(visitor.get_by_role("status").filter(has_text="never run")).to_be_visible()
    expect(visitor.get_by_role("button", name="Process Accruals, June 2024: done")).to_be_visible()


def test_a_keyboard_is_enough_to_be_refused_and_to_look_again(visitor: Page) -> None:
    visitor.keyboard.press("Tab")
    expect(visitor.get_by_role("link", name="Skip to the content")).to_be_focused()
    visitor.keyboard.press("Enter")
    visitor.keyboard.press("Tab")
    expect(visitor.get_by_role("combobox", name="Step")).to_be_focused()
    for key in ("Tab", "Tab", "Space"):
        visitor.keyboard.press(key)
    visitor.get_by_label("First month").fill("2024-03-15")

    visitor.get_by_role("button", name="Execute").focus()
    visitor.keyboard.press("Enter")

    expect(visitor.get_by_role("alert")).to_contain_text("start date 2024-03-15 is not the first day of a month")


@pytest.mark.long
def test_who_overrides_a_broken_import_gives_reason_and_name_and_both_are_shown(
    visitor: Page, busy_server: PageServer
) -> None:
    _open(visitor, busy_server, "run")
    expect(visitor.get_by_label("Accrue although the import is broken: reason")).to_be_hidden()
    visitor.get_by_role("combobox", name="Step").click()
    visitor.get_by_role("option", name="Process Accruals", exact=True).click()
    visitor.get_by_label("A range of months").click()
    visitor.get_by_label("First month").fill("2024-02-01")
    visitor.get_by_label("Up to, not included").fill("2024-03-01")
    visitor.get_by_label("Accrue although the import is broken: reason").fill("the CRM is gone")
    visitor.get_by_role("button", name="Execute").click()
    expect(visitor.get_by_role("alert").filter(has_text="A name is needed")).to_be_visible()
    visitor.get_by_label("Your name").fill("Ana")

    visitor.get_by_role("button", name="Execute").click()
    expect(visitor.get_by_role("status").filter(has_text="1 of 1 completed")).to_be_visible()
    visitor.get_by_role("button", name="Process Accruals, February 2024").click()

    dialog = visitor.get_by_role("dialog")
    expect(dialog.get_by_role("heading", name="Override")).to_be_visible()
    expect(dialog.get_by_text("the CRM is gone")).to_be_visible()
    expect(dialog.get_by_text("Ana", exact=True)).to_be_visible()
    expect(dialog.get_by_text("Nothing had to be overridden.")).to_be_visible()


def test_a_month_that_cannot_be_closed_says_what_is_in_the_way(visitor: Page, busy_server: PageServer) -> None:
    _open(visitor, busy_server, "accruals")

    visitor.get_by_role("button", name="Close December 2024").click()

    dialog = visitor.get_by_role("dialog")
    expect(dialog.get_by_role("heading", name="December 2024 cannot be closed yet")).to_be_visible()
    expect(dialog.get_by_text("the accruals of 2024-12 were never completed")).to_be_visible()


def test_a_month_is_closed_and_opened_again_by_name_and_with_a_reason(visitor: Page, busy_server: PageServer) -> None:
    _open(visitor, busy_server, "accruals")

    visitor.get_by_role("button", name="Close January 2024").click()
    visitor.get_by_label("Your name").fill("Ana")
    visitor.get_by_role("dialog").get_by_role("button", name="Close January 2024").click()
    visitor.get_by_role("button", name="Reopen January 2024").click()
    dialog = visitor.get_by_role("dialog", name="Reopen January 2024")
    dialog.get_by_label("Your name").fill("Ana")
    dialog.get_by_role("button", name="Reopen January 2024").click()
    expect(visitor.get_by_role("alert").filter(has_text="needs a reason")).to_be_visible()
    dialog.get_by_label("Reason").fill("a credit note came late")
    dialog.get_by_role("button", name="Reopen January 2024").click()

    expect(visitor.get_by_role("button", name="Close January 2024")).to_be_visible()


def test_who_logs_out_sees_nothing_any_more(visitor: Page, busy_server: PageServer) -> None:
    visitor.get_by_role("button", name="Log out").click()
    visitor.locator("#token").wait_for()

    visitor.goto(f"{busy_server.url}/page/en/errors")

    expect(visitor.locator("#token")).to_be_visible()
