"""The README's guide "With a Prefect server": its commands, and somebody who follows them in a few terminals."""

import re
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import httpx
from playwright.sync_api import Browser, Page
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings

from steps.sandbox.server import SandboxServer
from tests.chromium import PATIENCE_MILLISECONDS
from tests.flows.webhook import Webhook
from tests.flows.worker import ASKS_OFTEN, LONGEST_SECONDS, ROOT
from tracking.settings import variables_of

_Answer = TypeVar("_Answer")


@dataclass
class Guide:
    """Follows the lines of the guide, as somebody with a few terminals does."""

    folder: Path
    """Where the project is, with `.env` and `prefect.yaml`; each terminal is in it."""
    port: int
    variables: dict[str, str]
    server: Mapping[str, str]
    """More variables of the server alone."""
    processes: ExitStack
    sandbox: SandboxServer
    """The vendors."""
    webhook: Webhook
    """Where messages arrive."""
    said: dict[str, str] = field(default_factory=dict)
    """What each command that ended wrote."""

    def follow(self, line: str) -> None:
        """Do what one line says: those that are meant for a terminal of their own go on in the background."""
        command = line.replace("4200", str(self.port))
        if command.startswith("export "):
            after = self._bash(f"{command}\nenv -0")
            self.variables = dict(each.split("=", 1) for each in after.rstrip("\0").split("\0"))
        elif command.startswith("prefect server start"):
            self._begin(command, {**self.server, "PREFECT_SERVER_API_PORT": str(self.port)})
            url = f"http://127.0.0.1:{self.port}/api/health"
            with httpx.Client(verify=False) as client:
                await_answer(lambda: _answers(client, url), "the server's first answer")
        elif command.startswith("prefect worker start"):
            self._begin(command, ASKS_OFTEN)
        else:
            self.said[line] = self._bash(command)

    @property
    def settings(self) -> dict[str, str]:
        """What the settings file sets."""
        return variables_of(self.folder / ".env")

    @contextmanager
    def client(self) -> Iterator[SyncPrefectClient]:
        """Prefect's client with the variables of the settings file."""
        api, secret = self.settings["PREFECT_API_URL"], self.settings["PREFECT_API_AUTH_STRING"]
        with (
            temporary_settings({PREFECT_API_URL: api, PREFECT_API_AUTH_STRING: secret}),
            get_client(sync_client=True) as client,
        ):
            yield client

    def fill_in_form(self, browser: Browser, step: str) -> None:
        """Start `sync-import/on-demand` from this step, by the form of Prefect's UI, as its address leads there."""
        page = browser.new_page()
        page.set_default_timeout(PATIENCE_MILLISECONDS)
        page.goto(f"http://127.0.0.1:{self.port}", wait_until="domcontentloaded")
        page.locator("input[type=password]").fill(self.settings["PREFECT_API_AUTH_STRING"])
        page.keyboard.press("Enter")
        page.get_by_role("link", name="Deployments").click()
        page.get_by_role("row").filter(has_text="sync-import").get_by_role("link", name="on-demand").click()
        page.get_by_role("button", name="Run", exact=True).click()
        page.get_by_role("menuitem", name="Custom run").click()
        page.get_by_role("button", name=re.compile("Select from.step", re.IGNORECASE)).click()
        page.get_by_role("option", name=step, exact=True).click()
        await_answer(lambda: _is_submitted(page), "a run that the form has made")

    def _bash(self, command: str) -> str:
        done = subprocess.run(
            ["bash", "-euc", command],
            env=self.variables,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=LONGEST_SECONDS,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}{self._logs()}"
        return done.stdout

    def _begin(self, command: str, more: Mapping[str, str]) -> None:
        log = self.processes.enter_context((self.folder / f"{command.partition(' --')[0]}.log").open("w"))
        process = subprocess.Popen(
            ["bash", "-euc", f"exec {command}"],
            env={**self.variables, **more},
            cwd=self.folder,
            stdout=log,
            stderr=log,
            start_new_session=True,  # Prefect interrupts whole process groups
        )
        self.processes.callback(process.wait, LONGEST_SECONDS)
        self.processes.callback(process.terminate)

    def _logs(self) -> str:
        return "".join(path.read_text() for path in self.folder.glob("*.log"))


def _is_submitted(page: Page) -> bool:
    """Whether the server took it: while others write into its SQLite database it says 503, and people say it again."""
    with page.expect_response("**/create_flow_run") as answer:
        page.get_by_role("button", name="Submit").click()
    return answer.value.ok


def _answers(client: httpx.Client, url: str) -> bool:
    try:
        return client.get(url).is_success
    except httpx.TransportError:
        return False


def await_answer(ask: Callable[[], _Answer | None], what: str) -> _Answer:
    """The answer, as soon as there is one that counts as true."""
    deadline = time.monotonic() + LONGEST_SECONDS
    while time.monotonic() < deadline:
        if answer := ask():
            return answer
        time.sleep(0.5)
    raise AssertionError(f"{what} did not come within {LONGEST_SECONDS} s")


def lines_of_guide() -> list[str]:
    """The commands of the guide, without what they explain."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (block,) = (b for b in re.findall(r"```bash\n(.*?)```", readme, re.DOTALL) if "prefect server start" in b)
    return [line.split("  #")[0].strip() for line in block.splitlines()]


def filled_in(values: Mapping[str, str], port: int) -> str:
    """`.env.example` as the guide wants it: Prefect's lines without their `# `, and with these values."""
    text = (ROOT / ".env.example").read_text(encoding="utf-8").replace("\n# PREFECT_", "\nPREFECT_")
    for name, value in values.items():
        text, count = re.subn(rf"^(# )?{name}=.*$", f"{name}={value}", text, flags=re.MULTILINE)
        assert count == 1, name
    return text.replace("4200", str(port))
