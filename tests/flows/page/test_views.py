"""The views as people meet them: another language, a phone, the dark, a keyboard alone, an address that says it all."""

from urllib.parse import urlsplit

import pytest
from playwright.sync_api import BrowserContext, ConsoleMessage, Page, Request, Route, expect

from tests.flows.page.conftest import log_in
from tests.flows.page.server import PageServer

pytestmark = [pytest.mark.browser, pytest.mark.prefect]

PHONE = {"viewport": {"width": 375, "height": 760}, "is_mobile": True, "has_touch": True}
PATHS = (
    "home",
    "months?year=2024",
    "months/2024-03",
    "setup",
    "revenue/2024",
    "revenue/2024-03",
    "revenue/2024/outside",
    "contracts",
    "contracts/3/2024-04",
    "todo?status=ignored",
    "todo?show=contracts",
    "runs",
    "runs/new?step=accruals&month=2024-03",
    "runs/1",
    "runs?show=audit",
)
"""Addresses of every view."""


def go(page: Page, server: PageServer, path: str, language: str = "en") -> None:
    """To a view, by its address."""
    page.goto(f"{server.url}/page/{language}/{path}")
    page.get_by_role("heading", level=2).first.wait_for()
    page.wait_for_function("window.socket?.connected && window.did_handshake")


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
    for path in PATHS:
        go(page, busy_server, path)

    assert hosts == {"127.0.0.1"}
    assert complaints == []


@pytest.mark.parametrize("context", [PHONE], indirect=True, ids=["phone"])
def test_no_view_is_wider_than_a_phone_and_each_says_that_it_is_a_sandbox(
    visitor: Page, busy_server: PageServer
) -> None:
    wide = []
    for path in PATHS:
        go(visitor, busy_server, path, "es")
        expect(visitor.get_by_text("SANDBOX")).to_be_visible()
        if visitor.evaluate("document.documentElement.scrollWidth > window.innerWidth"):
            wide.append(path)

    assert wide == []


def test_while_scripts_are_fetched_the_head_is_there_and_the_browser_is_not_blamed(
    visitor: Page, busy_server: PageServer
) -> None:
    visitor.route("**/vue.esm-browser.prod.js", lambda route: route.abort())
    visitor.goto(f"{busy_server.url}/page/en/home", wait_until="domcontentloaded")
    visitor.wait_for_timeout(1_500)

    expect(visitor.locator(".loading")).to_have_text("Sync Management")
    assert visitor.locator(".loading").is_visible()
    assert visitor.locator("#esm-fallback").evaluate("each => getComputedStyle(each).opacity") == "0"


def test_in_spanish_nothing_is_left_in_english(visitor: Page, busy_server: PageServer) -> None:
    english = {}
    for path in (*PATHS, "months/2024-03", "runs/39", "contracts/13/2024-03"):
        go(visitor, busy_server, path, "es")
        if found := visitor.locator(".content [lang=en]").all_inner_texts():
            english[path] = found

    assert english == {}


def test_language_and_theme_keep_the_address_with_its_filters(visitor: Page, busy_server: PageServer) -> None:
    go(visitor, busy_server, "runs?status=completed&step=accruals")

    visitor.get_by_role("link", name="Español").click()
    expect(visitor.get_by_role("heading", name="Ejecuciones")).to_be_visible()
    visitor.get_by_role("link", name="Oscuro").click()

    expect(visitor.locator("body.body--dark")).to_be_visible()
    expect(visitor).to_have_url(f"{busy_server.url}/page/es/runs?status=completed&step=accruals")
    assert visitor.evaluate("document.documentElement.lang") == "es"
    expect(visitor.get_by_role("combobox", name="Estado")).to_have_value("completada")
    visitor.get_by_role("link", name="Claro").click()


def test_what_is_chosen_is_in_the_address_and_back_and_reload_keep_it(visitor: Page, busy_server: PageServer) -> None:
    go(visitor, busy_server, "runs")
    visitor.get_by_role("combobox", name="Step").click()
    visitor.get_by_role("option", name="Process Accruals", exact=True).click()
    expect(visitor).to_have_url(f"{busy_server.url}/page/en/runs?step=accruals")
    visitor.get_by_role("link", name="Process Accruals, Jan 2024 – Jun 2024").click()
    visitor.get_by_role("link", name="Process Accruals, June 2024").click()
    expect(visitor.get_by_role("heading", name="Process Accruals, June 2024")).to_be_visible()

    visitor.go_back()
    visitor.go_back()
    visitor.reload()

    expect(visitor.get_by_role("combobox", name="Step")).to_have_value("Process Accruals")
    expect(visitor.get_by_text("Sync Invoices")).to_have_count(0)


