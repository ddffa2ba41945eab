"""The view Runs: a list that follows what happens, and keys that sort it."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.flows.page.server import PageServer
from tests.flows.page.test_views import go

pytestmark = [pytest.mark.browser, pytest.mark.prefect]


def test_a_run_that_begins_appears_in_a_list_that_stays_as_it_is(visitor: Page, busy_server: PageServer) -> None:
    go(visitor, busy_server, "runs")
    once = visitor.get_by_role("link", name="Sync Services", exact=True)
    before = once.count()
    visitor.evaluate("window.here = true")

    busy_server.execute("services")

    expect(once).to_have_count(before + 1)
    row = visitor.get_by_role("row").filter(has=once).first
    expect(row).to_contain_text("completed")
    assert visitor.evaluate("window.here")


def test_keys_alone_sort_a_list_and_what_sorts_it_is_told_and_in_the_address(
    visitor: Page, busy_server: PageServer
) -> None:
    go(visitor, busy_server, "contracts")
    head = visitor.get_by_role("columnheader", name="Deferred")
    expect(head).to_have_attribute("aria-sort", "none")
    visitor.get_by_label("Filter this list").focus()
    while not head.get_by_role("button").evaluate("each => each === document.activeElement"):
        visitor.keyboard.press("Tab")

    visitor.keyboard.press("Enter")
    expect(head).to_have_attribute("aria-sort", "ascending")
    visitor.keyboard.press("Enter")
    expect(head).to_have_attribute("aria-sort", "descending")
    expect(visitor).to_have_url(re.compile("list.sort=-remaining"))

    amounts = visitor.locator(".listing tbody tr td:nth-child(7)").all_inner_texts()
    shown = [float(each.replace(",", "")) for each in amounts[:8]]
    assert shown == sorted(shown, reverse=True)
    assert shown[0] > shown[-1]


def test_a_filter_says_how_many_of_the_rows_it_leaves(visitor: Page, busy_server: PageServer) -> None:
    go(visitor, busy_server, "contracts")
    told = visitor.locator(".listing-box").get_by_role("status")
    expect(told).to_be_empty()

    visitor.get_by_label("Filter this list").fill("FULL stáck")

    expect(told).to_have_text(re.compile(r"^\d+ of \d+$"))
    rows = visitor.locator(".listing tbody tr:has(a)")
    assert all("Full Stack" in each for each in rows.all_inner_texts())
