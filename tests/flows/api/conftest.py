"""The app on the test's database, asked as a program on this machine would."""

from collections.abc import Iterator

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from flows.api.app import create_app
from steps.settings import SyncSettings
from tests.flows.api.recorded_runs import RecordedRuns


@pytest.fixture
def runs() -> RecordedRuns:
    """What the app starts."""
    return RecordedRuns()


@pytest.fixture
def app(database: str, runs: RecordedRuns) -> FastAPI:
    """Without a token, on a fresh database of either kind."""
    return create_app(SyncSettings(), runs)


@pytest.fixture
def api(app: FastAPI) -> Iterator[TestClient]:
    """A client on loopback."""
    with local_client(app) as client:
        yield client


def local_client(app: FastAPI) -> TestClient:
    """A client that comes from this machine and asks for this machine."""
    return TestClient(app, base_url="http://127.0.0.1:8000", client=("127.0.0.1", 50000), raise_server_exceptions=False)
