"""The page by keys alone, and its address, which names whatever is open, chosen and filtered."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.flows.page.server import PageServer
from tests.flows.page.test_views import go

pytestmark = [pytest.mark.browser, pytest.mark.prefect]


def test_a_slash_searches_a_question_mark_tells_the_keys_and_escape_closes(
    visitor: Page, busy_server: PageServer
) -> None:
    go(visitor, busy_server, "home")
    visitor.keyboard.press("?")
    sheet = visitor.get_by_role("dialog", name="Keys")
    expect(sheet).to_contain_text("Search a contract")
    visitor.keyboard.press("/")
    visitor.keyboard.press("Escape")
    expect(sheet).to_be_hidden()

    visitor.keyboard.press("/")
    expect(visitor.get_by_role("heading", name="Contracts")).to_be_visible()
    visitor.keyboard.press("/")
    expect(visitor.get_by_role("searchbox")).to_be_focused()
    visitor.keyboard.type("a/b?")
    expect(visitor.get_by_role("searchbox")).to_have_value("a/b?")


def test_arrows_move_between_steps_and_months(visitor: Page, busy_server: PageServer) -> None:
    go(visitor, busy_server, "home")

    def at(name: str) -> None:
        expect(visitor.get_by_role("link", name=re.compile(f"^{name}:"))).to_be_focused()

    visitor.get_by_role("link", name=re.compile("^Sync Invoices, February 2024:")).focus()
    for key, name in (
        ("ArrowRight", "Sync Invoices, March 2024"),
        ("ArrowUp", "Sync Services"),
        ("ArrowUp", "Sync Services"),
        ("ArrowDown", "Sync Invoices, March 2024"),
        ("ArrowDown", "Sync CRM Clients, March 2024"),
        ("ArrowLeft", "Sync CRM Clients, February 2024"),
    ):
        visitor.keyboard.press(key)
        at(name)


def test_enter_submits_a_dialog_and_its_first_field_has_the_focus(visitor: Page, busy_server: PageServer) -> None:
    go(visitor, busy_server, "contracts/3/2024-04")
    visitor.get_by_role("button", name="Adjust").press("Enter")
    dialog = visitor.get_by_role("dialog")
    expect(dialog.get_by_label("Amount to accrue")).to_be_focused()
    dialog.get_by_label("Amount to accrue").fill("1,5")
    dialog.get_by_label("Your name").fill("Ana")
    dialog.get_by_label("Reason").fill("a look")
    dialog.get_by_label("Reason").press("Enter")

    expect(dialog.get_by_text("Deferred after")).to_be_visible()


DIALOGS = {
    "contracts/3/2024-04": ("Adjust", "Ajustar el contrato 3"),
    "months/2024-01": ("Close January 2024", "Cerrar enero 2024"),
    "todo?status=ignored": ("The vendor's record of error", "El registro del proveedor del error"),
}


def _opened(page: Page, server: PageServer) -> Iterator[str]:
    """Each dialog, open. Yields its name in Spanish."""
    for path, (opener, name) in DIALOGS.items():
        go(page, server, path)
        page.get_by_role("button", name=opener).first.click()
        page.get_by_role("dialog").wait_for()
        yield name


def test_an_open_dialog_lives_in_the_address_which_a_reload_and_the_language_keep(
    visitor: Page, busy_server: PageServer
) -> None:
    for name in _opened(visitor, busy_server):
        expect(visitor).to_have_url(re.compile(r"dialog=[\w-]+"))
        visitor.reload()
        expect(visitor.get_by_role("dialog")).to_be_visible()
        visitor.goto(visitor.url.replace("/en/", "/es/"))
        expect(visitor.get_by_role("dialog", name=name)).to_be_visible()

        visitor.keyboard.press("Escape")

        expect(visitor.get_by_role("dialog")).to_have_count(0)
        expect(visitor).not_to_have_url(re.compile("dialog="))


def test_what_is_selected_lives_in_the_address_which_reload_back_language_and_theme_keep(
    visitor: Page, busy_server: PageServer
) -> None:
    go(visitor, busy_server, "todo?status=ignored")
    groups = visitor.get_by_role("checkbox", name=re.compile("^Select all"))
    count = groups.count()
    groups.first.click()
    visitor.get_by_role("checkbox", name=re.compile("^Select error")).last.click()
    told = visitor.get_by_role("status").filter(has_text="selected").inner_text()
    expect(visitor).to_have_url(re.compile(r"chosen=\w+"))

    visitor.reload()
    expect(visitor.get_by_text(told)).to_be_visible()
    visitor.get_by_role("link", name="Runs", exact=True).click()
    expect(visitor.get_by_role("heading", name="Runs")).to_be_visible()
    visitor.go_back()
    expect(visitor.get_by_text(told)).to_be_visible()
    visitor.get_by_role("link", name="Dark").click()
    expect(visitor.locator("body.body--dark")).to_be_visible()
    expect(visitor.get_by_text(told)).to_be_visible()
    visitor.get_by_role("link", name="Español").click()
    chosen = told.split()[0]
    expect(visitor.get_by_text(re.compile(f"^{chosen} seleccionado"))).to_be_visible()
    assert groups.count() == 0
    assert visitor.get_by_role("checkbox", name=re.compile("^Seleccionar los")).count() == count
    visitor.get_by_role("link", name="Claro").click()


def test_the_form_of_a_run_lives_in_the_address(visitor: Page, busy_server: PageServer) -> None:
    go(visitor, busy_server, "runs/new?year=2024")
    visitor.get_by_label("Last month").fill("2024-03")
    expect(visitor.get_by_text("January 2024 to March 2024")).to_be_visible()

    visitor.reload()

    expect(visitor.get_by_text("January 2024 to March 2024")).to_be_visible()
    visitor.get_by_role("link", name="Español").click()
    expect(visitor.get_by_text("de enero 2024 a marzo 2024")).to_be_visible()
