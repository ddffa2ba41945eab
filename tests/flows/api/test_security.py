"""Who may ask, and what every answer tells a browser."""

import logging

import pytest
from fastapi import FastAPI
from pydantic import SecretStr
from starlette.testclient import TestClient

from flows.access import MOST_WRONG
from flows.api.app import create_app
from flows.api.security import is_loopback, require_safe_binding
from steps.errors import UsageError
from steps.settings import SyncSettings
from tests.flows.api.conftest import local_client
from tests.flows.api.recorded_runs import RecordedRuns
from tracking.audit import audit_trail

TOKEN = "a-token-for-tests-of-32-letters-"
GUARDED = "/api/sync/execution-order"


@pytest.fixture
def guarded(sqlite_database: None) -> FastAPI:
    return create_app(SyncSettings(api_token=SecretStr(TOKEN)), RecordedRuns())


@pytest.fixture
def stranger(guarded: FastAPI) -> TestClient:
    """A client of another machine, on the server's public name."""
    return TestClient(guarded, base_url="http://sync.example.org", client=("192.0.2.7", 40000))


@pytest.fixture
def tokenless() -> FastAPI:
    return create_app(SyncSettings(), RecordedRuns())


def test_the_token_opens_the_api_to_any_machine(stranger: TestClient) -> None:
    answer = stranger.get(GUARDED, headers={"Authorization": f"Bearer {TOKEN}"})

    assert answer.status_code == 200


@pytest.mark.parametrize(
    "header",
    [None, "", "Bearer", "Bearer ", f"Basic {TOKEN}", TOKEN, f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", "Bearer ñ"],
)
@pytest.mark.parametrize("path", [GUARDED, "/api/nothing", "/api/openapi.json"])
def test_anything_else_is_401_whatever_is_asked(stranger: TestClient, header: str | None, path: str) -> None:
    answer = stranger.get(path, headers={} if header is None else {"Authorization": header.encode()})

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.headers["content-type"] == "application/problem+json"
    assert TOKEN not in answer.text


def test_who_guesses_has_to_wait_and_others_are_let_in(guarded: FastAPI) -> None:
    guesser, other = (TestClient(guarded, client=(address, 40000)) for address in ("192.0.2.7", "192.0.2.8"))
    right, wrong = ({"Authorization": f"Bearer {token}"} for token in (TOKEN, TOKEN[::-1]))

    assert [guesser.get(GUARDED, headers=wrong).status_code for _ in range(MOST_WRONG + 1)] == [401] * MOST_WRONG + [
        429
    ]
    refused = guesser.get(GUARDED, headers=right)

    assert (refused.status_code, refused.headers["retry-after"]) == (429, "60")
    assert other.get(GUARDED, headers=right).status_code == 200
    assert {(event.door, event.address, event.action) for event in audit_trail()} == {("api", "192.0.2.7", "log in")}


def test_who_sends_no_token_does_not_guess(stranger: TestClient) -> None:
    answers = [stranger.get(GUARDED).status_code for _ in range(MOST_WRONG + 1)]

    assert answers == [401] * (MOST_WRONG + 1)


def test_over_https_browsers_are_told_to_come_by_nothing_else(stranger: TestClient) -> None:
    assert "strict-transport-security" not in stranger.get("/api/health").headers
    told = stranger.get("/api/health", headers={"X-Forwarded-Proto": "https"}).headers["strict-transport-security"]
    assert told == "max-age=31536000"


def test_health_needs_no_token(stranger: TestClient) -> None:
    assert stranger.get("/api/health").status_code == 200


def test_with_a_token_this_machine_needs_it_too(guarded: FastAPI) -> None:
    assert local_client(guarded).get(GUARDED).status_code == 401


@pytest.mark.parametrize(
    ("base_url", "client", "headers", "status"),
    [
        ("http://127.0.0.1:8000", "127.0.0.1", {}, 200),
        ("http://localhost:8000", "127.0.0.1", {}, 200),
        ("http://[::1]:8000", "::1", {}, 200),
        ("http://127.0.0.1:8000", "192.0.2.7", {}, 403),
        ("http://sync.example.org", "127.0.0.1", {}, 403),
        ("http://127.0.0.1.example.org", "127.0.0.1", {}, 403),
        ("http://localhost.example.org", "127.0.0.1", {}, 403),
        ("http://127.0.0.1:8000", "127.0.0.1", {"Host": ""}, 403),
        ("http://127.0.0.1:8000", "127.0.0.1", {"Host": "["}, 403),
        ("http://127.0.0.1:8000", "127.0.0.1", {"X-Forwarded-For": "192.0.2.7"}, 403),
        ("http://127.0.0.1:8000", "127.0.0.1", {"Forwarded": "for=192.0.2.7"}, 403),
    ],
)
@pytest.mark.parametrize("path", [GUARDED, "/api/health"])
def test_without_a_token_only_this_machine_by_its_own_name_is_served(
    tokenless: FastAPI, base_url: str, client: str, headers: dict[str, str], status: int, path: str
) -> None:
    asking = TestClient(tokenless, base_url=base_url, client=(client, 50000))

    assert asking.get(path, headers=headers).status_code == status


def test_a_page_of_another_site_starts_nothing_on_this_machine(tokenless: FastAPI) -> None:
    client = local_client(tokenless)
    path = "/api/integrations/holded/sync-services"

    assert client.post(path, headers={"Origin": "https://evil.example"}).status_code == 403
    assert client.post(path, headers={"Origin": "null"}).status_code == 403
    assert client.post(path, headers={"Origin": "http://127.0.0.1:8000"}).status_code == 200
    assert tokenless.state.runs.asked == [("services", "2024-01..2024-12")]


@pytest.mark.parametrize("path", ["/api/health", GUARDED, "/api/nothing", "/api/sync/executions?limit=x"])
def test_every_answer_tells_a_browser_to_be_careful(tokenless: FastAPI, path: str) -> None:
    headers = local_client(tokenless).get(path).headers

    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-frame-options"] == "DENY"
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "frame-ancestors 'none'" in headers["content-security-policy"]


def test_a_refusal_tells_a_browser_the_same(stranger: TestClient) -> None:
    assert stranger.get(GUARDED).headers["cache-control"] == "no-store"


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "localhost", "LOCALHOST."])
def test_this_machine_has_many_names(host: str) -> None:
    assert is_loopback(host)
    require_safe_binding(host, SyncSettings())


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "sync.example.org", "localhost.example.org", ""])
def test_serving_other_machines_without_a_token_is_refused(host: str) -> None:
    with pytest.raises(UsageError, match="SYNC_API_TOKEN"):
        require_safe_binding(host, SyncSettings())
    require_safe_binding(host, SyncSettings(api_token=SecretStr(TOKEN)))


