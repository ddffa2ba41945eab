"""The door: what a browser gets with the right token, the wrong one, or none at all."""

from collections.abc import Iterator
from contextlib import suppress

import pytest
from fastapi import FastAPI
from pydantic import SecretStr
from starlette.testclient import TestClient
from starlette.websockets import WebSocket, WebSocketDisconnect

from flows.access import MOST_WRONG, Access
from flows.page.auth import COOKIE, IDLE_SECONDS, TLS_COOKIE, SessionGuard, Sessions, login_routes
from steps.settings import SyncSettings
from tests.flows.page.test_sessions import Clock
from tracking.audit import audit_trail

TOKEN = "an-invented-token"
HERE = "http://testserver"


def _app(sessions: Sessions | None) -> FastAPI:
    inner, outer = FastAPI(), FastAPI()
    inner.include_router(login_routes(Access(SyncSettings(api_token=SecretStr(TOKEN))), sessions or Sessions()))

    @inner.get("/en/run")
    def view() -> str:
        return "the page"

    @inner.websocket("/socket")
    async def echo(websocket: WebSocket) -> None:
        await websocket.accept()
        with suppress(WebSocketDisconnect):
            while True:
                await websocket.send_text(await websocket.receive_text())

    inner.add_middleware(SessionGuard, sessions=sessions)
    outer.mount("/page", inner)
    return outer


@pytest.fixture
def clock() -> Clock:
    """At zero."""
    return Clock()


@pytest.fixture
def sessions(clock: Clock, sqlite_database: None) -> Sessions:
    """Nobody has logged in."""
    return Sessions(clock)


@pytest.fixture
def client(sessions: Sessions) -> Iterator[TestClient]:
    """A browser that follows no redirect."""
    with TestClient(_app(sessions), follow_redirects=False) as client:
        yield client


def test_without_a_session_every_address_leads_to_the_login(client: TestClient) -> None:
    for address in ("/page/_nicegui/anything.js", "/page/login/../x/run", "/page/logout", "/page/en/run?a=//b"):
        answer = client.get(address)
        assert (answer.status_code, answer.headers["location"]) == (303, "/page/login")


def test_the_login_leads_to_the_view_that_was_asked_for_and_nowhere_else(client: TestClient) -> None:
    asked = client.get("/page/en/run?step=a%2Cb&month=2024-03").headers["location"]
    form = client.get(asked).text

    assert f'action="{asked}"'.replace("&", "&amp;") in form
    answer = client.post(asked, data={"token": TOKEN})
    assert answer.headers["location"] == "/page/en/run?step=a%2Cb&month=2024-03"
    for elsewhere in ("//example.org", "/en/../../x?y=//z", "https://example.org/en/"):
        answer = client.post("/page/login", params={"back": elsewhere}, data={"token": TOKEN})
        assert answer.headers["location"] == "/page/"


def test_the_right_token_opens_the_page(client: TestClient) -> None:
    answer = client.post("/page/login", data={"token": TOKEN})

    assert (answer.status_code, answer.headers["location"]) == (303, "/page/")
    assert client.get("/page/en/run").json() == "the page"


def test_the_cookie_is_for_the_page_alone_and_no_script_reads_it(client: TestClient) -> None:
    cookie = client.post("/page/login", data={"token": TOKEN}).headers["set-cookie"]

    flags = {part.strip().lower() for part in cookie.split(";")[1:]}
    assert flags >= {"httponly", "samesite=strict", "path=/page"}
    assert "secure" not in flags


def test_over_https_the_cookie_is_of_this_host_alone_and_never_goes_in_clear(client: TestClient) -> None:
    over_tls = {"X-Forwarded-Proto": "https"}
    answer = client.post("/page/login", data={"token": TOKEN}, headers=over_tls)

    name, _, rest = answer.headers["set-cookie"].partition("=")
    value, *flags = (part.strip().lower() for part in rest.split(";"))
    assert name == TLS_COOKIE == "__Host-sync_session"
    assert {"secure", "path=/", "httponly", "samesite=strict"} <= set(flags)
    assert not any(flag.startswith("domain") for flag in flags)
    client.cookies.clear()
    for cookie, status in ((TLS_COOKIE, 200), (COOKIE, 303)):
        told = {"Cookie": f"{cookie}={rest.partition(';')[0]}"}
        assert client.get("/page/en/run", headers=over_tls | told).status_code == status, value


