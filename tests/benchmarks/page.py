"""How fast the page answers over 100 and 10,000 contracts: `python -m tests.benchmarks.page`, or `make bench`.

The ledger is invented, one month of it is accrued, the server is `sync-actions api` in a process of its own, and the
browser is the machine's Chromium on the same machine. Cold is a profile that has never seen the page.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import process_time
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page

from steps.reports.worklist import worklist
from steps.settings import SyncSettings
from tests.benchmarks.invented_ledger import Begun, fill_ledger
from tests.benchmarks.measurements import MEASUREMENTS, ROOT, replace_block
from tests.chromium import PATIENCE_MILLISECONDS, chromium
from tests.flows.page.server import TOKEN, serve_page
from tracking.database import dispose_engines, read_session

CONTRACTS = (100, 10_000)
_READING_MILLISECONDS = 2_000
"""Before a person presses a key: the browser prepares the filter meanwhile."""
VIEWS = ("home", "months?year=2024", "revenue/2024", "revenue/2024-03", "contracts", "todo?show=contracts", "runs")
_PAINTED = "() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime"
_SHIFT = """
window.shift = 0;
new PerformanceObserver(list => list.getEntries().forEach(each => window.shift += each.hadRecentInput ? 0 : each.value))
  .observe({type: "layout-shift", buffered: true});
"""
_KEY = """key => new Promise(done => {
  const start = performance.now();
  const target = document.activeElement;
  target.dispatchEvent(new KeyboardEvent("keydown", {key, keyCode: 13, bubbles: true}));
  if (key === "Enter") target.click();
  requestAnimationFrame(() => setTimeout(() => done(performance.now() - start)));
})"""
"""Milliseconds from a key to the frame after what it does."""
_LETTER = """text => new Promise(done => {
  const start = performance.now(), field = document.activeElement, all = field.closest(".listing-box");
  const told = all.querySelector("[role=status]"), before = told.textContent;
  const end = () => requestAnimationFrame(() => setTimeout(() => done(performance.now() - start)));
  field.value = text;
  field.dispatchEvent(new Event("input", {bubbles: true}));
  const seen = new MutationObserver(() => { seen.disconnect(); end(); });
  seen.observe(told, {characterData: true, childList: true, subtree: true});
  setTimeout(() => { seen.disconnect(); end(); }, 1000);
})"""
"""The same from a letter to the frame in which the rows that fit are counted."""


def _log_in(context: BrowserContext, url: str) -> Page:
    page = context.new_page()
    page.goto(url)
    page.locator("#token").fill(TOKEN)
    page.get_by_role("button").click()
    page.get_by_role("heading", level=2).first.wait_for()
    return page


@dataclass(frozen=True)
class _Drawn:
    """Milliseconds of one visit."""

    painted: float
    there: float
    """Until the view's own heading is there."""


def _visits(browser: Browser, url: str, path: str) -> tuple[_Drawn, _Drawn, float]:
    """The first visit of a fresh profile, and the second; the layout's shift."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    context.add_init_script(_SHIFT)
    cookie = _log_in(context, url).context.cookies()
    context.close()
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    context.add_cookies([{"name": each["name"], "value": each["value"], "url": url} for each in cookie])
    context.add_init_script(_SHIFT)
    context.set_default_timeout(PATIENCE_MILLISECONDS)
    page, times = context.new_page(), []
    for _ in range(2):
        page.goto(f"{url}/page/en/{path}", wait_until="commit")
        page.get_by_role("heading", level=2).first.wait_for()
        there = float(page.evaluate("performance.now()"))
        page.wait_for_load_state("networkidle")
        times.append(_Drawn(float(page.evaluate(_PAINTED)), there))
    shift = float(page.evaluate("window.shift"))
    context.close()
    return times[0], times[1], shift


def _keys(browser: Browser, url: str) -> dict[str, float]:
    """What is pressed over the list of all contracts -> the longest of five answers in milliseconds."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = _log_in(context, url)
    page.goto(f"{url}/page/en/contracts")
    page.locator(".listing tbody a").first.wait_for()
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(_READING_MILLISECONDS)
    found: dict[str, Any] = {}
    page.get_by_role("searchbox").focus()
    found["a letter in the search"] = max(page.evaluate(_KEY, "a") for _ in range(5))
    page.get_by_role("textbox", name="Filter this list").focus()
    found["a letter in the filter"] = max(page.evaluate(_LETTER, letters) for letters in ("1", "12", "123", "99", "7"))
    page.get_by_role("textbox", name="Filter this list").fill("")
    for column in ("Client", "Deferred"):
        page.get_by_role("columnheader", name=column).get_by_role("button").focus()
        found[f"sorting by {column}"] = max(page.evaluate(_KEY, "Enter") for _ in range(5))
    context.close()
    return found


def _worklist_seconds() -> float:
    """Of the processor, for all that waits for a person."""
    with read_session() as session:
        start = process_time()
        worklist(session, SyncSettings.load(), datetime.now(UTC).date())
        return process_time() - start


@dataclass
class _Measured:
    """Of a ledger of so many contracts."""

    contracts: int
    visits: dict[str, tuple[_Drawn, _Drawn, float]]
    keys: dict[str, float]
    worklist_seconds: float


def _measure(contracts: int) -> _Measured:
    with tempfile.TemporaryDirectory() as folder:
        database = {"SYNC_DATABASE_URL": f"sqlite:///{folder}/sync.db", "PREFECT_HOME": f"{folder}/prefect"}
        os.environ |= database
        fill_ledger(contracts, Begun(0, 55))
        dispose_engines()
        accrue = [sys.executable, "-m", "tests.benchmarks.measure", *(["2024-03-01"] * 3)]
        subprocess.run(accrue, check=True, stdout=subprocess.DEVNULL, cwd=ROOT)
        seconds = _worklist_seconds()
        dispose_engines()
        with serve_page(Path(folder), database) as server, chromium() as browser:
            visits = {path: _visits(browser, server.url, path) for path in VIEWS}
            return _Measured(contracts, visits, _keys(browser, server.url), seconds)


def measure() -> str:
    """Tables for people."""
    lines = [
        "| contracts, view | first paint, cold (aim 1,000 ms) | the view is there "
        "| first paint, again | the view is there | shift (aim 0.05) |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for each in (found := [_measure(contracts) for contracts in CONTRACTS]):
        for path, (cold, again, shift) in each.visits.items():
            times = (cold.painted, cold.there, again.painted, again.there)
            shown = " | ".join(f"{time:,.0f} ms" for time in times)
            lines.append(f"| {each.contracts:,}, {path} | {shown} | {shift:.3f} |")
    large = found[-1]
    lines += ["", f"| over a list of {large.contracts:,} contracts | longest of 5 (aim 100 ms) |", "| --- | ---: |"]
    lines += [f"| {what} | {milliseconds:,.0f} ms |" for what, milliseconds in large.keys.items()]
    told = f"Home's line about contracts that wait for a person: {large.worklist_seconds:.2f} s of the processor."
    return "\n".join([*lines, "", told])


def main() -> None:
    """Measure, print, and with `--write` update docs/measurements.md."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--write", action="store_true", help="update docs/measurements.md")
    asked, table = parser.parse_args(), measure()
    sys.stdout.write(f"{table}\n")
    if asked.write:
        replace_block(MEASUREMENTS, "bench:page", table)


if __name__ == "__main__":
    main()
