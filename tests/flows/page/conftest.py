"""A browser, and a server whose academy has been imported and accrued; tests of one process share both."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from steps.sandbox.server import SandboxServer, serve_sandbox
from steps.sandbox.world import build_world
from tests.chromium import PATIENCE_MILLISECONDS, chromium
from tests.fast_vendors import FAST
from tests.flows.conftest import CommandLine
from tests.flows.page.server import READER_TOKEN, TOKEN, PageServer, serve_page


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The machine's own Chromium; of a module, because playwright keeps an event loop as long as it is open."""
    with chromium() as browser:
        yield browser


@pytest.fixture
def context(browser: Browser, request: pytest.FixtureRequest) -> Iterator[BrowserContext]:
    """A fresh profile; `indirect` parameters are playwright's options of a context."""
    options = {"locale": "en-GB", "viewport": {"width": 1100, "height": 800}, **getattr(request, "param", {})}
    context = browser.new_context(**options)
    context.set_default_timeout(PATIENCE_MILLISECONDS)
    yield context
    context.close()


def log_in(page: Page, server: PageServer, token: str = TOKEN) -> Page:
    """As a person does."""
    page.goto(server.url)
    page.locator("#token").fill(token)
    page.get_by_role("button").click()
    page.get_by_role("heading", level=2).wait_for()
    return page


def choose(page: Page, label: str, option: str) -> None:
    """Of a drop-down list."""
    page.get_by_role("combobox", name=label).click()
    page.get_by_role("option", name=option, exact=True).click()


@pytest.fixture(scope="session")
def academy() -> Iterator[SandboxServer]:
    """The three vendors of a small academy."""
    with serve_sandbox(build_world(clients=30)) as sandbox:
        yield sandbox


@pytest.fixture(scope="session")
def busy_server(
    academy: SandboxServer,
    forked_environment: Mapping[str, str],
    prefect_home: Callable[[], Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[PageServer]:
    """A server after half a year's work and with every error looked at; tests leave it as they find it."""
    folder: Path = tmp_path_factory.mktemp("page")
    readers = {"SYNC_API_TOKENS": f"rita:read:{READER_TOKEN}"}
    variables = {**academy.environment, **FAST, **readers, "SYNC_DATABASE_URL": f"sqlite:///{folder / 'sync.db'}"}
    for first_step in ("services", "accruals"):
        command_line = CommandLine(forked_environment, folder)
        done = command_line.run(
            "--from-step", first_step, "--start-date", "2024-01-01", "--end-date", "2024-07-01", **variables
        )
        assert done.status == 0, done.err
    with serve_page(folder, {**variables, "PREFECT_HOME": str(prefect_home())}) as server:
        server.ignore_every_error()
        yield server


@pytest.fixture
def sandbox() -> Iterator[SandboxServer]:
    """An academy of the test's own, whose vendors may be broken."""
    with serve_sandbox(build_world(clients=30)) as sandbox:
        yield sandbox


@pytest.fixture
def visitor(context: BrowserContext, busy_server: PageServer) -> Page:
    """Somebody who has logged in to the server that tests share."""
    return log_in(context.new_page(), busy_server)
