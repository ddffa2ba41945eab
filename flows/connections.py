"""How the server takes connections: bounded, cut off when a request does not arrive, over TLS with a certificate.

Uvicorn waits for the rest of a request's head for as long as it takes; here it has its time, as its body has
(`flows/api/middleware.py`).
"""

import asyncio
import ssl
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from steps.errors import UsageError
from steps.settings import SyncSettings

HEAD_SECONDS = 10.0
"""For the first byte of a connection, and for the whole head of each request."""
LARGEST_HEAD = 64 * 1024
"""Bytes that are read without a whole head among them."""
MOST_CONNECTIONS = 500
"""At once, websockets included; a page has one. Most systems let a process have 1,024 files open."""
GRACE_SECONDS = 10


class BoundedProtocol(HttpToolsProtocol):
    """One connection: uvicorn's, and a clock that runs while no whole request is there."""

    _due: asyncio.TimerHandle | None = None
    _waiting_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request; of too many connections this one ends."""
        super().connection_made(transport)
        if len(self.connections) > MOST_CONNECTIONS:
            transport.abort()
        else:
            self._wait(0)

    def data_received(self, data: bytes) -> None:
        """Read on, and see whether it is a whole head now."""
        super().data_received(data)
        is_another = self.transport.get_protocol() is not self  # a websocket now
        if is_another or (self.cycle is not None and not self.cycle.response_complete):
            self._stop_waiting()
        else:
            self._wait(len(data))

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is waited for any more."""
        self._stop_waiting()
        super().connection_lost(exc)

    def _wait(self, received: int) -> None:
        self._waiting_bytes += received
        if self._waiting_bytes > LARGEST_HEAD:
            self.transport.abort()
        elif self._due is None:
            self._due = self.loop.call_later(HEAD_SECONDS, self.transport.abort)

    def _stop_waiting(self) -> None:
        self._waiting_bytes = 0
        if self._due is not None:
            self._due.cancel()
            self._due = None


@dataclass(frozen=True)
class Certificate:
    """For TLS: the certificate with its chain, and its key without a passphrase, both as PEM."""

    certificate: Path
    key: Path

    def require_usable(self) -> None:
        """Look at it before anything begins.

        Raises:
            UsageError: a file cannot be read, or the two do not belong together.
        """
        try:
            # With a passphrase that fits none, so that nobody is asked for one.
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(self.certificate, self.key, password="")
        except OSError as error:
            why = getattr(error, "reason", None) or error.strerror or error
            raise UsageError(f"cannot serve TLS with {self.certificate} and {self.key}: {why}") from None


def server_config(app: ASGIApp, settings: SyncSettings, tls: Certificate | None = None) -> uvicorn.Config:
    """How the app is served."""
    return uvicorn.Config(
        app,
        http=BoundedProtocol,
        access_log=False,  # it would show whole addresses; ours shows routes
        log_level="warning",
        # Whose address it is comes from the connection: a header could say anything, but for that of a proxy of ours.
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=list(settings.trusted_proxies),
        server_header=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
        ssl_certfile=tls.certificate if tls else None,
        ssl_keyfile=tls.key if tls else None,
    )