def test_who_is_on_the_way_to_another_view_is_not_called_back_to_what_has_changed(
    visitor: Page, busy_server: PageServer
) -> None:
    go(visitor, busy_server, "home")
    under_way: list[Route] = []

    def hold(route: Route) -> None:  # playwright marks what it is given, which a list's own method does not allow
        under_way.append(route)

    visitor.route("**/en/contracts*", hold)
    visitor.evaluate("setTimeout(showChanges, 1000)")  # one that leaves is asked nothing any more
    visitor.get_by_role("navigation").get_by_role("link", name="Contracts").click(no_wait_after=True)
    visitor.wait_for_timeout(2_000)
    under_way[0].continue_()

    expect(visitor).to_have_url(f"{busy_server.url}/page/en/contracts", timeout=20_000)


def test_a_view_whose_subject_has_changed_is_shown_anew(visitor: Page, busy_server: PageServer) -> None:
    go(visitor, busy_server, "home")
    visitor.evaluate("window.was_here = true")

    visitor.evaluate("showChanges()")

    visitor.wait_for_function("!window.was_here")


def test_an_address_that_names_what_is_not_there_says_so(visitor: Page, busy_server: PageServer) -> None:
    for path, said in (
        ("contracts/99999", "there is no contract 99999"),
        ("months/2024-13", "month '2024-13' is no month"),
        ("revenue/x", "year 'x' is not allowed"),
        ("runs/999999", "there is no execution 999999"),
        ("todo?status=gone", "status 'gone' is not known"),
        ("runs?since=yesterday", "'yesterday' is no date"),
    ):
        visitor.goto(f"{busy_server.url}/page/en/{path}")
        expect(visitor.get_by_text(said)).to_be_visible()


@pytest.mark.parametrize("context", [{"color_scheme": "dark"}], indirect=True, ids=["dark"])
def test_who_prefers_the_dark_has_it_unasked(visitor: Page) -> None:
    expect(visitor.locator("body.body--dark")).to_be_visible()


def test_each_cell_says_in_words_where_it_stands_and_leads_to_its_run(visitor: Page, busy_server: PageServer) -> None:
    go(visitor, busy_server, "home")
    expect(visitor.get_by_role("link", name="Process Accruals, June 2024: done")).to_be_visible()

    visitor.get_by_role("link", name="Process Accruals, December 2024: missing (never run)").click()

    expect(visitor.get_by_role("combobox", name="What")).to_have_value("Only: Process Accruals")
    expect(visitor.get_by_label("First month")).to_have_value("2024-12")
    expect(visitor.get_by_role("status").filter(has_text="Will run 1 step of December 2024")).to_be_visible()


@pytest.mark.long
def test_who_overrides_a_broken_import_gives_reason_and_name_and_both_are_shown(
    visitor: Page, busy_server: PageServer
) -> None:
    go(visitor, busy_server, "runs/new?month=2024-02")
    expect(visitor.get_by_label("Accrue although the import is broken: reason")).to_be_hidden()
    go(visitor, busy_server, "runs/new?step=accruals&month=2024-02")
    visitor.get_by_label("Accrue although the import is broken: reason").fill("the CRM is gone")
    visitor.get_by_role("button", name="Execute").click()
    expect(visitor.get_by_role("alert").filter(has_text="A name is needed")).to_be_visible()
    visitor.get_by_label("Your name").fill("Ana")

    visitor.get_by_role("button", name="Execute").click()
    expect(visitor.get_by_role("status").filter(has_text="1 of 1 completed")).to_be_visible()
    visitor.get_by_role("link", name="Process Accruals, February 2024").click()

    expect(visitor.get_by_role("heading", name="Override")).to_be_visible()
    for told in ("the CRM is gone", "Nothing had to be overridden."):
        expect(visitor.get_by_text(told)).to_be_visible()
    expect(visitor.get_by_text("Ana", exact=True)).to_be_visible()


def test_who_logs_out_sees_nothing_any_more(visitor: Page, busy_server: PageServer) -> None:
    visitor.get_by_role("button", name="Log out").click()
    visitor.locator("#token").wait_for()

    visitor.goto(f"{busy_server.url}/page/en/todo")

    expect(visitor.locator("#token")).to_be_visible()
