"""One sandbox per test on a free port, and a client of each vendor that already knows how to get in."""

from collections.abc import Iterator

import httpx
import pytest

from steps.sandbox.records import World
from steps.sandbox.server import SandboxServer, serve_sandbox
from steps.sandbox.world import build_world


@pytest.fixture
def world() -> World:
    """The default academy."""
    return build_world()


@pytest.fixture
def sandbox(world: World) -> Iterator[SandboxServer]:
    """The default academy, served."""
    with serve_sandbox(world) as server:
        yield server


@pytest.fixture
def holded(sandbox: SandboxServer) -> Iterator[httpx.Client]:
    """With the key."""
    environment = sandbox.environment
    with httpx.Client(
        base_url=environment["HOLDED_BASE_URL"], headers={"key": environment["HOLDED_API_KEY"]}, trust_env=False
    ) as client:
        yield client


@pytest.fixture
def fourgeeks(sandbox: SandboxServer) -> Iterator[httpx.Client]:
    """Logged in, in the academy of the environment."""
    environment = sandbox.environment
    with httpx.Client(base_url=environment["FOURGEEKS_BASE_URL"], trust_env=False) as client:
        body = {"email": environment["FOURGEEKS_USERNAME"], "password": environment["FOURGEEKS_PASSWORD"]}
        token = client.post("/auth/login/", json=body).json()["token"]
        client.headers.update({"Authorization": f"Token {token}", "Academy": environment["FOURGEEKS_ACADEMY_ID"]})
        yield client


@pytest.fixture
def notion(sandbox: SandboxServer) -> Iterator[httpx.Client]:
    """With the token, in the old version."""
    environment = sandbox.environment
    headers = {"Authorization": f"Bearer {environment['NOTION_TOKEN']}", "Notion-Version": "2022-06-28"}
    with httpx.Client(base_url=environment["NOTION_BASE_URL"], headers=headers, trust_env=False) as client:
        yield client


@pytest.fixture
def query(sandbox: SandboxServer) -> str:
    """The path of a query of the students' database."""
    return f"/databases/{sandbox.environment['NOTION_DATABASE_ID']}/query"
