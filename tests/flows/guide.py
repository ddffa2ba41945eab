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
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings

from tests.flows.worker import LONGEST_SECONDS, QUICK, ROOT

_Answer = TypeVar("_Answer")


@dataclass
class Guide:
    """Follows the lines of the guide, as somebody with a few terminals does."""

    folder: Path
    """Where the project is, with `.env` and `prefect.yaml`."""
    elsewhere: Path
    """Where the worker is started."""
    port: int
    variables: dict[str, str]
    server: Mapping[str, str]
    """More variables of the server alone."""
    processes: ExitStack
    said: dict[str, str] = field(default_factory=dict)
    """What each command that ended wrote."""

    def follow(self, line: str) -> None:
        """Do what one line says: those that are meant for a terminal of their own go on in the background."""
        command = line.replace("4200", str(self.port))
        if command.startswith("export "):
            after = self._bash(f"{command}\nenv -0")
            self.variables = dict(each.split("=", 1) for each in after.rstrip("\0").split("\0"))
        elif command.startswith("prefect server start"):
            self._begin(command, self.folder, {**self.server, "PREFECT_SERVER_API_PORT": str(self.port)})
            url = f"http://127.0.0.1:{self.port}/api/health"
            with httpx.Client(verify=False) as client:
                await_answer(lambda: _answers(client, url), "the server's first answer")
        elif command.startswith("prefect worker start"):
            self._begin(command, self.elsewhere, QUICK)
        else:
            self.said[line] = self._bash(command)

    @contextmanager
    def client(self) -> Iterator[SyncPrefectClient]:
        """Prefect's client with the variables of the guide."""
        api, secret = self.variables["PREFECT_API_URL"], self.variables["PREFECT_API_AUTH_STRING"]
        with (
            temporary_settings({PREFECT_API_URL: api, PREFECT_API_AUTH_STRING: secret}),
            get_client(sync_client=True) as client,
        ):
            yield client

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

    def _begin(self, command: str, folder: Path, more: Mapping[str, str]) -> None:
        log = self.processes.enter_context((self.elsewhere / f"{len(self.said)}.log").open("w"))
        process = subprocess.Popen(
            ["bash", "-euc", f"exec {command}"],
            env={**self.variables, **more},
            cwd=folder,
            stdout=log,
            stderr=log,
            start_new_session=True,  # Prefect interrupts whole process groups
        )
        self.processes.callback(process.wait, LONGEST_SECONDS)
        self.processes.callback(process.terminate)

    def _logs(self) -> str:
        return "".join(path.read_text() for path in self.elsewhere.glob("*.log"))


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
