"""The server at a real socket: what is slow or half is cut off, connections are bounded, proxies and TLS."""

import asyncio
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import SecretStr
from starlette.types import ASGIApp, Receive, Scope, Send

from flows import connections
from flows.access import MOST_WRONG
from flows.api import middleware
from flows.api.app import create_app
from flows.cli.app import run_command
from flows.connections import Certificate, server_config
from steps.errors import UsageError
from steps.settings import SyncSettings
from tests.flows.api.recorded_runs import RecordedRuns
from tracking.models import utc_now

TOKEN = "a-token-for-tests-of-32-letters-"
PATIENCE = 60.0
SHORT = 0.2
AUTHORIZED = f"Host: x\r\nAuthorization: Bearer {TOKEN}\r\n"
HALF_HEAD = b"GET /api/health HTTP/1.1\r\nHost: x\r\n"
HALF_BODY = f"POST /api/sync/execute-step HTTP/1.1\r\n{AUTHORIZED}Content-Length: 100\r\n\r\n{{".encode()


@contextmanager
def _serving(settings: SyncSettings, app: ASGIApp | None = None, tls: Certificate | None = None) -> Iterator[int]:
    """The port of a server in a thread."""
    server = uvicorn.Server(server_config(app or create_app(settings, RecordedRuns()), settings, tls))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join(PATIENCE)


@pytest.fixture
def guarded(sqlite_database: None) -> SyncSettings:
    """With a token."""
    return SyncSettings(api_token=SecretStr(TOKEN))


def _connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)


def _until_cut_off(connection: socket.socket) -> bytes:
    """All that comes before the other side ends it."""
    told = b""
    try:
        while part := connection.recv(65536):
            told += part
    except ConnectionResetError:
        pass
    return told


def test_a_request_that_does_not_arrive_is_cut_off_and_one_that_does_is_answered(
    guarded: SyncSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "HEAD_SECONDS", SHORT)
    with _serving(guarded) as port:
        for begun in (b"", HALF_HEAD):
            with _connect(port) as connection:
                connection.sendall(begun)
                assert _until_cut_off(connection) == b""
        with _connect(port) as connection:  # the second request of a connection too
            connection.sendall(HALF_HEAD + b"\r\n")
            assert connection.recv(65536).startswith(b"HTTP/1.1 200")
            connection.sendall(HALF_HEAD)
            assert b"HTTP" not in _until_cut_off(connection)


def test_a_body_that_does_not_arrive_is_408(guarded: SyncSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(middleware, "BODY_SECONDS", SHORT)
    with _serving(guarded) as port, _connect(port) as connection:
        connection.sendall(HALF_BODY)

        assert _until_cut_off(connection).startswith(b"HTTP/1.1 408")


def test_a_head_without_an_end_is_cut_off(guarded: SyncSettings) -> None:
    with _serving(guarded) as port, _connect(port) as connection:
        connection.sendall(HALF_HEAD + b"X: " + b"x" * connections.LARGEST_HEAD)

        assert _until_cut_off(connection) == b""


def test_an_answer_may_take_longer_than_a_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEAD_SECONDS", SHORT)

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await asyncio.sleep(3 * SHORT)
            await send({"type": "http.response.start", "status": 204, "headers": []})
            await send({"type": "http.response.body"})

    with _serving(SyncSettings(), slow) as port:
        assert httpx.get(f"http://127.0.0.1:{port}", timeout=PATIENCE).status_code == 204


def test_connections_are_bounded(guarded: SyncSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "MOST_CONNECTIONS", 2)
    with _serving(guarded) as port, _connect(port) as first, _connect(port) as second:
        for connection in (first, second):
            connection.sendall(HALF_HEAD + b"\r\n")
            assert connection.recv(65536).startswith(b"HTTP/1.1 200")
        with _connect(port) as third:
            assert _until_cut_off(third) == b""


def test_a_proxy_that_is_trusted_says_whose_address_it_is_and_others_are_not_believed(guarded: SyncSettings) -> None:
    trusting = guarded.model_copy(update={"trusted_proxies": ("127.0.0.1/32",)})
    for settings, others in ((trusting, 200), (guarded, 429)):
        with _serving(settings) as port, httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE) as client:

            def ask(token: str, address: str, client: httpx.Client = client) -> int:
                told = {"Authorization": f"Bearer {token}", "X-Forwarded-For": address}
                return client.get("/api/sync/execution-order", headers=told).status_code

            assert {ask("wrong", "192.0.2.7") for _ in range(MOST_WRONG)} == {401}
            assert ask(TOKEN, "192.0.2.7") == 429
            assert ask(TOKEN, "192.0.2.8") == others


def _certificate(folder: Path) -> Certificate:
    """Of this machine, signed by itself."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name.from_rfc4514_string("CN=localhost")
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(utc_now() - timedelta(days=1))
        .not_valid_after(utc_now() + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem, none = serialization.Encoding.PEM, serialization.NoEncryption()
    (folder / "tls.pem").write_bytes(made.public_bytes(pem))
    (folder / "tls.key").write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, none))
    return Certificate(folder / "tls.pem", folder / "tls.key")


def test_with_a_certificate_it_speaks_tls_and_tells_browsers_so(guarded: SyncSettings, tmp_path: Path) -> None:
    tls = _certificate(tmp_path)
    tls.require_usable()
    trust = ssl.create_default_context(cafile=str(tls.certificate))
    with _serving(guarded, tls=tls) as port:
        answer = httpx.get(f"https://localhost:{port}/api/health", verify=trust, timeout=PATIENCE)

    assert (answer.status_code, answer.headers["strict-transport-security"]) == (200, "max-age=31536000")


def test_a_certificate_that_cannot_be_used_is_one_line(tmp_path: Path) -> None:
    tls = _certificate(tmp_path)
    with pytest.raises(UsageError, match=r"cannot serve TLS with .*gone.pem and .*: No such file"):
        Certificate(tmp_path / "gone.pem", tls.key).require_usable()
    (tmp_path / "other").mkdir()
    with pytest.raises(UsageError, match="KEY_VALUES_MISMATCH"):
        Certificate(tls.certificate, _certificate(tmp_path / "other").key).require_usable()


def test_a_certificate_without_its_key_is_refused_at_start(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["api", "--tls-certificate", "x.pem"]) == 2

    assert capsys.readouterr().err.startswith("Error: --tls-certificate and --tls-key go together")
