"""The vendors of a test: a sandbox on loopback that the environment points at, and the steps run against it."""

from collections.abc import Iterator

import pytest
import stamina

from steps.sandbox.academy import MADRID_SCHOOL
from steps.sandbox.records import World
from steps.sandbox.server import SandboxServer, serve_sandbox
from steps.vendors import fourgeeks
from steps.vendors.http import RetryPolicy
from tests.fast_vendors import FAST


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[SandboxServer]:
    """An academy without any record, which a test fills; the vendors' rates are no matter here."""
    with serve_sandbox(World(year=2024, academies=[MADRID_SCHOOL])) as server:
        for name, value in {**server.environment, **FAST}.items():
            monkeypatch.setenv(name, value)
        yield server


@pytest.fixture(autouse=True)
def no_token_of_another_test() -> None:
    """A sandbox may get the port of an earlier one; with the token of that one, its first request would be no login."""
    fourgeeks._tokens.clear()


@pytest.fixture
def without_waits() -> Iterator[None]:
    """Transient failures are tried again as often as ever, without the waits between the attempts."""
    with stamina.set_testing(True, attempts=RetryPolicy().attempts, cap=True):
        yield
