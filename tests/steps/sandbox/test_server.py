"""The server on its socket: quick, clean, the same bytes for the same seed, and a world that may change."""

import signal
import subprocess
import sys
from datetime import date
from pathlib import Path
from threading import enumerate as running_threads

import httpx
import pytest

from steps.sandbox.server import SandboxServer, serve_sandbox
from steps.sandbox.world import build_world


def test_it_leaves_no_thread_and_no_port_behind() -> None:
    before = set(running_threads())
    with serve_sandbox(build_world(clients=2)) as server, httpx.Client(trust_env=False) as client:
        assert client.get(server.environment["HOLDED_BASE_URL"] + "/contacts").status_code == 401

        # The client still holds its connection open when the block ends.
        url = server.base_url
    assert set(running_threads()) == before
    with pytest.raises(httpx.ConnectError):
        httpx.get(url, trust_env=False)


def test_two_servers_live_side_by_side() -> None:
    with serve_sandbox(build_world(clients=1)) as one, serve_sandbox(build_world(clients=1)) as other:
        assert one.base_url != other.base_url


def test_a_port_that_is_taken_is_said_at_once(sandbox: SandboxServer) -> None:
    port = int(sandbox.base_url.rpartition(":")[2])

    with pytest.raises(OSError, match="in use"), serve_sandbox(build_world(clients=0), port=port):
        pass


def test_the_same_seed_gives_the_same_bytes(holded: httpx.Client, notion: httpx.Client, query: str) -> None:
    mine = [holded.get("/documents/invoice").content, notion.post(query, json={}).content]

    with serve_sandbox(build_world()) as other, httpx.Client(trust_env=False) as client:
        environment = other.environment
        theirs = client.get(environment["HOLDED_BASE_URL"] + "/documents/invoice", headers=dict(holded.headers)).content
        pages = client.post(environment["NOTION_BASE_URL"] + query, json={}, headers=dict(notion.headers)).content

    assert [theirs, pages] == mine


def test_the_world_may_be_set_to_another_day_between_requests(sandbox: SandboxServer, holded: httpx.Client) -> None:
    whole = sandbox.world
    sandbox.world = whole.as_of(date(2024, 3, 31))
    early = holded.get("/documents/invoice").json()
    sandbox.world = whole

    assert 0 < len(early) < len(holded.get("/documents/invoice").json())
    assert sandbox.world is whole


def test_the_environment_names_every_variable_and_no_rate(sandbox: SandboxServer) -> None:
    assert set(sandbox.environment) == {
        "HOLDED_API_KEY", "HOLDED_BASE_URL", "FOURGEEKS_USERNAME", "FOURGEEKS_PASSWORD", "FOURGEEKS_ACADEMY_ID",
        "FOURGEEKS_BASE_URL", "NOTION_TOKEN", "NOTION_DATABASE_ID", "NOTION_BASE_URL",
    }  # fmt: skip
    assert sandbox.environment["HOLDED_BASE_URL"].endswith("/holded/api/invoicing/v1")


def test_an_address_of_no_vendor_is_404(sandbox: SandboxServer) -> None:
    assert httpx.get(sandbox.base_url, trust_env=False).status_code == 404


def test_as_a_program_it_says_how_to_reach_it_and_ends_when_told() -> None:
    command = Path(sys.executable).parent / "sync-actions"
    with subprocess.Popen([command, "sandbox", "--port", "0"], stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        lines = [program.stdout.readline() for _ in range(9)]
        program.send_signal(signal.SIGINT)

    assert program.returncode == 0
    assert all(line.startswith("export ") for line in lines)