@pytest.mark.parametrize("wrong", ["", "x", TOKEN + "x", TOKEN[:-1], "ñandú"])
def test_a_wrong_token_is_refused_and_not_shown(client: TestClient, wrong: str) -> None:
    answer = client.post("/page/login", data={"token": wrong})

    assert answer.status_code == 401
    assert 'role="alert"' in answer.text
    assert len(wrong) < 2 or wrong not in answer.text
    assert COOKIE not in answer.headers.get("set-cookie", "")


def test_a_form_that_is_no_form_is_refused(client: TestClient) -> None:
    assert client.post("/page/login", content=b"\xff" * 100_000).status_code == 401


def test_guessing_becomes_slow_even_for_the_right_token(client: TestClient) -> None:
    for _ in range(MOST_WRONG):
        client.post("/page/login", data={"token": "guess"})

    answer = client.post("/page/login", data={"token": TOKEN})

    assert (answer.status_code, answer.headers["retry-after"]) == (429, "60")


def test_a_wrong_token_is_in_the_log_and_the_trail_with_its_address(
    client: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    client.post("/page/login", data={"token": "guess"})

    assert [record.getMessage() for record in caplog.records if record.name == "flows.api.access"] == [
        "a wrong token from testclient"
    ]
    (event,) = audit_trail()
    assert (event.door, event.action, event.address) == ("page", "log in", "testclient")
    assert event.outcome == "refused: a wrong token"


def test_the_login_page_runs_no_script_and_loads_nothing(client: TestClient) -> None:
    answer = client.get("/page/login")

    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "<script" not in answer.text


def test_the_login_page_speaks_the_browsers_language(client: TestClient) -> None:
    answer = client.get("/page/login", headers={"Accept-Language": "es-ES,es"})

    assert '<html lang="es">' in answer.text
    assert "Clave de acceso" in answer.text


def test_logging_out_ends_the_session_for_every_copy_of_the_cookie(client: TestClient, sessions: Sessions) -> None:
    client.post("/page/login", data={"token": TOKEN})
    stolen = client.cookies[COOKIE]

    client.post("/page/logout")

    assert sessions.find(stolen, is_act=True) is None


@pytest.mark.parametrize("origin", [None, "http://elsewhere.example", "null", "http://testserver.example"])
def test_a_websocket_of_another_sites_page_is_refused(client: TestClient, origin: str | None) -> None:
    client.post("/page/login", data={"token": TOKEN})
    headers = {} if origin is None else {"Origin": origin}

    with pytest.raises(WebSocketDisconnect), client.websocket_connect("/page/socket", headers=headers):
        pass


def test_a_websocket_without_a_session_is_refused(client: TestClient) -> None:
    with pytest.raises(WebSocketDisconnect), client.websocket_connect("/page/socket", headers={"Origin": HERE}):
        pass


def test_an_open_websocket_ends_with_its_session(client: TestClient, sessions: Sessions) -> None:
    client.post("/page/login", data={"token": TOKEN})
    with client.websocket_connect("/page/socket", headers={"Origin": HERE}) as websocket:
        websocket.send_text("here")
        assert websocket.receive_text() == "here"

        sessions.close(client.cookies[COOKIE])
        websocket.send_text("still here?")

        with pytest.raises(WebSocketDisconnect):
            websocket.receive_text()


def test_what_a_page_does_by_itself_keeps_no_session_open_and_what_a_person_does_keeps_it(
    client: TestClient, clock: Clock
) -> None:
    """The words are those of NiceGUI's client: it answers pings and acknowledges; a click is an event."""
    client.post("/page/login", data={"token": TOKEN})
    with client.websocket_connect("/page/socket", headers={"Origin": HERE}) as websocket:
        for moment, message in ((1000, '42["event",{"id":"c1"}]'), (2000, "3"), (2500, '42["ack",{"client_id":"c1"}]')):
            clock.moment = moment
            websocket.send_text(message)
            assert websocket.receive_text() == message

        clock.moment = 1000 + IDLE_SECONDS
        websocket.send_text("3")

        with pytest.raises(WebSocketDisconnect):
            websocket.receive_text()
    assert client.get("/page/en/run").status_code == 303


def test_without_a_token_nobody_has_to_log_in() -> None:
    with TestClient(_app(None)) as client:
        assert client.get("/page/en/run").json() == "the page"