@pytest.mark.parametrize("token", ["", TOKEN[:-1]], ids=len)
def test_other_machines_are_not_served_with_a_token_that_is_blank_or_short(token: str) -> None:
    short = SyncSettings(api_token=SecretStr(token))

    with pytest.raises(UsageError, match=f"at least 32 characters, and it has {len(token)}: ") as refused:
        require_safe_binding("0.0.0.0", short)

    assert TOKEN[:-1] not in str(refused.value)
    require_safe_binding("127.0.0.1", short)


def test_the_access_log_shows_routes_and_nothing_that_was_sent(
    tokenless: FastAPI, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "flows.api"):
        local_client(tokenless).get("/api/sync/executions/4711?email=ana@example.org")
        local_client(tokenless).get("/ana@example.org")

    told = [line.rpartition(" 404 ")[0] for line in _lines(caplog)]
    assert told == ["GET /api/sync/executions/{execution_id}", "GET (no route)"]


def test_the_access_log_says_from_where_and_by_whose_token(
    stranger: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "flows.api"):
        stranger.get(GUARDED)
        stranger.get(GUARDED, headers={"Authorization": f"Bearer {TOKEN}"})

    assert [line.partition(" ms ")[2] for line in _lines(caplog)] == ["192.0.2.7 -", "192.0.2.7 SYNC_API_TOKEN"]


def test_the_access_log_leaves_out_the_pages_scripts_and_websocket_only(
    tokenless: FastAPI, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "flows.api"):
        local_client(tokenless).get("/page/_nicegui/3.0.0/static/nicegui.js")
        local_client(tokenless).get("/page/_nicegui_ws/socket.io/?EIO=4&client_id=4711")
        local_client(tokenless).get("/page/download/errors.csv?entity_type=ana")

    assert [line.rpartition(" 404 ")[0] for line in _lines(caplog)] == ["GET (no route)"]


def _lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Of our log; the client, which is httpx, has one too."""
    return [record.getMessage() for record in caplog.records if record.name.startswith("flows.")]
