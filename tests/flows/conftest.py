"""The command line as a person starts it."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.cli.app import main
from flows.run_steps import VENDORS
from steps.sandbox.server import SandboxServer, serve_sandbox
from steps.sandbox.world import build_world
from tests.fast_vendors import FAST
from tests.forked_commands import Command, run_forked
from tests.secret_watch import WATCH
from tests.steps.records import contact, invoice

LONGEST_COMMAND_SECONDS = 300


@dataclass(frozen=True)
class Outcome:
    """What a command left: its exit status and what it wrote."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output as JSON."""
        return json.loads(self.out)


@dataclass(frozen=True)
class CommandLine:
    """`sync-actions` in a process of its own, on the test's database and Prefect server."""

    prefect_variables: Mapping[str, str]
    folder: Path
    """Where it is called."""

    def start(self, *arguments: str, **variables: str) -> "subprocess.Popen[str]":
        """Start it and do not wait; it gets a process group of its own, as a terminal gives it."""
        return subprocess.Popen(
            [sys.executable, "-c", "from flows.cli.app import main; main()", *arguments],
            env=self.environment(variables),
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *arguments: str, **variables: str) -> Outcome:
        """Run it to its end: forked from a process that has imported it, unless Prefect is told something else."""
        outcome = self._run(arguments, variables)
        WATCH.look_at(f"what sync-actions {arguments[0] if arguments else ''} said", f"{outcome.out}\n{outcome.err}")
        return outcome

    def _run(self, arguments: tuple[str, ...], variables: dict[str, str]) -> Outcome:
        if not any(name.startswith("PREFECT_") for name in variables):
            command = Command(main, arguments, self.environment(variables), self.folder)
            status = run_forked(command)
            return Outcome(status, *(path.read_text() for path in command.output))
        process = self.start(*arguments, **variables)
        out, err = process.communicate(timeout=LONGEST_COMMAND_SECONDS)
        return Outcome(process.returncode, out, err)

    def environment(self, variables: Mapping[str, str]) -> dict[str, str]:
        """What the command line sees, with these variables besides."""
        WATCH.learn(variables)
        return {**os.environ, "COLUMNS": "160", **self.prefect_variables, **variables}


@contextmanager
def prefect_client(api_url: str) -> Iterator[SyncPrefectClient]:
    """A client of this Prefect server; inside the block this process uses that server too."""
    with temporary_settings({PREFECT_API_URL: api_url}), get_client(sync_client=True) as client:
        yield client


@pytest.fixture
def vendors() -> Iterator[SandboxServer]:
    """The three vendors of a small academy, whom a test may break."""
    with serve_sandbox(build_world(clients=8)) as sandbox:
        yield sandbox


@pytest.fixture
def academy(monkeypatch: pytest.MonkeyPatch) -> Iterator[SandboxServer]:
    """The vendors of this process: a small academy, two of whose customers of March 2024 have no email."""
    with serve_sandbox(build_world(clients=8)) as sandbox:
        sandbox.world.contacts.extend([contact("ana", email=""), contact("bob", email="")])
        for number, name in enumerate(("ana", "bob"), start=9001):
            sandbox.world.invoices.append(invoice(number, date(2024, 3, 1), account=None, contact_id=f"c-{name}"))
        for name, value in {**sandbox.environment, **FAST}.items():
            monkeypatch.setenv(name, value)
        yield sandbox


@pytest.fixture
def sync_actions(forked_environment: Mapping[str, str], tmp_path: Path) -> CommandLine:
    """The command line, with the shared Prefect server."""
    return CommandLine(forked_environment, tmp_path)


@pytest.fixture(scope="session")
def deployed(forked_environment: Mapping[str, str]) -> Mapping[str, str]:
    """Everything of `prefect setup` on the shared Prefect server but the limits; which variables lead there."""
    command = [sys.executable, "-c", "from flows.cli.app import main; main()", "prefect", "setup"]
    done = subprocess.run(
        command, env={**os.environ, **forked_environment}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    with prefect_client(forked_environment["PREFECT_API_URL"]) as client:
        delete_limits(client)
    return forked_environment


def delete_limits(client: SyncPrefectClient) -> None:
    """Those of the vendors, which `prefect setup` makes: on the shared server no other test expects any."""
    for vendor in VENDORS:
        client.delete_global_concurrency_limit_by_name(vendor)


@pytest.fixture
def prefect(deployed: Mapping[str, str]) -> Iterator[SyncPrefectClient]:
    """A client of the shared server, to which the deployments were sent."""
    with prefect_client(deployed["PREFECT_API_URL"]) as client:
        yield client
