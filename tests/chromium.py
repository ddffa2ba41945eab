"""The machine's own Chromium, for tests of what people see in a browser."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

PATIENCE_MILLISECONDS = 150_000
"""Of a new server on a busy machine, with its Prefect and its worker, until its first run has ended."""
_CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser inside the block, in which playwright keeps an event loop."""
    if _CHROMIUM is None:
        if os.environ.get("CI"):
            pytest.fail("no Chromium on this machine: where CI runs, the browser tests do not go away in silence")
        pytest.skip("no Chromium on this machine: the browser tests need one as `chromium`")
    expect.set_options(timeout=PATIENCE_MILLISECONDS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=_CHROMIUM, args=_ARGUMENTS)
        yield browser
        browser.close()
